// EventFilter: which events a subscriber wants, told from their headers: payloads aren't touched.
//
//     EventFilter filter;
//     filter.add_type(kTrade).add_type(kQuote);
//     filter.set_partition(4, 1);  // keys with key % 4 == 1
//
// An event passes if its type is one of the types, and its key one of the keys and of the
// partition; whatever isn't set lets everything pass. An event without a key has none of the keys
// and is in no partition. A value; one thread changes it.
#pragma once

#include <tailrace/base/event.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace tailrace::bus {

class EventFilter {
public:
    EventFilter& add_type(EventType type);
    EventFilter& add_key(std::uint64_t key);
    // Keys that leave `remainder` when divided by `modulus`. Modulus 0: all. A remainder that no
    // key leaves is refused when the subscriber attaches.
    EventFilter& set_partition(std::uint64_t modulus, std::uint64_t remainder) noexcept;

    [[nodiscard]] bool is_empty() const noexcept {
        return types_.empty() && keys_.empty() && modulus_ == 0;
    }
    [[nodiscard]] std::span<const EventType> types() const noexcept { return types_; }
    [[nodiscard]] std::span<const std::uint64_t> keys() const noexcept { return keys_; }
    [[nodiscard]] std::uint64_t modulus() const noexcept { return modulus_; }
    [[nodiscard]] std::uint64_t remainder() const noexcept { return remainder_; }

    // Reads the extension words of `event`, if keys matter.
    [[nodiscard]] bool accepts(const Event& event) const noexcept {
        if (!types_.empty()) {
            const EventType type = event.type();
            constexpr unsigned kWordBits = 64;
            if ((type_bits_[type / kWordBits] >> (type % kWordBits) & 1U) == 0) return false;
        }
        if (keys_.empty() && modulus_ == 0) return true;
        if (!event.has_key()) return false;
        const std::uint64_t key = event.key();
        if (modulus_ != 0 && key % modulus_ != remainder_) return false;
        return keys_.empty() || std::binary_search(keys_.begin(), keys_.end(), key);
    }

private:
    std::vector<EventType> types_;          // sorted
    std::vector<std::uint64_t> type_bits_;  // one bit for each of all types, once there are any
    std::vector<std::uint64_t> keys_;       // sorted
    std::uint64_t modulus_ = 0;
    std::uint64_t remainder_ = 0;
};

}  // namespace tailrace::bus
