#include "stream/recorded_stream.hpp"
#include "support/child_process.hpp"
#include "support/shared_object.hpp"
#include "support/temporary_directory.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/stream_status.hpp>
#include <tailrace/journal/compress.hpp>
#include <tailrace/journal/journal_id.hpp>
#include <tailrace/stream/recorder.hpp>

#include <catch2/catch.hpp>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <thread>
#include <vector>

namespace recorder_test {

namespace {

using namespace tailrace;
using namespace tailrace::test;

TEST_CASE("recorder: what was published is in the journal, byte for byte", "[stream][recorder]") {
    const Watchdog watchdog("recorder content");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    auto recorder = recorded.recorder();

    REQUIRE(publish_numbered(publisher, 1, 0, 300));
    REQUIRE(record_all(recorder, publisher.region()));
    REQUIRE(recorder.close());

    const JournalContent content = read_journal(recorded.journal_directory());
    CHECK(content.events.size() == 300);
    CHECK(is_numbered_from(content, 1, 300));
    CHECK(content.torn == 0);
    CHECK(content.gaps.empty());
    CHECK(content.events.front().sequence == 0);
    CHECK(content.events.back().sequence == 299);
}

TEST_CASE("recorder: it begins with an event whose claim is open", "[stream][recorder]") {
    const Watchdog watchdog("recorder beside an open claim");
    const RecordedStream recorded;
    auto slow = recorded.stream().publisher();
    auto quick = recorded.stream().publisher();
    bus::Claim claim;
    REQUIRE(slow.try_claim(claim, numbered_size_bytes(2, 0), 1) == bus::PublishStatus::ok);
    REQUIRE(publish_numbered(quick, 1, 0, 20));

    auto recorder = recorded.recorder();
    CHECK(recorder.status().first_sequence == 0);
    fill_numbered(claim.payload, 2, 0);
    slow.commit(claim);
    REQUIRE(record_all(recorder, quick.region()));
    CHECK(slow.wait_durable(1, bus::Deadline::in_ms(10'000)));
    REQUIRE(recorder.close());

    const JournalContent content = read_journal(recorded.journal_directory());
    CHECK(content.events.size() == 21);
    CHECK(content.gaps.empty());
    CHECK(is_numbered_from(content, 1, 20));
    CHECK(is_numbered_from(content, 2, 1));
}

TEST_CASE("recorder: its successor goes on where it stood in a full ring", "[stream][recorder]") {
    const Watchdog watchdog("recorder of a full ring");
    const RecordedStream recorded(
        small_stream(GENERATE(bus::Publishing::multi, bus::Publishing::single)));
    auto publisher = recorded.stream().publisher();
    std::uint64_t published = 0;
    for (int life = 0; life < 8; ++life) {
        auto recorder = recorded.recorder();
        CHECK(recorder.status().lost_events == 0);
        REQUIRE(record_all(recorder, publisher.region()));
        // Some are journaled, then it doesn't get on, and the ring fills up behind it.
        REQUIRE(publish_numbered(publisher, 1, published, 37));
        published += 37;
        REQUIRE(record_all(recorder, publisher.region()));
        while (publish_numbered(publisher, 1, published, 1, bus::Deadline::in_ms(1)))
            ++published;
    }
    auto recorder = recorded.recorder();
    CHECK(recorder.status().lost_events == 0);
    REQUIRE(record_all(recorder, publisher.region()));
    REQUIRE(recorder.close());

    const JournalContent content = read_journal(recorded.journal_directory());
    CHECK(content.gaps.empty());
    CHECK(content.torn == 0);
    CHECK(is_numbered_from(content, 1, published));
}

TEST_CASE("recorder: a publisher that waits for durability is woken when it is there",
          "[stream][recorder]") {
    const Watchdog watchdog("wait_durable");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    auto recorder = recorded.recorder();
    std::atomic<bool> stop{false};
    Result<void> outcome;
    std::thread journal([&] { outcome = recorder.run(stop); });

    bool all_durable = true;
    for (std::uint64_t number = 0; number < 20; ++number) {
        all_durable = all_durable && publish_numbered(publisher, 1, number, 1);
        const auto waited =
            publisher.wait_durable(publisher.next_own_sequence(), bus::Deadline::never());
        all_durable = all_durable && waited.has_value() &&
                      bus::durable_sequence(publisher.region()) >= publisher.next_own_sequence();
    }
    stop.store(true);
    journal.join();

    CHECK(all_durable);
    CHECK(outcome.has_value());
    CHECK(read_journal(recorded.journal_directory()).events.size() == 20);
}

TEST_CASE("recorder: compresses what it has sealed, when it is asked to", "[stream][recorder]") {
    if (!journal::can_compress()) {
        WARN("SKIPPED: built without zstd");
        return;
    }
    const Watchdog watchdog("compressing recorder");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    stream::RecorderOptions options = recorded.options();
    options.compress_level = 1;
    auto recorder = stream::Recorder::attach(recorded.stream().name(), options);
    REQUIRE(recorder);
    std::uint64_t count = 0;
    constexpr std::uint64_t kSegments = 3;
    while (recorder->status().compression.compressed_segments < kSegments) {
        if (recorder->status().writer.segments <= kSegments + 1) {
            REQUIRE(publish_numbered(publisher, 1, count, 20));
            count += 20;
        }
        REQUIRE(record_all(*recorder, publisher.region()));
        REQUIRE(recorder->step(1'000'000));
        const auto trouble = recorder->take_trouble();
        if (trouble) FAIL(trouble->message);
    }
    const journal::CompressionFigures figures = recorder->status().compression;
    CHECK(figures.stored_bytes < figures.raw_bytes);
    REQUIRE(recorder->close());

    const JournalContent content = read_journal(recorded.journal_directory());
    CHECK(is_numbered_from(content, 1, count));
    CHECK(content.torn == 0);
    CHECK(content.gaps.empty());
}

TEST_CASE("recorder: without one, waiting for durability is an error that names the command",
          "[stream][recorder]") {
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, 1));

    const auto waited = publisher.wait_durable(1, bus::Deadline::never());

    REQUIRE_FALSE(waited);
    CHECK(waited.error().code == ErrorCode::no_writer);
    CHECK(waited.error().hint == "tailrace record stream");
}

TEST_CASE("recorder: publishers wait for it when the ring is full of unwritten events",
          "[stream][recorder]") {
    const Watchdog watchdog("recorder gate");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    auto recorder = recorded.recorder();

    // More than the ring holds; the recorder isn't driven meanwhile.
    const bool fitted = publish_numbered(publisher, 1, 0, 5000, bus::Deadline::at_once());

    CHECK_FALSE(fitted);
    CHECK(publisher.holder().find("'journal'") != std::string::npos);
    REQUIRE(record_all(recorder, publisher.region()));
    CHECK(publish_numbered(publisher, 2, 0, 100));
}

TEST_CASE("recorder: with drop it lets publishers pass, and the journal tells the exact gap",
          "[stream][recorder]") {
    const Watchdog watchdog("recorder drop");
    // A ring far larger than what the writer takes before a disk has answered.
    bus::StreamOptions roomy = small_stream();
    roomy.capacity_bytes = std::uint64_t{16} << 20U;
    const RecordedStream recorded(roomy);
    auto publisher = recorded.stream().publisher();
    stream::RecorderOptions options = recorded.options();
    options.lag = stream::JournalLag::drop;
    options.journal.queue_depth = 1;
    auto recorder = expect(stream::Recorder::attach("stream", options), "attach");
    // The recorder reads nothing until the ring is full, as if the disk had stood still.
    std::uint64_t published = publish_until_full(publisher, 1);

    // One step takes what fits into the writer, and gives up the rest.
    REQUIRE(recorder.step(0));
    CHECK(recorder.status().lost_events > 0);
    CHECK(publish_numbered(publisher, 1, published, 1, bus::Deadline::at_once()));
    ++published;
    REQUIRE(record_all(recorder, publisher.region()));
    REQUIRE(recorder.close());

    const JournalContent content = read_journal(recorded.journal_directory());
    std::uint64_t lost = 0;
    for (const journal::Gap& gap : content.gaps)
        lost += gap.count;
    CHECK(lost == recorder.status().lost_events);
    CHECK(content.events.size() + lost == published);
    CHECK(content.torn == 0);

    // Whoever asks is told the same of each event: durable, or in the gap.
    REQUIRE(content.gaps.size() < bus::kListedGaps);
    std::uint64_t wrong_answers = 0;
    const auto region = recorded.stream().open();
    const auto answer = [&](Sequence first, Sequence end) {
        return bus::wait_durable(*region, first, end, bus::Deadline::at_once());
    };
    for (const JournaledEvent& event : content.events) {
        if (!answer(event.sequence, event.sequence + 1)) ++wrong_answers;
    }
    for (const journal::Gap& gap : content.gaps) {
        for (Sequence sequence = gap.first; sequence < gap.first + gap.count; ++sequence) {
            const auto waited = answer(sequence, sequence + 1);
            if (waited || waited.error().code != ErrorCode::sequence_gone) ++wrong_answers;
        }
    }
    CHECK(wrong_answers == 0);
    // This publisher published all of it: it is told the first gap, however late it asks.
    const auto told = publisher.wait_durable(publisher.next_own_sequence(), bus::Deadline::never());
    REQUIRE_FALSE(told);
    CHECK(told.error().code == ErrorCode::sequence_gone);
    CHECK(told.error().message.find("[" + std::to_string(content.gaps[0].first) + ", ") !=
          std::string::npos);
}

TEST_CASE("recorder: while it drops, who waits is told yes for what is kept and for nothing else",
          "[stream][recorder]") {
    const Watchdog watchdog("recorder drop, asked at the same time");
    bus::StreamOptions roomy = small_stream();
    roomy.capacity_bytes = std::uint64_t{16} << 20U;
    const RecordedStream recorded(roomy);
    auto publisher = recorded.stream().publisher();
    const auto region = recorded.stream().open();
    stream::RecorderOptions options = recorded.options();
    options.lag = stream::JournalLag::drop;
    options.journal.queue_depth = 1;
    constexpr int kLaps = 3;
    std::atomic<int> full_rings{0};
    std::atomic<int> seen_full{0};
    std::atomic<bool> stop{false};
    std::atomic<bool> failed{false};
    Result<void> outcome;
    std::thread journal([&] {
        auto recorder = stream::Recorder::attach("stream", options);
        if (!recorder) {
            outcome = recorder.error();
            failed.store(true);
            return;
        }
        // It reads nothing until the ring is full, then as fast as the disk lets it.
        while (outcome && !stop.load()) {
            if (seen_full.load() < kLaps && full_rings.load() == seen_full.load()) {
                std::this_thread::yield();
                continue;
            }
            outcome = recorder->step(0);
            if (!outcome) failed.store(true);
            seen_full.store(full_rings.load());
        }
        if (outcome) outcome = recorder->close();
    });
    std::vector<bool> is_acknowledged;
    std::thread asker([&] {
        bus::DurableWait wait;
        const Sequence& told = wait.told;
        while (!stop.load()) {
            const Sequence first = told;
            const auto waited =
                bus::wait_durable_behind(*region, wait, first + 1, bus::Deadline::in_ms(1));
            if (told > first) is_acknowledged.resize(told, false);
            if (waited) is_acknowledged[first] = true;
        }
    });

    std::uint64_t published = 0;
    for (int lap = 0; lap < kLaps; ++lap) {
        published = publish_until_full(publisher, 1, published);
        full_rings.store(lap + 1);
        wait_until([&] { return seen_full.load() > lap || failed.load(); });
    }
    wait_until([&] { return failed.load() || bus::durable_sequence(*region) >= published; });
    stop.store(true);
    journal.join();
    asker.join();

    REQUIRE(outcome);
    const JournalContent content = read_journal(recorded.journal_directory());
    REQUIRE_FALSE(content.gaps.empty());
    is_acknowledged.resize(published, false);
    const auto acknowledged = std::count(is_acknowledged.begin(), is_acknowledged.end(), true);
    const auto kept_and_acknowledged =
        std::count_if(content.events.begin(), content.events.end(), [&](const auto& event) {
            return is_acknowledged[event.sequence];
        });
    CHECK(acknowledged > 0);
    CHECK(acknowledged == kept_and_acknowledged);
}

TEST_CASE("recorder: what left the ring before there was a journal isn't said to be durable",
          "[stream][recorder]") {
    const Watchdog watchdog("recorder too late");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, 5000));  // several rings

