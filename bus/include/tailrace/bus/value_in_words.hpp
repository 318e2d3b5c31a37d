// ValueInWords: a value of several words in shared memory that is read while its owner may change.
//
// Each word is whole, the value may be half of one owner's and half of the next one's. So it suits
// whatever is looked at again before anything depends on it, and pictures for tools. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace tailrace::bus {

template <typename Value>
class ValueInWords {
public:
    [[nodiscard]] Value read() const noexcept {
        Words words{};
        // Relaxed: whoever depends on the value is told of it by another word.
        for (std::size_t index = 0; index < words.size(); ++index)
            words[index] = words_[index].load(std::memory_order_relaxed);
        return std::bit_cast<Value>(words);
    }
    void write(const Value& value) noexcept {
        const auto words = std::bit_cast<Words>(value);
        // Relaxed: as above.
        for (std::size_t index = 0; index < words.size(); ++index)
            words_[index].store(words[index], std::memory_order_relaxed);
    }

private:
    static_assert(std::is_trivially_copyable_v<Value> &&
                  sizeof(Value) % sizeof(std::uint64_t) == 0);
    using Words = std::array<std::uint64_t, sizeof(Value) / sizeof(std::uint64_t)>;

    std::array<std::atomic<std::uint64_t>, sizeof(Value) / sizeof(std::uint64_t)> words_;
};

}  // namespace tailrace::bus
