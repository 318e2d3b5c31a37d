#include "number_packing.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <type_traits>

namespace tailrace::parquet {

namespace {

// Packs numbers of up to 64 bits, the lowest bits first.
class BitPacker {
public:
    explicit BitPacker(std::byte* place) noexcept : place_(place) {}

    // Requires: no bit of the value above `bits`, which is 1 to 64.
    void put(std::uint64_t value, unsigned bits) noexcept {
        constexpr unsigned kWord = 64;
        word_ |= value << filled_;
        filled_ += bits;
        if (filled_ < kWord) return;
        std::memcpy(place_, &word_, sizeof(word_));
        place_ += sizeof(word_);
        filled_ -= kWord;
        word_ = filled_ == 0 ? 0 : value >> (bits - filled_);
    }
    // The last bytes, as many as are begun.
    void finish() noexcept {
        constexpr unsigned kByte = 8;
        std::memcpy(place_, &word_, (filled_ + kByte - 1) / kByte);
    }

private:
    std::byte* place_;
    std::uint64_t word_ = 0;
    unsigned filled_ = 0;
};

constexpr std::size_t kGroup = 8;

void append_groups(std::span<const std::uint32_t> values, unsigned bits, ByteBuffer& into) {
    const std::size_t groups = (values.size() + kGroup - 1) / kGroup;
    into.put_varint(groups << 1U | 1U);
    BitPacker packer(into.extend(groups * bits));
    for (const std::uint32_t value : values)
        packer.put(value, bits);
    for (std::size_t at = values.size(); at < groups * kGroup; ++at)
        packer.put(0, bits);
    packer.finish();
}

constexpr std::size_t kBlock = 128;
constexpr std::size_t kMiniBlocks = 4;
constexpr std::size_t kMiniBlock = kBlock / kMiniBlocks;

template <typename Signed>
void append_delta_block(const Signed* values, std::size_t count, ByteBuffer& into) {
    using Unsigned = std::make_unsigned_t<Signed>;
    constexpr unsigned kByte = 8;
    std::array<Unsigned, kBlock> deltas;  // NOLINT: filled below
    Signed least = 0;
    for (std::size_t at = 0; at < count; ++at) {
        deltas[at] = static_cast<Unsigned>(static_cast<Unsigned>(values[at + 1]) -
                                           static_cast<Unsigned>(values[at]));
        const auto delta = static_cast<Signed>(deltas[at]);
        if (at == 0 || delta < least) least = delta;
    }
    into.put_zigzag(least);
    std::array<unsigned, kMiniBlocks> bits{};
    for (std::size_t mini = 0; mini * kMiniBlock < count; ++mini) {
        const std::size_t begin = mini * kMiniBlock;
        const std::size_t end = std::min(begin + kMiniBlock, count);
        Unsigned all = 0;
        for (std::size_t at = begin; at < end; ++at) {
            deltas[at] = static_cast<Unsigned>(deltas[at] - static_cast<Unsigned>(least));
            all |= deltas[at];
        }
        bits[mini] = bits_of(all);
    }
    for (const unsigned width : bits)
        into.put_byte(width);
    for (std::size_t mini = 0; mini * kMiniBlock < count; ++mini) {
        const unsigned width = bits[mini];
        if (width == 0) continue;
        const std::size_t begin = mini * kMiniBlock;
        const std::size_t end = std::min(begin + kMiniBlock, count);
        BitPacker packer(into.extend(kMiniBlock * width / kByte));
        for (std::size_t at = begin; at < end; ++at)
            packer.put(deltas[at], width);
        for (std::size_t at = end; at < begin + kMiniBlock; ++at)
            packer.put(0, width);
        packer.finish();
    }
}

template <typename Signed>
void append_deltas(std::span<const Signed> values, ByteBuffer& into) {
    into.put_varint(kBlock);
    into.put_varint(kMiniBlocks);
    into.put_varint(values.size());
    into.put_zigzag(values.empty() ? 0 : values.front());
    for (std::size_t at = 0; at + 1 < values.size(); at += kBlock) {
        append_delta_block(values.data() + at, std::min(kBlock, values.size() - 1 - at), into);
    }
}

}  // namespace

unsigned bits_of(std::uint64_t largest) noexcept {
    return static_cast<unsigned>(std::bit_width(largest));
}

void append_run(std::uint64_t count, std::uint32_t value, unsigned bits, ByteBuffer& into) {
    constexpr unsigned kByte = 8;
    into.put_varint(count << 1U);
    into.append(&value, (bits + kByte - 1) / kByte);
}

void append_hybrid(std::span<const std::uint32_t> values, unsigned bits, ByteBuffer& into) {
    // A run takes a few bytes, and so does beginning a new group behind it.
    constexpr std::size_t kWorthARun = 32;
    std::size_t begin = 0;  // of what isn't written yet
    std::size_t at = 0;
    while (at < values.size()) {
        std::size_t end = at + 1;
        while (end < values.size() && values[end] == values[at])
            ++end;
        if (end - at >= kWorthARun) {
            // Groups before it are whole: they take the first ones of the run.
            const std::size_t rest = (at - begin) % kGroup;
            if (rest != 0) at += kGroup - rest;
            if (at != begin) append_groups(values.subspan(begin, at - begin), bits, into);
            append_run(end - at, values[at], bits, into);
            begin = end;
        }
        at = end;
    }
    if (begin != values.size()) append_groups(values.subspan(begin), bits, into);
}

void append_differences(std::span<const std::int64_t> values, ByteBuffer& into) {
    append_deltas(values, into);
}

void append_differences(std::span<const std::int32_t> values, ByteBuffer& into) {
    append_deltas(values, into);
}

}  // namespace tailrace::parquet