    auto recorder = recorded.recorder();
    REQUIRE(record_all(recorder, publisher.region()));

    const Sequence begin = recorder.status().first_sequence;
    REQUIRE(begin > 0);
    const auto told = publisher.wait_durable(5000, bus::Deadline::never());
    REQUIRE_FALSE(told);
    CHECK(told.error().code == ErrorCode::sequence_gone);
    CHECK(publisher.wait_durable(5000, bus::Deadline::never()));
    CHECK_FALSE(bus::check_kept(publisher.region(), begin - 1, begin));
    CHECK(bus::check_kept(publisher.region(), begin, 5000));
}

TEST_CASE("recorder: a second one is refused and told who runs", "[stream][recorder]") {
    const RecordedStream recorded;
    auto recorder = recorded.recorder();

    const auto second = recorded.try_record();

    REQUIRE_FALSE(second);
    CHECK(second.error().code == ErrorCode::busy);
    CHECK(second.error().message.find("pid " + std::to_string(::getpid())) != std::string::npos);
}

TEST_CASE("recorder: its successor goes on where the journal ends", "[stream][recorder]") {
    const Watchdog watchdog("recorder successor");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    {
        auto recorder = recorded.recorder();
        REQUIRE(publish_numbered(publisher, 1, 0, 50));
        REQUIRE(record_all(recorder, publisher.region()));
        REQUIRE(recorder.close());
    }
    REQUIRE(publish_numbered(publisher, 1, 50, 50));  // while nobody records
    auto recorder = recorded.recorder();
    REQUIRE(record_all(recorder, publisher.region()));
    REQUIRE(recorder.close());

    const JournalContent content = read_journal(recorded.journal_directory());
    CHECK(content.events.size() == 100);
    CHECK(is_numbered_from(content, 1, 100));
    CHECK(content.gaps.empty());
}

TEST_CASE("recorder: while its successor recovers nothing is promised, and who waits ends right",
          "[stream][recorder]") {
    const Watchdog watchdog("recorder recovering");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    const auto region = recorded.stream().open();
    ChildProcess first([&] {
        auto own = recorded.stream().publisher("first");
        auto recorder = recorded.recorder();
        if (!publish_numbered(own, 1, 0, 50) || !record_all(recorder, own.region())) return 1;
        ::kill(::getpid(), SIGKILL);
        return 1;
    });
    REQUIRE(first.wait().was_killed());
    REQUIRE(bus::durable_sequence(*region) == 50);
    // As a write that is still on its way would: recovery waits until the file is let go.
    std::string newest;
    for (const auto& entry : std::filesystem::directory_iterator(recorded.journal_directory())) {
        if (entry.path().extension() == ".seg") newest = std::max(newest, entry.path().string());
    }
    REQUIRE_FALSE(newest.empty());
    auto late_write = FileLock::try_lock(newest, 1);
    REQUIRE(late_write);
    std::atomic<bool> stop{false};
    Result<void> outcome;
    std::thread journal([&] {
        auto recorder = recorded.try_record();
        outcome = recorder ? recorder->run(stop) : Result<void>(recorder.error());
    });
    wait_until([&] {
        return bus::has_journal_writer(*region) &&
               bus::read_status(region).journal->pid == static_cast<std::uint32_t>(::getpid());
    });

    const auto too_early = bus::wait_durable(*region, 50, bus::Deadline::in_ms(2));
    const bus::StreamStatus status = bus::read_status(region);
    std::array<bool, 2> is_durable{};
    std::thread old_waiter([&] {
        is_durable[0] = bus::wait_durable(*region, 50, bus::Deadline::never()).has_value();
    });
    const bool has_published = publish_numbered(publisher, 1, 50, 1);
    std::thread new_waiter([&] {
        is_durable[1] = bus::wait_durable(*region, 51, bus::Deadline::never()).has_value();
    });
    wait_until([&] { return region->state().journal.durable_wait.sleeping.load() != 0; });
    late_write->unlock();
    old_waiter.join();
    new_waiter.join();
    stop.store(true);
    journal.join();

    REQUIRE_FALSE(too_early);
    CHECK(too_early.error().code == ErrorCode::timed_out);
    REQUIRE(status.journal);
    CHECK(status.journal->state == bus::JournalState::opening);
    CHECK(status.journal->durable_sequence == 0);
    CHECK(has_published);
    CHECK(is_durable[0]);
    CHECK(is_durable[1]);
    CHECK(outcome);
    CHECK(is_numbered_from(read_journal(recorded.journal_directory()), 1, 51));
}

TEST_CASE("recorder: what left the ring while nobody recorded is an exact gap",
          "[stream][recorder]") {
    const Watchdog watchdog("recorder gap");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    {
        auto recorder = recorded.recorder();
        REQUIRE(publish_numbered(publisher, 1, 0, 10));
        REQUIRE(record_all(recorder, publisher.region()));
        REQUIRE(recorder.close());
    }
    REQUIRE(publish_numbered(publisher, 1, 10, 5000));  // several rings, nobody gates
    auto recorder = recorded.recorder();
    REQUIRE(record_all(recorder, publisher.region()));
    REQUIRE(recorder.close());

    const JournalContent content = read_journal(recorded.journal_directory());
    REQUIRE(content.gaps.size() == 1);
    CHECK(content.gaps[0].first == 10);
    CHECK(content.gaps[0].count == recorder.status().lost_events);
    CHECK(content.events.size() + content.gaps[0].count == 5010);
    CHECK(content.events[10].sequence == 10 + content.gaps[0].count);
    CHECK(content.events[10].number == content.events[10].sequence);
    CHECK(content.torn == 0);
}

TEST_CASE("recorder: after the ring was deleted the stream goes on from its journal",
          "[stream][recorder]") {
    const Watchdog watchdog("recorder reboot");
    const TemporaryDirectory directory;
    stream::RecorderOptions options;
    options.journal.directory = directory.path() + "/.journal";
    options.journal.segment_size_bytes = std::uint64_t{1} << 20U;
    options.bus_directory = directory.path();
    for (std::uint64_t life = 0; life < 3; ++life) {
        bus::StreamOptions ring = small_stream();
        ring.first_sequence =
            expect(stream::find_journal_end(options.journal.directory), "end").sequence;
        REQUIRE(ring.first_sequence == life * 40);
        REQUIRE(bus::Region::create("reborn", ring, directory.path()));
        auto publisher = expect(
            bus::Publisher::attach("reborn", {"p", bus::WaitStrategy::futex, directory.path()}),
            "attach");
        auto recorder = expect(stream::Recorder::attach("reborn", options), "record");
        REQUIRE(publish_numbered(publisher, 1, life * 40, 40));
        REQUIRE(record_all(recorder, publisher.region()));
        REQUIRE(bus::Region::unlink("reborn", true, directory.path()));
        // Neither is closed: as in a reboot.
    }

    const JournalContent content = read_journal(options.journal.directory);
    CHECK(content.events.size() == 120);
    CHECK(is_numbered_from(content, 1, 120));
    CHECK(content.gaps.empty());
    for (const JournaledEvent& event : content.events)
        CHECK(event.sequence == event.number);
}

TEST_CASE("recorder: a ring that was made anew without regard to the journal is refused",
          "[stream][recorder]") {
    const Watchdog watchdog("recorder foreign ring");
    const TemporaryDirectory directory;
    stream::RecorderOptions options;
    options.journal.directory = directory.path() + "/.journal";
    options.bus_directory = directory.path();
    for (std::uint64_t life = 0; life < 2; ++life) {
        REQUIRE(bus::Region::create("careless", small_stream(), directory.path()));
        auto publisher = expect(
            bus::Publisher::attach("careless", {"p", bus::WaitStrategy::futex, directory.path()}),
            "attach");
        // The second ring has published more than the first: its sequences would pass for the
        // journal's own.
        REQUIRE(publish_numbered(publisher, 1, 0, 10 + life * 10));
        auto recorder = stream::Recorder::attach("careless", options);
        if (life == 0) {
            REQUIRE(recorder);
            REQUIRE(record_all(*recorder, publisher.region()));
            REQUIRE(recorder->close());
        } else {
            REQUIRE_FALSE(recorder);
            CHECK(recorder.error().code == ErrorCode::corrupt);
            CHECK(recorder.error().message.find("careless") != std::string::npos);
            CHECK_FALSE(recorder.error().hint.empty());
        }
        REQUIRE(bus::Region::unlink("careless", true, directory.path()));
    }
    CHECK(read_journal(options.journal.directory).events.size() == 10);
}

TEST_CASE("recorder: where its journal is gone it doesn't begin another as if nothing had been",
          "[stream][recorder]") {
    const Watchdog watchdog("recorder journal gone");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    {
        auto recorder = recorded.recorder();
        REQUIRE(publish_numbered(publisher, 1, 0, 10));
        REQUIRE(record_all(recorder, publisher.region()));
        if (GENERATE(true, false)) REQUIRE(recorder.close());  // or as if it were killed
    }
    const std::string place = recorded.journal_directory();
    const std::string elsewhere = recorded.stream().directory() + "/.elsewhere";
    std::filesystem::rename(place, elsewhere);
    const bool is_made_anew = GENERATE(true, false);
    if (is_made_anew) std::filesystem::create_directory(place);

    // Again and again, as a service would.
    for (int time = 0; time < 3; ++time) {
        const auto refused = recorded.try_record();
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == ErrorCode::not_found);
        CHECK(refused.error().message.find("below sequence 10") != std::string::npos);
        CHECK(refused.error().message.find(place) != std::string::npos);
        CHECK(refused.error().hint.find("--new-journal") != std::string::npos);
    }
    CHECK(std::filesystem::exists(place) == is_made_anew);
    if (is_made_anew) CHECK(std::filesystem::is_empty(place));

