// FullRing: a stream with some events in its ring that are read again and again: whoever reads goes
// back to the first of them, outside the timed part. Event `number` has the type 1 + number % 2
// and, of a stream with keys, the key number.
#pragma once

#include "ring_events.hpp"

#include <algorithm>
#include <vector>

namespace tailrace::micro {

class FullRing {
public:
    enum class Keys : std::uint8_t { none, numbers };

    // Not more than half of the ring, so that the first of them is safe there.
    FullRing(std::uint32_t payload_size_bytes, const Writing& writing, Keys keys = Keys::none)
        : stream_(writing.options()) {
        constexpr std::uint64_t kMostEvents = 4096;
        constexpr std::uint64_t kMostWordsBytes = 32;
        const std::uint64_t record_bytes =
            event_size_bytes(payload_size_bytes + kMostWordsBytes, 0, kEventAlignmentBytes);
        count_ = std::min(kMostEvents, kRingBytes / 2 / record_bytes);
        auto publisher = stream_.publisher();
        std::vector<std::byte> payload(payload_size_bytes);
        for (std::uint64_t number = 0; number < count_; ++number) {
            write_number(payload, number);
            const auto type = static_cast<EventType>(1 + number % 2);
            const bus::EventFields fields{type, 0, number, keys == Keys::numbers};
            if (publisher.publish(std::span<const std::byte>(payload), fields) !=
                bus::PublishStatus::ok)
                count_ = 0;
        }
    }

    [[nodiscard]] const test::TestStream& stream() const noexcept { return stream_; }
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    // Of the numbers of all events for which `wanted(number)`.
    template <typename Wanted>
    [[nodiscard]] std::uint64_t sum_of(Wanted&& wanted) const {
        std::uint64_t sum = 0;
        for (std::uint64_t number = 0; number < count_; ++number)
            sum += wanted(number) ? number : 0;
        return sum;
    }

private:
    test::TestStream stream_;
    std::uint64_t count_ = 0;
};

}  // namespace tailrace::micro
