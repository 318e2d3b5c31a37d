#include "segment_codec.hpp"

#include <tailrace/journal/format.hpp>

#include <catch2/catch.hpp>

#include <cstring>
#include <functional>

namespace tailrace::journal::format_test {

namespace {

std::span<const std::byte> bytes_of_header(const SegmentHeader& header) {
    return std::as_bytes(std::span(&header, 1));
}

SegmentHeader sound_header() {
    SegmentHeader header{};
    header.journal_id = {1, 2, 3};
    header.segment_number = 3;
    header.salt = 0x1122334455667788;
    header.first_sequence = 1000;
    header.durable_sequence = 1000;
    header.writer_epoch = 2;
    header.segment_size_bytes = kMinSegmentSizeBytes;
    header.event_alignment_bytes = 16;
    header.previous = {2, 7, 8192, 1000, 9};
    set_stream_name(header, "orders");
    seal_segment_header(header);
    return header;
}

}  // namespace

TEST_CASE("segment header: what was sealed is decoded as it was", "[journal][format]") {
    const SegmentHeader header = sound_header();

    const auto decoded = decode_segment_header(bytes_of_header(header), "a.seg", Access::writing);

    REQUIRE(decoded);
    CHECK(std::memcmp(&header, &*decoded, sizeof(header)) == 0);
    CHECK(stream_name_of(*decoded) == "orders");
}

TEST_CASE("segment header: begins with letters that a person recognizes", "[journal][format]") {
    const SegmentHeader header = sound_header();
    CHECK(std::memcmp(&header, "TRSEG\0\0\1", 8) == 0);
    const std::uint64_t batch = kBatchMagic;
    CHECK(std::memcmp(&batch, "TRBCH\0\0\1", 8) == 0);
}

TEST_CASE("segment header: each fault has its own error", "[journal][format]") {
    struct Fault {
        const char* name;
        ErrorCode code;
        std::function<void(SegmentHeader&)> make;
        bool seal_again = true;
    };
    const std::vector<Fault> faults = {
        {"foreign magic", ErrorCode::not_tailrace, [](auto& h) { h.magic ^= 1; }, false},
        {"oldest behind itself",
         ErrorCode::corrupt,
         [](auto& h) {
             h.features_compat |= kSegmentNamesOldest;
             h.oldest_segment_number = h.segment_number + 1;
         },
         true},
        {"all zero", ErrorCode::not_tailrace, [](auto& h) { h = SegmentHeader{}; }, false},
        {"newer major version",
         ErrorCode::incompatible,
         [](auto& h) { h.format_major = kFormatMajor + 1; },
         false},
        {"older major version",
         ErrorCode::incompatible,
         [](auto& h) { h.format_major = 0; },
         false},
        {"flipped bit", ErrorCode::corrupt, [](auto& h) { h.salt ^= 1; }, false},
        {"flipped bit in the reserved part",
         ErrorCode::corrupt,
         [](auto& h) { h.reserved.back() = std::byte{1}; },
         false},
        {"unknown incompat feature",
         ErrorCode::incompatible,
         [](auto& h) {
             h.features_incompat = 1U << 9;
         }},
        {"number zero",
         ErrorCode::corrupt,
         [](auto& h) {
             h.segment_number = 0;
         }},
        {"alignment 24",
         ErrorCode::corrupt,
         [](auto& h) {
             h.event_alignment_bytes = 24;
         }},
        {"alignment 0",
         ErrorCode::corrupt,
         [](auto& h) {
             h.event_alignment_bytes = 0;
         }},
        {"odd size",
         ErrorCode::corrupt,
         [](auto& h) {
             h.segment_size_bytes += 1;
         }},
        {"huge size",
         ErrorCode::corrupt,
         [](auto& h) {
             h.segment_size_bytes = ~0ULL << 12;
         }},
        {"name too long",
         ErrorCode::corrupt,
         [](auto& h) {
             h.stream_name_bytes = 129;
         }},
        {"promise beyond its start",
         ErrorCode::corrupt,
         [](auto& h) {
             h.durable_sequence++;
         }},
        {"predecessor is itself",
         ErrorCode::corrupt,
         [](auto& h) {
             h.previous.segment_number++;
         }},
    };
    for (const Fault& fault : faults) {
        INFO(fault.name);
        SegmentHeader header = sound_header();
        fault.make(header);
        if (fault.seal_again) seal_segment_header(header);

        const auto decoded =
            decode_segment_header(bytes_of_header(header), "a.seg", Access::reading);

        REQUIRE_FALSE(decoded);
        CHECK(decoded.error().code == fault.code);
        CHECK(decoded.error().message.find("a.seg") != std::string::npos);
        CHECK_FALSE(decoded.error().hint.empty());
    }
}

TEST_CASE("segment header: a cut one is truncated, not foreign", "[journal][format]") {
    const SegmentHeader header = sound_header();
    for (const std::size_t size : {0U, 8U, 4095U}) {
        const auto decoded =
            decode_segment_header(bytes_of_header(header).first(size), "a.seg", Access::reading);
        REQUIRE_FALSE(decoded);
        CHECK(decoded.error().code == ErrorCode::truncated);
    }
}

TEST_CASE("segment header: an unknown read-only feature forbids writing alone",
          "[journal][format]") {
    SegmentHeader header = sound_header();
    header.features_ro_compat = 1U << 5;
    header.features_compat = 1U << 6;
    header.format_minor = 9;
    seal_segment_header(header);

    CHECK(decode_segment_header(bytes_of_header(header), "a.seg", Access::reading));
    const auto writing = decode_segment_header(bytes_of_header(header), "a.seg", Access::writing);
    REQUIRE_FALSE(writing);
    CHECK(writing.error().code == ErrorCode::incompatible);
}

TEST_CASE("index: counts only for the segment that it was made for, whole and in bounds",
          "[journal][format]") {
    const SegmentHeader segment = sound_header();
    IndexHeader header{};
    header.segment_number = segment.segment_number;
    header.salt = segment.salt;
    header.end_offset = 8192;
    const std::vector<IndexEntry> entries = {{1000, 5, 4096}, {1010, 9, 8192}};
    const auto sound = encode_index(header, entries);
    REQUIRE(decode_index(sound, "a.idx", segment));
    CHECK(decode_index(sound, "a.idx", segment)->entries.size() == 2);

    SECTION("of another incarnation") {
        SegmentHeader other = segment;
        other.salt ^= 1;
        CHECK_FALSE(decode_index(sound, "a.idx", other));
    }
    SECTION("any flipped bit") {
        for (std::size_t at = 0; at < sound.size(); ++at) {
            auto damaged = sound;
            damaged[at] ^= std::byte{4};
            CHECK_FALSE(decode_index(damaged, "a.idx", segment));
        }
    }
    SECTION("cut or with more behind it") {
        auto cut = sound;
        cut.pop_back();
        CHECK_FALSE(decode_index(cut, "a.idx", segment));
        auto longer = sound;
        longer.resize(longer.size() + sizeof(IndexEntry));
        CHECK_FALSE(decode_index(longer, "a.idx", segment));
        CHECK_FALSE(decode_index({}, "a.idx", segment));
    }
    SECTION("entries that point outside") {
        for (const std::uint64_t offset :
             {std::uint64_t{0}, std::uint64_t{4097}, kMinSegmentSizeBytes}) {
            const std::vector<IndexEntry> outside = {{1000, 5, offset}};
            CHECK_FALSE(decode_index(encode_index(header, outside), "a.idx", segment));
        }
    }
}

}  // namespace tailrace::journal::format_test