    SECTION("back in its place it is gone on with") {
        std::filesystem::remove(place);
        std::filesystem::rename(elsewhere, place);
        auto recorder = recorded.recorder();
        CHECK(recorder.status().first_sequence == 10);
    }
    SECTION("so it is where it was moved to") {
        stream::RecorderOptions options = recorded.options();
        options.journal.directory = elsewhere;
        auto recorder = expect(stream::Recorder::attach("stream", options), "record elsewhere");
        CHECK(recorder.status().first_sequence == 10);
        REQUIRE(publish_numbered(publisher, 1, 10, 5));
        REQUIRE(record_all(recorder, publisher.region()));
        REQUIRE(recorder.close());
        CHECK(read_journal(elsewhere).events.size() == 15);
    }
    SECTION("a loss that is accepted is not a journal that is given up") {
        stream::RecorderOptions options = recorded.options();
        options.accept_loss = true;
        CHECK_FALSE(stream::Recorder::attach("stream", options));
    }
    SECTION("who wants a new one begins anew, and from then on that one is the journal") {
        stream::RecorderOptions options = recorded.options();
        options.new_journal = true;
        {
            auto recorder = expect(stream::Recorder::attach("stream", options), "accept");
            REQUIRE(publish_numbered(publisher, 1, 10, 5));
            REQUIRE(record_all(recorder, publisher.region()));
            REQUIRE(recorder.close());
        }
        CHECK(recorded.try_record());
    }
}

