// How whole numbers are packed: against bytes that the format's specification gives, and taken
// apart again by a reader written for it here.

#include "number_packing.hpp"

#include <catch2/catch.hpp>

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace number_packing_test {

using namespace tailrace::parquet;  // NOLINT: what is tested

namespace {

std::vector<unsigned> bytes_of(const ByteBuffer& buffer) {
    std::vector<unsigned> bytes;
    for (const std::byte byte : buffer.bytes())
        bytes.push_back(std::to_integer<unsigned>(byte));
    return bytes;
}

class Unpacker {
public:
    explicit Unpacker(const ByteBuffer& buffer) : bytes_(buffer.bytes()) {}

    std::uint64_t varint() {
        std::uint64_t value = 0;
        for (unsigned shift = 0;; shift += 7) {
            const auto byte = std::to_integer<std::uint64_t>(bytes_[at_++]);
            value |= (byte & 0x7FU) << shift;
            if (byte < 0x80U) return value;
        }
    }
    std::uint64_t zigzag() {
        const std::uint64_t value = varint();
        return (value >> 1U) ^ (0 - (value & 1U));
    }
    std::uint64_t byte() { return std::to_integer<std::uint64_t>(bytes_[at_++]); }
    std::uint64_t bits(std::size_t& bit, unsigned width) {
        std::uint64_t value = 0;
        for (unsigned at = 0; at < width; ++at, ++bit) {
            const auto whole = std::to_integer<std::uint64_t>(bytes_[at_ + bit / 8]);
            value |= (whole >> (bit % 8) & 1U) << at;
        }
        return value;
    }
    void skip(std::size_t count) { at_ += count; }
    [[nodiscard]] bool is_at_end() const { return at_ == bytes_.size(); }

private:
    std::span<const std::byte> bytes_;
    std::size_t at_ = 0;
};

std::vector<std::uint32_t> unpack_hybrid(const ByteBuffer& buffer,
                                         unsigned width,
                                         std::size_t count) {
    Unpacker source(buffer);
    std::vector<std::uint32_t> values;
    while (values.size() < count) {
        const std::uint64_t head = source.varint();
        if ((head & 1U) != 0) {
            std::size_t bit = 0;
            for (std::uint64_t at = 0; at < (head >> 1U) * 8; ++at)
                values.push_back(static_cast<std::uint32_t>(source.bits(bit, width)));
            source.skip((head >> 1U) * width);
        } else {
            std::size_t bit = 0;
            const auto value = static_cast<std::uint32_t>(source.bits(bit, width));
            source.skip((width + 7) / 8);
            values.insert(values.end(), head >> 1U, value);
        }
    }
    CHECK(source.is_at_end());
    CHECK(values.size() < count + 8);
    values.resize(count);
    return values;
}

template <typename Signed>
std::vector<Signed> unpack_differences(const ByteBuffer& buffer) {
    Unpacker source(buffer);
    REQUIRE(source.varint() == 128);
    REQUIRE(source.varint() == 4);
    const std::uint64_t total = source.varint();
    std::uint64_t value = source.zigzag();
    std::vector<Signed> values;
    if (total != 0) values.push_back(static_cast<Signed>(value));
    while (values.size() < total) {
        const std::uint64_t least = source.zigzag();
        std::vector<unsigned> widths;
        for (int mini = 0; mini < 4; ++mini)
            widths.push_back(static_cast<unsigned>(source.byte()));
        for (const unsigned width : widths) {
            if (values.size() == total) break;
            REQUIRE(width <= sizeof(Signed) * 8);
            std::size_t bit = 0;
            for (int at = 0; at < 32 && values.size() < total; ++at) {
                value += least + source.bits(bit, width);
                values.push_back(static_cast<Signed>(value));
            }
            source.skip(width * 4);
        }
    }
    CHECK(source.is_at_end());
    return values;
}

}  // namespace

TEST_CASE("number packing: groups of eight are as the specification shows them", "[parquet]") {
    ByteBuffer packed;
    append_hybrid(std::vector<std::uint32_t>{0, 1, 2, 3, 4, 5, 6, 7}, 3, packed);
    CHECK(bytes_of(packed) == std::vector<unsigned>{3, 0x88, 0xC6, 0xFA});
}

TEST_CASE("number packing: a run is its length and its value", "[parquet]") {
    ByteBuffer packed;
    append_hybrid(std::vector<std::uint32_t>(1000, 1), 1, packed);
    CHECK(bytes_of(packed) == std::vector<unsigned>{0xD0, 0x0F, 1});
    packed.clear();
    append_run(3, 0x1234, 13, packed);
    CHECK(bytes_of(packed) == std::vector<unsigned>{6, 0x34, 0x12});
}

TEST_CASE("number packing: differences of 1 to 5 are as the specification shows them",
          "[parquet]") {
    ByteBuffer packed;
    append_differences(std::vector<std::int64_t>{1, 2, 3, 4, 5}, packed);
    // 128 values a block, 4 groups, 5 values, the first is 1; all differences are 1, in no bits.
    CHECK(bytes_of(packed) == std::vector<unsigned>{0x80, 1, 4, 5, 2, 2, 0, 0, 0, 0});
}

TEST_CASE("number packing: runs and groups of any width and length come back", "[parquet]") {
    std::mt19937_64 random(5);  // NOLINT: the same each time
    for (unsigned width = 1; width <= 32; ++width) {
        for (const std::size_t count : {1UL, 7UL, 8UL, 9UL, 31UL, 32UL, 33UL, 40UL, 100UL, 500UL}) {
            std::vector<std::uint32_t> values;
            while (values.size() < count) {
                const auto value = static_cast<std::uint32_t>(random() >> (64U - width));
                values.insert(values.end(), random() % 3 == 0 ? random() % 70 : 1, value);
            }
            values.resize(count);
            ByteBuffer packed;
            append_hybrid(values, width, packed);
            REQUIRE(unpack_hybrid(packed, width, count) == values);
        }
    }
}

TEST_CASE("number packing: differences of any numbers come back, the widest too", "[parquet]") {
    using Wide = std::numeric_limits<std::int64_t>;
    using Narrow = std::numeric_limits<std::int32_t>;
    std::mt19937_64 random(6);  // NOLINT: the same each time
    for (const std::size_t count : {0UL, 1UL, 2UL, 32UL, 33UL, 34UL, 128UL, 129UL, 130UL, 1000UL}) {
        for (unsigned width = 0; width <= 64; ++width) {
            std::vector<std::int64_t> wide;
            std::vector<std::int32_t> narrow;
            while (wide.size() < count) {
                const std::uint64_t bits = width == 0 ? 0 : random() >> (64U - width);
                const bool is_edge = random() % 50 == 0;
                wide.push_back(is_edge ? (random() % 2 == 0 ? Wide::min() : Wide::max())
                                       : static_cast<std::int64_t>(bits));
                narrow.push_back(is_edge ? (random() % 2 == 0 ? Narrow::min() : Narrow::max())
                                         : static_cast<std::int32_t>(bits));
            }
            ByteBuffer packed;
            append_differences(wide, packed);
            REQUIRE(unpack_differences<std::int64_t>(packed) == wide);
            packed.clear();
            append_differences(narrow, packed);
            REQUIRE(unpack_differences<std::int32_t>(packed) == narrow);
        }
    }
}

}  // namespace number_packing_test
