#include "dictionary.hpp"

#include <tailrace/base/checksum.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

namespace tailrace::parquet {

namespace {

constexpr std::uint32_t kMostEntries = 1U << 16U;
constexpr std::uint64_t kMostEntryBytes = std::uint64_t{1} << 20U;
constexpr std::uint32_t kNoEntry = std::numeric_limits<std::uint32_t>::max();

// Finds values by their hash. `Width`: bytes of each; 0: each begins with its size.
template <std::size_t kWidth>
class EntryTable {
public:
    EntryTable(ByteBuffer& entries, std::uint32_t most)
        : entries_(entries),
          slots_(std::bit_ceil(std::size_t{most} * 2), Slot{0, kNoEntry}),
          most_(most) {}

    // The place of the value at `value`; kNoEntry: it would be one too many.
    std::uint32_t place_of(const std::byte* value, std::size_t size) {
        const std::uint64_t hash = hash_of(value, size);
        for (std::size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
            Slot& slot = slots_[at];
            if (slot.place == kNoEntry) {
                if (count_ == most_ || entries_.size() + size > kMostEntryBytes) return kNoEntry;
                slot = {hash, count_};
                entries_.append(value, size);
                if constexpr (kWidth == 0) begins_.push_back(entries_.size() - size);
                return count_++;
            }
            if (slot.hash == hash && is_at(slot.place, value, size)) return slot.place;
        }
    }
    [[nodiscard]] std::uint32_t count() const noexcept { return count_; }

private:
    struct Slot {
        std::uint64_t hash;
        std::uint32_t place;
    };

    static std::uint64_t hash_of(const std::byte* value, std::size_t size) noexcept {
        if constexpr (kWidth == 0) {
            return checksum64({value, size}, 0);
        } else {
            // Fibonacci's: the upper bits are well mixed.
            constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15;
            constexpr unsigned kHalf = 32;
            std::uint64_t word = 0;
            std::memcpy(&word, value, kWidth);
            const std::uint64_t mixed = word * kOdd;
            return mixed ^ (mixed >> kHalf);
        }
    }
    bool is_at(std::uint32_t place, const std::byte* value, std::size_t size) const noexcept {
        if constexpr (kWidth == 0) {
            // The size stands before the bytes, so values of different sizes differ at once.
            const std::byte* const entry = entries_.data() + begins_[place];
            return entries_.size() - begins_[place] >= size && std::memcmp(entry, value, size) == 0;
        } else {
            return std::memcmp(entries_.data() + std::size_t{place} * kWidth, value, kWidth) == 0;
        }
    }

    ByteBuffer& entries_;
    std::vector<Slot> slots_;
    std::vector<std::size_t> begins_;
    std::uint32_t most_;
    std::uint32_t count_ = 0;
};

template <std::size_t kWidth>
std::size_t size_at(const std::byte* value) noexcept {
    if constexpr (kWidth != 0) {
        return kWidth;
    } else {
        std::uint32_t size = 0;
        std::memcpy(&size, value, sizeof(size));
        return sizeof(size) + size;
    }
}

// Whether few of the first values are different. They stand for the others well enough: a guess
// that was wrong costs some bytes, or some time.
template <std::size_t kWidth>
bool is_likely(std::span<const std::byte> values, std::uint64_t count) {
    constexpr std::uint64_t kLook = 1024;
    constexpr std::uint32_t kFew = 256;
    ByteBuffer entries;
    EntryTable<kWidth> table(entries, kFew);
    const std::uint64_t looks = std::min(count, kLook);
    const std::uint64_t most = std::max<std::uint64_t>(1, std::min<std::uint64_t>(kFew, looks / 4));
    const std::byte* value = values.data();
    for (std::uint64_t look = 0; look < looks; ++look) {
        const std::size_t size = size_at<kWidth>(value);
        if (table.place_of(value, size) == kNoEntry || table.count() > most) return false;
        value += size;
    }
    return looks != 0;
}

template <std::size_t kWidth>
bool fill(std::span<const std::byte> values,
          std::uint64_t count,
          ByteBuffer& entries,
          std::vector<std::uint32_t>& places,
          std::uint32_t& entry_count) {
    if (!is_likely<kWidth>(values, count)) return false;
    // Of more entries than an eighth of the values, places and entries take as much as values do.
    const auto most =
        static_cast<std::uint32_t>(std::clamp<std::uint64_t>(count / 8, 1, kMostEntries));
    EntryTable<kWidth> table(entries, most);
    places.resize(count);
    const std::byte* value = values.data();
    for (std::uint32_t& place : places) {
        const std::size_t size = size_at<kWidth>(value);
        place = table.place_of(value, size);
        if (place == kNoEntry) return false;
        value += size;
    }
    entry_count = table.count();
    return true;
}

}  // namespace

std::optional<Dictionary> Dictionary::of(const ColumnType& type,
                                         std::span<const std::byte> values,
                                         std::uint64_t count) {
    constexpr std::uint32_t kFour = 4;
    constexpr std::uint32_t kEight = 8;
    Dictionary made;
    bool pays = false;
    if (type.physical == PhysicalType::byte_array && type.meaning == Meaning::text) {
        pays = fill<0>(values, count, made.entries_, made.places_, made.count_);
    } else if (type.physical == PhysicalType::byte_array ||
               type.physical == PhysicalType::fixed_bytes) {
        return {};
    } else if (type.value_bytes == kFour) {
        pays = fill<kFour>(values, count, made.entries_, made.places_, made.count_);
    } else if (type.value_bytes == kEight) {
        pays = fill<kEight>(values, count, made.entries_, made.places_, made.count_);
    }
    if (!pays) return {};
    return made;
}

}  // namespace tailrace::parquet