TEST_CASE("recorder: the journal that was made with its stream is the only one it begins in",
          "[stream][recorder]") {
    const Watchdog watchdog("recorder journal made with the stream");
    const test::TemporaryDirectory journals;
    const std::string place = journals.path() + "/journal";
    const auto begun = expect(journal::begin_journal(place), "begin");
    bus::StreamOptions made = small_stream();
    made.journal_directory = place;
    made.journal_id = begun.id;
    const RecordedStream recorded(made);
    stream::RecorderOptions options = recorded.options();
    options.journal.directory = place;
    const bool another_is_there = GENERATE(true, false);
    std::filesystem::rename(place, place + ".away");
    if (another_is_there) static_cast<void>(expect(journal::begin_journal(place), "another"));

    const auto refused = stream::Recorder::attach("stream", options);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::not_found);
    CHECK(refused.error().message.find(another_is_there ? "another one" : "none") !=
          std::string::npos);
    CHECK(refused.error().hint.find("--new-journal") != std::string::npos);

    SECTION("back in its place it is recorded into") {
        std::filesystem::remove_all(place);
        std::filesystem::rename(place + ".away", place);
        auto recorder = expect(stream::Recorder::attach("stream", options), "record");
        REQUIRE(recorder.close());
        CHECK(expect(stream::find_journal_end(place), "end").id == begun.id);
    }
    SECTION("who wants a new one begins it, and the next recorder goes on there") {
        options.new_journal = true;
        REQUIRE(expect(stream::Recorder::attach("stream", options), "new").close());
        options.new_journal = false;
        CHECK(stream::Recorder::attach("stream", options));
    }
}

