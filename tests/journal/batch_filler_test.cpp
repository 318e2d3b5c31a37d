#include "batch_filler.hpp"

#include "journal_fixture.hpp"

#include <catch2/catch.hpp>

#include <cstring>

namespace tailrace::journal::batch_filler_test {

namespace {

constexpr std::uint64_t kNowNs = 5'000'000;

struct Filler {
    explicit Filler(std::uint32_t buffers = 3,
                    std::uint64_t capacity = kMaxBatchSizeBytes,
                    std::uint32_t alignment = 16)
        : pool(buffers),
          filler(pool, capacity, alignment, 0, 0) {}

    std::vector<FilledBatch> take_all() {
        filler.finish();
        std::vector<FilledBatch> batches;
        while (filler.has_ready()) {
            batches.push_back(filler.front());
            filler.pop_front();
        }
        return batches;
    }

    BlockPool pool;
    BatchFiller filler;
};

}  // namespace

TEST_CASE("batch filler: a run is split only between events", "[journal][filler]") {
    Filler fixture(4, 8192);
    const EventRun events = make_events(0, 300);  // 64 bytes each: 126 to a batch

    const AppendResult taken = fixture.filler.append(events.run(), kNowNs);

    CHECK(taken.status == AppendStatus::taken);
    CHECK(taken.event_count == 300);
    CHECK(taken.size_bytes == events.bytes.size());
    const auto batches = fixture.take_all();
    REQUIRE(batches.size() == 3);
    Sequence next = 0;
    for (const FilledBatch& batch : batches) {
        CHECK(batch.first_sequence == next);
        CHECK(batch.body_size_bytes == batch.event_count * 64);
        next += batch.event_count;
        const auto body = fixture.pool.buffer(batch.buffer).subspan(sizeof(BatchHeader));
        CHECK(std::memcmp(body.data(),
                          events.bytes.data() + batch.first_sequence * 64,
                          batch.body_size_bytes) == 0);
    }
    CHECK(next == 300);
}

TEST_CASE("batch filler: says how much it took when the buffers are full", "[journal][filler]") {
    Filler fixture(2, 8192);
    const EventRun events = make_events(0, 400);

    const AppendResult first = fixture.filler.append(events.run(), kNowNs);
    CHECK(first.status == AppendStatus::full);
    CHECK(first.event_count == 252);
    CHECK(first.size_bytes == 252 * 64);
    CHECK(fixture.filler.next_sequence() == 252);

    fixture.pool.release(fixture.filler.front().buffer);
    fixture.filler.pop_front();
    Run rest = events.run();
    rest.first_sequence = 252;
    rest.event_count = 148;
    rest.bytes = rest.bytes.subspan(first.size_bytes);
    CHECK(fixture.filler.append(rest, kNowNs).event_count == 126);
}

TEST_CASE("batch filler: events of every size up to the largest go through whole",
          "[journal][filler]") {
    Filler fixture(8);
    EventRun events;
    const auto largest =
        static_cast<std::uint32_t>(fixture.filler.max_event_size_bytes() - sizeof(EventHeader));
    for (const std::uint32_t size :
         {0U, 1U, 15U, 16U, 17U, 4096U, 32768U, 65536U, 500'000U, largest}) {
        add_event(events, size, {});
    }

    const AppendResult taken = fixture.filler.append(events.run(), kNowNs);

    CHECK(taken.status == AppendStatus::taken);
    CHECK(taken.event_count == 10);
    std::vector<std::byte> joined;
    for (const FilledBatch& batch : fixture.take_all()) {
        const auto body = fixture.pool.buffer(batch.buffer).subspan(sizeof(BatchHeader));
        joined.insert(joined.end(), body.begin(), body.begin() + batch.body_size_bytes);
    }
    CHECK(joined == events.bytes);
}

TEST_CASE("batch filler: refuses an event that no batch can hold, and keeps what stands before it",
          "[journal][filler]") {
    Filler fixture(4);
    EventRun events = make_events(0, 3);
    add_event(events, static_cast<std::uint32_t>(fixture.filler.max_event_size_bytes()), {});

    const AppendResult taken = fixture.filler.append(events.run(), kNowNs);

    CHECK(taken.status == AppendStatus::too_large);
    CHECK(taken.event_count == 3);
    CHECK(fixture.filler.next_sequence() == 3);
}

TEST_CASE("batch filler: trusts no size and no stamp", "[journal][filler]") {
    Filler fixture(4);
    EventRun events = make_events(0, 10);
    Run run = events.run();
    SECTION("a stamp that isn't that of the sequence") {
        events.bytes[4 * 64] ^= std::byte{1};
        const AppendResult taken = fixture.filler.append(run, kNowNs);
        CHECK(taken.status == AppendStatus::malformed);
        CHECK(taken.event_count == 4);
    }
    SECTION("a size that runs over the end of the run") {
        events.bytes[9 * 64 + 8] = std::byte{200};
        const AppendResult taken = fixture.filler.append(run, kNowNs);
        CHECK(taken.status == AppendStatus::malformed);
        CHECK(taken.event_count == 9);
    }
    SECTION("fewer bytes than events") {
        run.bytes = run.bytes.first(5 * 64 + 8);
        const AppendResult taken = fixture.filler.append(run, kNowNs);
        CHECK(taken.status == AppendStatus::malformed);
        CHECK(taken.event_count == 5);
    }
    SECTION("no bytes at all") {
        run.bytes = {};
        CHECK(fixture.filler.append(run, kNowNs).status == AppendStatus::malformed);
    }
    SECTION("a sequence that isn't next") {
        run.first_sequence = 1;
        const AppendResult taken = fixture.filler.append(run, kNowNs);
        CHECK(taken.status == AppendStatus::out_of_order);
        CHECK(taken.event_count == 0);
    }
}

TEST_CASE("batch filler: another record salt begins another batch", "[journal][filler]") {
    Filler fixture(4);
    const EventRun first = make_events(0, 5);
    EventShape other;
    other.record_salt = 99;
    const EventRun second = make_events(5, 5, other);

    CHECK(fixture.filler.append(first.run(), kNowNs).event_count == 5);
    CHECK(fixture.filler.append(second.run(), kNowNs).event_count == 5);

    const auto batches = fixture.take_all();
    REQUIRE(batches.size() == 2);
    CHECK(batches[0].record_salt == kTestSalt);
    CHECK(batches[1].record_salt == 99);
}

TEST_CASE("batch filler: a gap begins another batch and moves the next sequence",
          "[journal][filler]") {
    Filler fixture(4);
    const EventRun first = make_events(0, 5);
    const EventRun second = make_events(12, 5);
    REQUIRE(fixture.filler.append(first.run(), kNowNs).event_count == 5);

    CHECK(fixture.filler.skip(4, 1) == AppendStatus::out_of_order);
    CHECK(fixture.filler.skip(5, kNoSequence) == AppendStatus::out_of_order);
    CHECK(fixture.filler.skip(5, 3) == AppendStatus::taken);
    CHECK(fixture.filler.skip(8, 4) == AppendStatus::taken);
    CHECK(fixture.filler.append(second.run(), kNowNs).event_count == 5);

    const auto batches = fixture.take_all();
    REQUIRE(batches.size() == 2);
    CHECK(batches[1].first_sequence == 12);
}

TEST_CASE("batch filler: times never go back, within a batch or between batches",
          "[journal][filler]") {
    Filler fixture(4, 8192);
    EventShape late;
    late.first_time_ns = 9000;
    late.step_ns = 1;
    late.payload_bytes = 32;
    EventShape early = late;
    early.first_time_ns = 100;  // the clock was set back
    REQUIRE(fixture.filler.append(make_events(0, 200, late).run(), 0).event_count == 200);
    REQUIRE(fixture.filler.append(make_events(200, 200, early).run(), 0).event_count == 200);

    const auto batches = fixture.take_all();
    REQUIRE(batches.size() > 2);
    std::uint64_t time = 0;
    for (const FilledBatch& batch : batches) {
        CHECK(batch.first_time_ns >= time);
        CHECK(batch.max_time_ns >= batch.first_time_ns);
        time = batch.max_time_ns;
    }
    CHECK(batches.front().first_time_ns == 9000);
    // Split in the middle of the run: the maximum of what is in this batch, not of the whole run.
    CHECK(batches.front().max_time_ns == 9000 + batches.front().event_count - 1);
    CHECK(time == 9199);
}

}  // namespace tailrace::journal::batch_filler_test
