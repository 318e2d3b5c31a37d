#include "batch_codec.hpp"

#include "journal_fixture.hpp"

#include <tailrace/base/checksum.hpp>

#include <catch2/catch.hpp>

#include <cstring>
#include <functional>

namespace tailrace::journal::batch_codec_test {

namespace {

constexpr BatchPlace kPlace{3, 0xABCDEF, 8192, kMinSegmentSizeBytes, 16};

BatchHeader header_for(const EventRun& events) {
    BatchHeader header{};
    header.first_sequence = events.first_sequence;
    header.durable_sequence = events.first_sequence;
    header.record_salt = events.record_salt;
    header.event_count = static_cast<std::uint32_t>(events.event_count);
    header.body_size_bytes = static_cast<std::uint32_t>(events.bytes.size());
    return header;
}

std::vector<std::byte> sealed(const EventRun& events,
                              const BatchPlace& place = kPlace,
                              const std::function<void(BatchHeader&)>& change = {}) {
    BatchHeader header = header_for(events);
    if (change) change(header);
    std::vector<std::byte> block(batch_slot_bytes(header.body_size_bytes), std::byte{0xEE});
    std::copy(events.bytes.begin(), events.bytes.end(), block.begin() + sizeof(BatchHeader));
    seal_batch(block, header, place);
    return block;
}

// The verdict that a walk would come to: header, then body.
BatchVerdict judge(std::span<const std::byte> block, const BatchPlace& place = kPlace) {
    BatchHeader header;
    const BatchVerdict verdict = check_batch_header(block, place, header);
    if (verdict != BatchVerdict::valid) return verdict;
    if (block.size() < batch_slot_bytes(header.body_size_bytes)) return BatchVerdict::cut;
    return check_batch_body(header, block.subspan(sizeof(header), header.body_size_bytes), place);
}

// Changes a sealed header and makes its checksum right again, as a bug or an attacker would.
std::vector<std::byte> forged(const std::vector<std::byte>& block,
                              const std::function<void(BatchHeader&)>& change) {
    BatchHeader header;
    std::memcpy(&header, block.data(), sizeof(header));
    change(header);
    const auto checked = std::as_bytes(std::span(&header, 1)).subspan(16);
    header.header_checksum = checksum64(checked, batch_seed(kPlace.salt, kPlace.offset));
    auto changed = block;
    std::memcpy(changed.data(), &header, sizeof(header));
    return changed;
}

}  // namespace

TEST_CASE("batch: what was sealed is valid at its place, and its padding is zero",
          "[journal][codec]") {
    const auto block = sealed(make_events(100, 5));
    CHECK(judge(block) == BatchVerdict::valid);
    CHECK(block.size() % kBlockSizeBytes == 0);
    CHECK(
        is_zero(std::span(block).subspan(sizeof(BatchHeader) + make_events(100, 5).bytes.size())));
}

TEST_CASE("batch: valid nowhere but at its place", "[journal][codec]") {
    const auto block = sealed(make_events(100, 5));
    BatchPlace place = kPlace;
    SECTION("another offset: misdirected") {
        place.offset += kBlockSizeBytes;
    }
    SECTION("another salt: left by an earlier incarnation") {
        place.salt ^= 1;
    }
    SECTION("another segment") {
        place.segment_number += 1;
    }
    CHECK(judge(block, place) == BatchVerdict::foreign);
}

TEST_CASE(
    "batch: the body of an earlier incarnation or of another place fails under a sound header",
    "[journal][codec]") {
    // As a torn write over a recycled block leaves it: the first sector is new, the rest is stale.
    const EventRun events = make_events(100, 5);
    BatchPlace before = kPlace;
    SECTION("the incarnation before") {
        before.salt ^= 1;
    }
    SECTION("the place next to it") {
        before.offset += kBlockSizeBytes;
    }
    BatchHeader stale;
    std::memcpy(&stale, sealed(events, before).data(), sizeof(stale));

    const auto mixed = forged(sealed(events), [&stale](BatchHeader& header) {
        header.body_checksum = stale.body_checksum;
    });

    CHECK(judge(mixed) == BatchVerdict::damaged_body);
}

TEST_CASE("batch: no byte of header or body can change unnoticed", "[journal][codec]") {
    const EventRun events = make_events(100, 5);
    const auto block = sealed(events);
    for (std::size_t at = 0; at < sizeof(BatchHeader) + events.bytes.size(); ++at) {
        auto damaged = block;
        damaged[at] ^= std::byte{0x10};
        INFO("byte " << at);
        CHECK(judge(damaged) != BatchVerdict::valid);
    }
}

TEST_CASE("batch: cut anywhere it is not valid", "[journal][codec]") {
    const auto block = sealed(make_events(0, 300));
    REQUIRE(block.size() > 2 * kBlockSizeBytes);
    for (std::size_t size = 0; size < block.size(); size += 64) {
        INFO("first " << size << " bytes");
        CHECK(judge(std::span(block).first(size)) != BatchVerdict::valid);
    }
    // Torn: a sector in the middle is still the zeroes from before, or a stale batch.
    for (std::size_t at = 0; at + 512 <= sizeof(BatchHeader) + make_events(0, 300).bytes.size();
         at += 512) {
        auto torn = block;
        std::memset(torn.data() + at, 0, 512);
        CHECK(judge(torn) != BatchVerdict::valid);
    }
}

TEST_CASE("batch: each mislabelled header is told apart", "[journal][codec]") {
    struct Label {
        const char* name;
        BatchVerdict verdict;
        std::function<void(BatchHeader&)> make;
    };
    const std::vector<Label> labels = {
        {"no magic",
         BatchVerdict::absent,
         [](auto& h) {
             h.magic = 0;
         }},
        {"magic of a segment",
         BatchVerdict::absent,
         [](auto& h) {
             h.magic = kSegmentMagic;
         }},
        {"salt of another",
         BatchVerdict::foreign,
         [](auto& h) {
             h.salt ^= 1;
         }},
        {"number of another",
         BatchVerdict::foreign,
         [](auto& h) {
             h.segment_number++;
         }},
        {"newer version",
         BatchVerdict::unknown,
         [](auto& h) {
             h.version = 2;
         }},
        {"longer header",
         BatchVerdict::unknown,
         [](auto& h) {
             h.header_size_words = 17;
         }},
        {"unknown flag",
         BatchVerdict::unknown,
         [](auto& h) {
             h.flags |= 1U << 15;
         }},
        {"body larger than any",
         BatchVerdict::inconsistent,
         [](auto& h) {
             h.body_size_bytes = kMaxBatchSizeBytes;
         }},
        {"body of odd size",
         BatchVerdict::inconsistent,
         [](auto& h) {
             h.body_size_bytes += 8;
         }},
        {"more events than can be",
         BatchVerdict::inconsistent,
         [](auto& h) {
             h.event_count = 0xFFFFFFFF;
         }},
        {"body without events",
         BatchVerdict::inconsistent,
         [](auto& h) {
             h.event_count = 0;
         }},
        {"events without body",
         BatchVerdict::inconsistent,
         [](auto& h) {
             h.body_size_bytes = 0;
         }},
        {"a marker with events",
         BatchVerdict::inconsistent,
         [](auto& h) {
             h.flags = kBatchMarker;
         }},
        {"a seal with events",
         BatchVerdict::inconsistent,
         [](auto& h) {
             h.flags = kBatchSeal;
         }},
        {"a clean close that seals nothing",
         BatchVerdict::inconsistent,
         [](auto& h) {
             h.flags = kBatchCleanClose;
         }},
        {"sequences that run over",
         BatchVerdict::inconsistent,
         [](auto& h) {
             h.first_sequence = kNoSequence - 1;
         }},
        {"a promise beyond itself",
         BatchVerdict::inconsistent,
         [](auto& h) {
             h.durable_sequence = h.first_sequence + 1;
         }},
        {"time that runs backwards",
         BatchVerdict::inconsistent,
         [](auto& h) {
             h.first_time_ns = h.max_time_ns + 1;
         }},
        {"one event fewer",
         BatchVerdict::damaged_event,
         [](auto& h) {
             h.event_count--;
         }},
        {"one event more",
         BatchVerdict::damaged_event,
         [](auto& h) {
             h.event_count++;
         }},
        {"another first sequence",
         BatchVerdict::damaged_event,
         [](auto& h) {
             h.first_sequence++;
         }},
        {"another record salt",
         BatchVerdict::damaged_event,
         [](auto& h) {
             h.record_salt ^= 2;
         }},
        {"body checksum of another",
         BatchVerdict::damaged_body,
         [](auto& h) {
             h.body_checksum ^= 1;
         }},
    };
    const auto block = sealed(make_events(100, 5));
    REQUIRE(judge(forged(block, [](auto&) {})) == BatchVerdict::valid);
    for (const Label& label : labels) {
        INFO(label.name);
        CHECK(judge(forged(block, label.make)) == label.verdict);
    }
}

TEST_CASE(
    "batch: an event inside that claims another size or stamp is found, though all checksums hold",
    "[journal][codec]") {
    EventRun events = make_events(100, 5);
    SECTION("payload of four gigabytes") {
        std::memset(events.bytes.data() + 8, 0xFF, 4);
    }
    SECTION("payload a little larger") {
        events.bytes[8] = std::byte{0xF0};
    }
    SECTION("stamp of its neighbour") {
        events.bytes[0] ^= std::byte{1};
    }
    SECTION("more extension words than room") {
        events.bytes[events.bytes.size() - 64 + 15] = std::byte{0xFF};
    }
    CHECK(judge(sealed(events)) == BatchVerdict::damaged_event);
}

TEST_CASE("batch: may not run over the end of its segment", "[journal][codec]") {
    BatchPlace place = kPlace;
    place.offset = kMinSegmentSizeBytes - kBlockSizeBytes;
    CHECK(judge(sealed(make_events(0, 5), place), place) == BatchVerdict::valid);
    CHECK(judge(sealed(make_events(0, 300), place), place) == BatchVerdict::cut);
}

TEST_CASE("log position: only what continues the batch before may follow", "[journal][codec]") {
    LogPosition position;
    position.sequence = 50;
    position.last_checksum = 77;
    position.max_time_ns = 1000;
    BatchHeader next{};
    next.first_sequence = 50;
    next.previous_checksum = 77;
    next.first_time_ns = 1000;
    next.max_time_ns = 1000;
    REQUIRE(continues(position, next));

    SECTION("a duplicate of an earlier batch") {
        next.first_sequence = 40;
    }
    SECTION("a jump without a gap") {
        next.first_sequence = 51;
    }
    SECTION("a gap of nothing") {
        next.flags = kBatchGapBefore;
    }
    SECTION("a gap backwards") {
        next.flags = kBatchGapBefore;
        next.first_sequence = 49;
    }
    SECTION("another chain") {
        next.previous_checksum = 78;
    }
    SECTION("time set back") {
        next.first_time_ns = 999;
    }
    SECTION("anything behind a seal") {
        position.sealed = true;
    }
    CHECK_FALSE(continues(position, next));
}

TEST_CASE("log position: a jump with a gap may follow", "[journal][codec]") {
    LogPosition position;
    position.sequence = 50;
    BatchHeader next{};
    next.first_sequence = 60;
    next.flags = kBatchGapBefore;
    CHECK(continues(position, next));
    advance(position, next);
    CHECK(position.sequence == 60);
    CHECK(position.offset == 2 * kBlockSizeBytes);
}

}  // namespace tailrace::journal::batch_codec_test