TEST_CASE(
    "recorder: an older copy put in the journal's place is refused, unless the ring has the "
    "rest",
    "[stream][recorder]") {
    const Watchdog watchdog("recorder older copy");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    const std::string place = recorded.journal_directory();
    const std::string copy = recorded.stream().directory() + "/.copy";
    const auto record_more = [&](std::uint64_t first, std::uint64_t count) {
        auto recorder = recorded.recorder();
        REQUIRE(publish_numbered(publisher, 1, first, count, bus::Deadline::in_ms(60'000)));
        REQUIRE(record_all(recorder, publisher.region()));
        REQUIRE(recorder.close());
    };
    record_more(0, 10);
    std::filesystem::copy(place, copy, std::filesystem::copy_options::recursive);
    record_more(10, 10);
    const auto put_back = [&] {
        std::filesystem::remove_all(place);
        std::filesystem::copy(copy, place, std::filesystem::copy_options::recursive);
    };

    put_back();
    record_more(20, 10);  // 10 to 19 were still in the ring
    CHECK(read_journal(place).events.size() == 30);

    REQUIRE(publish_numbered(publisher, 1, 30, 5000));  // several rings, nobody gates
    put_back();
    const auto refused = recorded.try_record();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::corrupt);
    CHECK(refused.error().message.find("[10, 30)") != std::string::npos);
    stream::RecorderOptions options = recorded.options();
    options.accept_loss = true;
    auto recorder = expect(stream::Recorder::attach("stream", options), "accept");
    CHECK(recorder.status().lost_events > 20);
}

TEST_CASE("recorder: whose journal is removed or moved away under it promises nothing more",
          "[stream][recorder]") {
    const Watchdog watchdog("recorder journal removed");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    auto recorder = recorded.recorder();
    REQUIRE(publish_numbered(publisher, 1, 0, 10));
    REQUIRE(record_all(recorder, publisher.region()));
    REQUIRE(recorder.status().durable_sequence == 10);
    const std::string place = recorded.journal_directory();
    const bool is_removed = GENERATE(true, false);
    const bool publishes = GENERATE(true, false);
    if (is_removed) {
        // Again while the writer's helper puts the next segment into it. The watchdog ends it.
        std::error_code failed;
        while (std::filesystem::exists(place))
            std::filesystem::remove_all(place, failed);
    } else {
        std::filesystem::rename(place, place + ".away");
    }
    if (publishes) REQUIRE(publish_numbered(publisher, 1, 10, 1));

    Result<void> stepped;
    while (stepped)  // the watchdog ends it
        stepped = recorder.step(1'000'000);
    CHECK(stepped.error().message.find("is gone from '" + place) != std::string::npos);
    CHECK(recorder.status().durable_sequence == 10);
    const auto waited = publisher.wait_durable(11, bus::Deadline::in_ms(60'000));
    REQUIRE_FALSE(waited);
    CHECK(waited.error().code != ErrorCode::timed_out);
    CHECK_FALSE(std::filesystem::exists(place));
}

TEST_CASE("recorder: an aborted event and a dead publisher's hole are tombstones in the journal",
          "[stream][recorder]") {
    const Watchdog watchdog("recorder tombstones");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, 1));
    bus::Claim claim;
    REQUIRE(publisher.try_claim(claim, 100) == bus::PublishStatus::ok);
    publisher.abort(claim);
    ChildProcess dying([&] {
        auto own = recorded.stream().publisher("dying");
        bus::Claim never_committed;
        if (own.try_claim(never_committed, 64) != bus::PublishStatus::ok) return 1;
        ::kill(::getpid(), SIGKILL);
        return 1;
    });
    REQUIRE(dying.wait().was_killed());
    REQUIRE(publish_numbered(publisher, 1, 1, 1));

    auto recorder = recorded.recorder();
    REQUIRE(record_all(recorder, publisher.region()));
    REQUIRE(recorder.close());

    const JournalContent content = read_journal(recorded.journal_directory());
    CHECK(content.tombstones == 2);
    REQUIRE(content.events.size() == 2);
    CHECK(content.events[0].sequence == 0);
    CHECK(content.events[1].sequence == 3);
    CHECK(content.end_sequence == 4);
}

TEST_CASE("recorder: an event that no batch can hold is refused by name", "[stream][recorder]") {
    const Watchdog watchdog("recorder too large");
    bus::StreamOptions large = small_stream();
    large.capacity_bytes = std::uint64_t{16} << 20U;
    const RecordedStream recorded(large);
    auto publisher = recorded.stream().publisher();
    auto recorder = recorded.recorder();
    const std::vector<std::byte> payload(std::size_t{3} << 19U);
    REQUIRE(publisher.try_publish(std::span<const std::byte>(payload)) == bus::PublishStatus::ok);

    Result<void> stepped;
    for (int round = 0; round < 10 && stepped; ++round)
        stepped = recorder.step(0);

    REQUIRE_FALSE(stepped);
    CHECK(stepped.error().code == ErrorCode::too_large);
    CHECK(stepped.error().message.find("event 0 of stream 'stream'") != std::string::npos);
    const auto waited = publisher.wait_durable(1, bus::Deadline::never());
    REQUIRE_FALSE(waited);
    CHECK(waited.error().code == ErrorCode::io_failure);
}

}  // namespace

}  // namespace recorder_test
