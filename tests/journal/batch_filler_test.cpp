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
        return take_ready();
    }

    std::vector<FilledBatch> take_ready() {
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

// Events of 64 bytes, of which 126 fill a batch of 8192.
EventRun make_atomic(Sequence first, std::uint64_t count, std::uint64_t atomic_left) {
    EventShape shape;
    shape.atomic_left = atomic_left;
    return make_events(first, count, shape);
}

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

TEST_CASE("batch filler: no batch ends inside an atomic one", "[journal][filler]") {
    Filler fixture(4, 8192);
    REQUIRE(fixture.filler.append(make_events(0, 120).run(), kNowNs).event_count == 120);

    SECTION("that it has no room for") {
        const EventRun atomic = make_atomic(120, 10, 10);
        REQUIRE(fixture.filler.append(atomic.run(), kNowNs).event_count == 10);

        const auto batches = fixture.take_all();
        REQUIRE(batches.size() == 2);
        CHECK(batches[0].event_count == 120);
        CHECK(batches[1].first_sequence == 120);
        CHECK(batches[1].event_count == 10);
        CHECK(batches[1].record_salt == kTestSalt);
        const auto body = fixture.pool.buffer(batches[1].buffer).subspan(sizeof(BatchHeader));
        CHECK(std::memcmp(body.data(), atomic.bytes.data(), atomic.bytes.size()) == 0);
    }
    SECTION("whose end isn't there yet") {
        const EventRun atomic = make_atomic(120, 6, 6);
        Run begun = atomic.run();
        begun.event_count = 4;
        begun.bytes = begun.bytes.first(4 * 64);
        REQUIRE(fixture.filler.append(begun, kNowNs).event_count == 4);
        CHECK(fixture.filler.next_sequence() == 124);
        CHECK(fixture.filler.whole_sequence() == 120);

        auto batches = fixture.take_all();
        REQUIRE(batches.size() == 1);
        CHECK(batches[0].event_count == 120);
        CHECK_FALSE(fixture.filler.has_whole());
        CHECK(fixture.take_all().empty());

        Run rest = atomic.run();
        rest.first_sequence = 124;
        rest.event_count = 2;
        rest.bytes = rest.bytes.subspan(4 * 64);
        REQUIRE(fixture.filler.append(rest, kNowNs).event_count == 2);
        batches = fixture.take_all();
        REQUIRE(batches.size() == 1);
        CHECK(batches[0].first_sequence == 120);
        CHECK(batches[0].event_count == 6);
        const auto body = fixture.pool.buffer(batches[0].buffer).subspan(sizeof(BatchHeader));
        CHECK(std::memcmp(body.data(), atomic.bytes.data(), atomic.bytes.size()) == 0);
    }
    SECTION("one after the other, of any length") {
        Sequence next = 120;
        for (std::uint64_t length = 1; length < 100; length = length * 2 + 1) {
            REQUIRE(fixture.filler.append(make_atomic(next, length, length).run(), kNowNs).status ==
                    AppendStatus::taken);
            next += length;
        }
        std::vector<Sequence> ends;
        for (const FilledBatch& batch : fixture.take_all())
            ends.push_back(batch.first_sequence + batch.event_count);
        // 1, 3, 7, 15, 31 and 63 events from 120 on: as many of them as fit.
        CHECK(ends == std::vector<Sequence>{124, 240});
    }
}

TEST_CASE("batch filler: an atomic batch larger than any batch is split where it must be",
          "[journal][filler]") {
    Filler fixture(4, 8192);
    REQUIRE(fixture.filler.append(make_events(0, 20).run(), kNowNs).event_count == 20);
    REQUIRE(fixture.filler.append(make_atomic(20, 300, 300).run(), kNowNs).event_count == 300);
    REQUIRE(fixture.filler.append(make_events(320, 5).run(), kNowNs).event_count == 5);

    std::vector<std::uint32_t> counts;
    for (const FilledBatch& batch : fixture.take_all())
        counts.push_back(batch.event_count);
    CHECK(counts == std::vector<std::uint32_t>{20, 126, 126, 53});
}

TEST_CASE("batch filler: without a buffer for the rest of an atomic batch it waits for one",
          "[journal][filler]") {
    Filler fixture(1, 8192);
    REQUIRE(fixture.filler.append(make_events(0, 120).run(), kNowNs).event_count == 120);
    const EventRun atomic = make_atomic(120, 10, 10);

    const AppendResult taken = fixture.filler.append(atomic.run(), kNowNs);
    CHECK(taken.status == AppendStatus::full);
    CHECK(taken.event_count == 6);
    fixture.filler.finish();
    CHECK_FALSE(fixture.filler.has_ready());

    // Given up, it lets go of what is whole.
    CHECK(fixture.filler.take_back_unfinished().event_count == 6);
    CHECK(fixture.filler.next_sequence() == 120);
    const auto batches = fixture.take_all();
    REQUIRE(batches.size() == 1);
    CHECK(batches[0].event_count == 120);
}

TEST_CASE("batch filler: what is unfinished of an atomic batch can be taken back",
          "[journal][filler]") {
    Filler fixture(4, 8192);
    EventShape shape;
    shape.first_time_ns = 1000;
    shape.step_ns = 1;
    REQUIRE(fixture.filler.append(make_events(0, 3, shape).run(), 0).event_count == 3);
    shape.first_time_ns = 5000;
    shape.atomic_left = 10;
    REQUIRE(fixture.filler.append(make_events(3, 4, shape).run(), 0).event_count == 4);

    // Neither a gap nor another ring's events can stand in the middle of it.
    CHECK(fixture.filler.skip(7, 2) == AppendStatus::out_of_order);
    EventShape other;
    other.record_salt = 99;
    CHECK(fixture.filler.append(make_events(7, 1, other).run(), 0).status ==
          AppendStatus::malformed);

    const FilledPart taken_back = fixture.filler.take_back_unfinished();
    CHECK(taken_back.event_count == 4);
    CHECK(taken_back.size_bytes == 4 * 64);
    CHECK(fixture.filler.next_sequence() == 3);
    CHECK(fixture.filler.max_time_ns() == 1002);
    CHECK(fixture.filler.take_back_unfinished().event_count == 0);
    CHECK(fixture.filler.skip(3, 10) == AppendStatus::taken);
    REQUIRE(fixture.filler.append(make_events(13, 1, other).run(), 0).event_count == 1);

    const auto batches = fixture.take_all();
    REQUIRE(batches.size() == 2);
    CHECK(batches[0].event_count == 3);
    CHECK(batches[0].max_time_ns == 1002);
    CHECK(batches[1].first_sequence == 13);
}

TEST_CASE(
    "batch filler: the times of a batch are those of the events in it, also where an atomic "
    "one begins the next",
    "[journal][filler]") {
    Filler fixture(4, 8192);
    EventShape shape;
    shape.payload_bytes = 32;
    shape.first_time_ns = 1000;
    shape.step_ns = 1;
    REQUIRE(fixture.filler.append(make_events(0, 120, shape).run(), 0).event_count == 120);
    shape.first_time_ns = 5000;
    shape.atomic_left = 10;
    REQUIRE(fixture.filler.append(make_events(120, 10, shape).run(), 0).event_count == 10);

    const auto batches = fixture.take_all();
    REQUIRE(batches.size() == 2);
    CHECK(batches[0].max_time_ns == 1119);
    CHECK(batches[1].first_time_ns == 5000);
    CHECK(batches[1].max_time_ns == 5009);
}

}  // namespace tailrace::journal::batch_filler_test
