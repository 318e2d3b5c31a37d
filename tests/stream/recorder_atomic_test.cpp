// Atomic batches through the recorder: whole in the journal, or not there.
#include "stream/recorded_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/stream/recorder.hpp>

#include <catch2/catch.hpp>

#include <cstring>
#include <vector>

namespace recorder_atomic_test {

namespace {

using namespace tailrace;
using namespace tailrace::test;

// Publishes `count` numbered events at once, `first` on; false when there was no room.
bool publish_atomic(bus::Publisher& publisher, std::uint64_t first, std::uint32_t count) {
    std::vector<std::uint32_t> sizes_bytes;
    for (std::uint64_t number = first; number < first + count; ++number)
        sizes_bytes.push_back(numbered_size_bytes(1, number));
    bus::BatchClaim batch;
    if (publisher.try_claim_batch(batch, sizes_bytes) != bus::PublishStatus::ok) return false;
    for (std::uint64_t number = first; number < first + count; ++number)
        fill_numbered(batch.next(), 1, number);
    return publisher.commit(batch) == bus::PublishStatus::ok;
}

TEST_CASE("recorder: a disk batch never ends inside an atomic batch", "[stream][recorder]") {
    const Watchdog watchdog("recorder of atomic batches");
    const std::uint32_t length = GENERATE(5U, 100U, 1000U);
    CAPTURE(length);
    bus::StreamOptions roomy = small_stream();
    roomy.capacity_bytes = std::uint64_t{4} << 20U;
    const RecordedStream recorded(roomy);
    auto publisher = recorded.stream().publisher();
    auto recorder = recorded.recorder();
    std::uint64_t published = 0;
    while (published < 40'000) {
        // Sometimes one at a time, so that the disk is idle; sometimes more than a disk batch
        // holds.
        const std::uint64_t at_once = published % 3 == 0 ? 20'000 / length : 1;
        for (std::uint64_t batch = 0; batch < at_once; ++batch) {
            if (publish_atomic(publisher, published, length)) published += length;
        }
        REQUIRE(recorder.step(0));
    }
    REQUIRE(record_all(recorder, publisher.region()));
    REQUIRE(recorder.close());

    auto reader = expect(journal::Reader::open(recorded.journal_directory()), "open the journal");
    std::uint64_t disk_batches = 0;
    std::uint64_t cut = 0;
    for (;;) {
        auto step = expect(reader.next_batch(), "read the journal");
        REQUIRE(step.kind != journal::ReadKind::gap);
        if (step.kind == journal::ReadKind::end) break;
        ++disk_batches;
        std::uint8_t flags = 0;
        for (const Event& event : step.batch)
            flags = event.flags();
        if ((flags & kBatchContinues) != 0) ++cut;
    }
    CHECK(disk_batches > 1);
    CHECK(cut == 0);
    CHECK(is_numbered_from(read_journal(recorded.journal_directory()), 1, published));
}

TEST_CASE("recorder: an atomic batch whose end somebody wrote over doesn't hold the ring",
          "[stream][recorder]") {
    const Watchdog watchdog("recorder of a batch without an end");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    auto recorder = recorded.recorder();
    const std::uint64_t published = publish_until_full(publisher, 1);
    // The last event of a full ring says that another one of its batch follows.
    const auto region = recorded.stream().open();
    std::uint64_t position = 0;
    for (std::uint64_t number = 0; number + 1 < published; ++number) {
        EventHeader header{};
        std::memcpy(&header, region->event_at(position), sizeof(header));
        position += event_size_bytes(
            header.payload_size_bytes, header.extension_words, region->header().alignment_bytes);
    }
    std::byte* const last = region->event_at(position);
    last[offsetof(EventHeader, flags)] |= std::byte{kBatchContinues};

    REQUIRE(record_all(recorder, *region));
    CHECK(publish_numbered(publisher, 1, published, 1, bus::Deadline::in_ms(10'000)));
    REQUIRE(record_all(recorder, *region));
    REQUIRE(recorder.close());
    CHECK(is_numbered_from(read_journal(recorded.journal_directory()), 1, published + 1));
}

TEST_CASE("recorder: with drop it gives up atomic batches whole", "[stream][recorder]") {
    const Watchdog watchdog("recorder drops atomic batches");
    constexpr std::uint32_t kLength = 700;
    bus::StreamOptions roomy = small_stream();
    roomy.capacity_bytes = std::uint64_t{16} << 20U;
    const RecordedStream recorded(roomy);
    auto publisher = recorded.stream().publisher();
    stream::RecorderOptions options = recorded.options();
    options.lag = stream::JournalLag::drop;
    options.journal.queue_depth = 1;
    auto recorder = expect(stream::Recorder::attach("stream", options), "attach");
    std::uint64_t published = 0;
    while (publish_atomic(publisher, published, kLength))
        published += kLength;

    REQUIRE(recorder.step(0));
    CHECK(recorder.status().lost_events > 0);
    REQUIRE(publish_atomic(publisher, published, kLength));
    published += kLength;
    REQUIRE(record_all(recorder, publisher.region()));
    REQUIRE(recorder.close());

    const JournalContent content = read_journal(recorded.journal_directory());
    REQUIRE(content.gaps.size() == 1);
    CHECK(content.gaps[0].first % kLength == 0);
    CHECK(content.gaps[0].count % kLength == 0);
    CHECK(content.gaps[0].count == recorder.status().lost_events);
    CHECK(content.events.size() + content.gaps[0].count == published);
    CHECK(content.torn == 0);
}

}  // namespace

}  // namespace recorder_atomic_test
