#include "stream/recorded_stream.hpp"
#include "support/child_process.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/stream_status.hpp>
#include <tailrace/stream/stream_reader.hpp>

#include <catch2/catch.hpp>

#include <filesystem>
#include <optional>
#include <thread>
#include <vector>

namespace stream_reader_test {

namespace {

using namespace tailrace;
using namespace tailrace::stream;
using namespace tailrace::test;

constexpr std::uint64_t kManyEvents = 5'000;  // ten times what the small ring holds

// What a reader was given and told.
struct Account {
    std::vector<Sequence> sequences;
    std::vector<bus::Gap> gaps;
    std::uint64_t torn = 0;
    std::uint64_t wrong_number = 0;  // of a single publisher, whose numbers are the sequences
    bus::PollState last = bus::PollState::idle;
};

void take(Account& account, const Event& event) {
    const auto numbered = read_numbered(event.payload());
    if (!numbered) {
        ++account.torn;
    } else if (numbered->number != event.sequence()) {
        ++account.wrong_number;
    }
    account.sequences.push_back(event.sequence());
}

// Polls until `end` or a state other than ok, idle and gap.
Account read_to(StreamReader& reader, Sequence end, std::uint64_t limit = 64) {
    Account account;
    while (reader.next_sequence() < end) {
        const bus::PollResult result = reader.poll_until(
            [&](const Event& event) { take(account, event); }, limit, bus::Deadline::in_ms(1000));
        account.last = result.state;
        if (result.state == bus::PollState::gap) account.gaps.push_back(reader.last_gap());
        if (result.state > bus::PollState::gap) break;
    }
    return account;
}

bool is_whole(const Account& account, Sequence first, Sequence end) {
    if (account.torn != 0 || account.wrong_number != 0 || !account.gaps.empty()) return false;
    if (account.sequences.size() != end - first) return false;
    for (std::size_t index = 0; index < account.sequences.size(); ++index) {
        if (account.sequences[index] != first + index) return false;
    }
    return true;
}

StreamReaderOptions reading(const RecordedStream& recorded,
                            Position from,
                            bus::SlowPolicy policy = bus::SlowPolicy::spill) {
    StreamReaderOptions options;
    options.from = from;
    options.policy = policy;
    options.bus_directory = recorded.stream().directory();
    return options;
}

Result<StreamReader> try_attach(const RecordedStream& recorded,
                                const StreamReaderOptions& options) {
    return StreamReader::attach(recorded.stream().name(), options);
}

StreamReader reader_of(const RecordedStream& recorded,
                       Position from,
                       bus::SlowPolicy policy = bus::SlowPolicy::spill) {
    return expect(try_attach(recorded, reading(recorded, from, policy)), "attach the reader");
}

}  // namespace

TEST_CASE(
    "stream reader: from every position, in the journal or in the ring, it reads on to the end",
    "[stream][stream_reader]") {
    const Watchdog watchdog("stream reader positions");
    const auto policy =
        GENERATE(bus::SlowPolicy::spill, bus::SlowPolicy::gate, bus::SlowPolicy::observe);
    const RecordedStream recorded(
        small_stream(GENERATE(bus::Publishing::multi, bus::Publishing::single)));
    const RunningRecorder recorder(recorded);
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, kManyEvents));

    const auto first_of = [&](Position from) {
        CAPTURE(static_cast<int>(from.kind), from.value);
        auto reader = reader_of(recorded, from, policy);
        const Sequence first = reader.next_sequence();
        CHECK(is_whole(read_to(reader, kManyEvents), first, kManyEvents));
        CHECK(reader.poll([](const Event&) {}, 1).state == bus::PollState::idle);
        CHECK(reader.source() == Source::ring);
        CHECK(reader.lost_events() == 0);
        return first;
    };
    CHECK(first_of(Position::start()) == 0);
    CHECK(first_of(Position::end()) == kManyEvents);
    CHECK(first_of(Position::at(0)) == 0);
    CHECK(first_of(Position::at(kManyEvents / 2)) == kManyEvents / 2);
    CHECK(first_of(Position::at(kManyEvents - 5)) == kManyEvents - 5);
    CHECK(first_of(Position::after_start(7)) == 7);
    CHECK(first_of(Position::after_start(2 * kManyEvents)) == kManyEvents);
    CHECK(first_of(Position::before_end(3)) == kManyEvents - 3);
    CHECK(first_of(Position::before_end(kManyEvents - 1)) == 1);
    CHECK(first_of(Position::before_end(2 * kManyEvents)) == 0);

    const auto ahead =
        try_attach(recorded, reading(recorded, Position::at(kManyEvents + 1), policy));
    REQUIRE_FALSE(ahead);
    CHECK(ahead.error().code == ErrorCode::sequence_ahead);
}

TEST_CASE("stream reader: a time leads to the same event in the journal and in the ring",
          "[stream][stream_reader]") {
    const Watchdog watchdog("stream reader times");
    bus::StreamOptions timed = small_stream();
    timed.publish_time = bus::PublishTime::per_event;
    const RecordedStream recorded(timed);
    const RunningRecorder recorder(recorded);
    auto publisher = recorded.stream().publisher();
    const std::uint64_t before_ns = wall_clock_ns();
    std::vector<std::uint64_t> times_ns;
    {
        auto witness = reader_of(recorded, Position::end(), bus::SlowPolicy::gate);
        for (Sequence sequence = 0; sequence < kManyEvents; ++sequence) {
            REQUIRE(publish_numbered(publisher, 1, sequence, 1));
            static_cast<void>(witness.poll(
                [&](const Event& event) { times_ns.push_back(event.publish_time_ns()); }, 64));
        }
    }
    REQUIRE(times_ns.size() == kManyEvents);
    for (const Sequence wanted :
         {Sequence{0}, Sequence{17}, kManyEvents / 2, kManyEvents - 9, kManyEvents - 1}) {
        // The first of those that were published at that instant.
        Sequence first = wanted;
        while (first > 0 && times_ns[first - 1] >= times_ns[wanted])
            --first;
        const auto reader = reader_of(recorded, Position::at_time(times_ns[wanted]));
        CHECK(reader.next_sequence() == first);
    }
    CHECK(reader_of(recorded, Position::at_time(before_ns)).next_sequence() == 0);
    CHECK(reader_of(recorded, Position::at_time(wall_clock_ns() + 1'000'000'000)).next_sequence() ==
          kManyEvents);
}

TEST_CASE("stream reader: without publish times a position by time is refused",
          "[stream][stream_reader]") {
    bus::StreamOptions timeless = small_stream();
    timeless.publish_time = bus::PublishTime::off;
    const RecordedStream recorded(timeless);
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, 10));
    const auto refused =
        try_attach(recorded, reading(recorded, Position::at_time(1), bus::SlowPolicy::observe));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::invalid_argument);
}

TEST_CASE(
    "stream reader: one that is too slow goes on in the journal, holds nobody up and comes back",
    "[stream][stream_reader]") {
    const Watchdog watchdog("stream reader spill");
    const auto policy = GENERATE(bus::SlowPolicy::spill, bus::SlowPolicy::observe);
    const RecordedStream recorded;
    const RunningRecorder recorder(recorded);
    auto publisher = recorded.stream().publisher();
    auto reader = reader_of(recorded, Position::end(), policy);
    const auto region = recorded.stream().open(bus::RegionAccess::observe);

    Account account;
    const auto poll = [&](std::uint64_t limit) {
        return reader.poll([&](const Event& event) { take(account, event); }, limit);
    };
    Sequence published = 0;
    std::uint64_t spilled_pictures = 0;
    for (int round = 0; round < 20; ++round) {
        // Ten rings, of which it reads a handful.
        REQUIRE(publish_numbered(publisher, 1, published, kManyEvents / 10));
        published += kManyEvents / 10;
        REQUIRE(poll(3).state == bus::PollState::ok);
        const bus::StreamStatus status = bus::read_status(region);
        for (const bus::SubscriberStatus& other : status.subscribers) {
            if (other.name != "reader") continue;
            CHECK(other.sequence == reader.next_sequence());
            CHECK(other.lost_events == 0);
            if (other.source == bus::ReadSource::journal) ++spilled_pictures;
        }
        REQUIRE((!status.holder || status.holder->name == "journal"));
    }
    if (policy == bus::SlowPolicy::spill) CHECK(spilled_pictures > 0);
    CHECK(reader.source() == Source::journal);
    CHECK(reader.spill_count() > 0);
    while (reader.next_sequence() < published)
        REQUIRE(poll(64).state <= bus::PollState::idle);
    CHECK(is_whole(account, 0, published));

    // In the ring again it sees what comes, as any reader does.
    CHECK(poll(1).state == bus::PollState::idle);
    CHECK(reader.source() == Source::ring);
    REQUIRE(publish_numbered(publisher, 1, published, 1));
    CHECK(poll(64).events == 1);
}

TEST_CASE("stream reader: spill is refused without a journal, and where nobody records",
          "[stream][stream_reader]") {
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    const auto refused = try_attach(recorded, reading(recorded, Position::end()));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::invalid_argument);
    CHECK(refused.error().message.find("no journal") != std::string::npos);
    CHECK(refused.error().hint.find("tailrace record stream") != std::string::npos);
    StreamReaderOptions durable = reading(recorded, Position::end(), bus::SlowPolicy::gate);
    durable.limit = ReadLimit::durable;
    REQUIRE_FALSE(try_attach(recorded, durable));

    { const RunningRecorder recorder(recorded); }
    const auto unrecorded = try_attach(recorded, reading(recorded, Position::end()));
    REQUIRE_FALSE(unrecorded);
    CHECK(unrecorded.error().code == ErrorCode::no_writer);
    StreamReaderOptions anyhow = reading(recorded, Position::end());
    anyhow.without_recorder = true;
    CHECK(try_attach(recorded, anyhow));
}

TEST_CASE("stream reader: what neither journal nor ring has is an exact gap, told once",
          "[stream][stream_reader]") {
    const Watchdog watchdog("stream reader gap");
    const auto policy = GENERATE(bus::SlowPolicy::spill, bus::SlowPolicy::observe);
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    std::optional<RunningRecorder> recorder;
    recorder.emplace(recorded);
    auto reader = reader_of(recorded, Position::end(), policy);
    REQUIRE(publish_numbered(publisher, 1, 0, 100));
    recorder.reset();
    REQUIRE(publish_numbered(publisher, 1, 100, kManyEvents));

    const Account account = read_to(reader, 100 + kManyEvents);
    CHECK(account.torn == 0);
    CHECK(account.wrong_number == 0);
    REQUIRE(account.gaps.size() == 1);
    CHECK(account.gaps[0].first == 100);
    CHECK(reader.lost_events() == account.gaps[0].count);
    CHECK(account.sequences.size() + account.gaps[0].count == 100 + kManyEvents);
    CHECK(account.sequences[100] == 100 + account.gaps[0].count);

    // The next recorder comes to the same conclusion, or to a larger gap.
    recorder.emplace(recorded);
    REQUIRE(publish_numbered(publisher, 1, 100 + kManyEvents, 1));
    recorder.reset();
    const JournalContent content = read_journal(recorded.journal_directory());
    REQUIRE(content.gaps.size() == 1);
    CHECK(content.gaps[0].first == 100);
    CHECK(content.gaps[0].count >= account.gaps[0].count);
}

TEST_CASE("stream reader: a gap that the recorder makes is told as it is",
          "[stream][stream_reader]") {
    const Watchdog watchdog("stream reader beside drop");
    bus::StreamOptions roomy = small_stream();
    roomy.capacity_bytes = std::uint64_t{16} << 20U;
    const RecordedStream recorded(roomy);
    auto publisher = recorded.stream().publisher();
    RecorderOptions options = recorded.options();
    options.lag = JournalLag::drop;
    options.journal.queue_depth = 1;
    auto recorder = expect(Recorder::attach("stream", options), "attach");
    auto reader = reader_of(recorded, Position::end());
    std::uint64_t published = publish_until_full(publisher, 1);
    REQUIRE(recorder.step(0));
    REQUIRE(recorder.status().lost_events > 0);
    // The ring goes round once more, so that the gap is nowhere else either.
    const std::uint64_t lap = published;
    for (std::uint64_t end = published + lap + 1000; published < end; ++published) {
        while (!publish_numbered(publisher, 1, published, 1, bus::Deadline::at_once()))
            REQUIRE(recorder.step(0));
    }
    REQUIRE(record_all(recorder, publisher.region()));

    const Account account = read_to(reader, published);
    REQUIRE(recorder.close());
    const JournalContent content = read_journal(recorded.journal_directory());
    REQUIRE(account.gaps.size() == content.gaps.size());
    // What the ring still has of a gap of the journal isn't lost to who reads what was committed.
    for (std::size_t index = 0; index < account.gaps.size(); ++index) {
        CHECK(account.gaps[index].first == content.gaps[index].first);
        CHECK(account.gaps[index].count <= content.gaps[index].count);
    }
    CHECK(account.sequences.size() + reader.lost_events() == published);
    CHECK(account.wrong_number == 0);
}

TEST_CASE("stream reader: what is not durable yet is kept back from who asks for what is",
          "[stream][stream_reader]") {
    const Watchdog watchdog("stream reader durable");
    const auto policy =
        GENERATE(bus::SlowPolicy::spill, bus::SlowPolicy::gate, bus::SlowPolicy::observe);
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    auto recorder = recorded.recorder();
    StreamReaderOptions options = reading(recorded, Position::start(), policy);
    options.limit = ReadLimit::durable;
    auto reader = expect(try_attach(recorded, options), "attach the reader");
    const auto region = recorded.stream().open(bus::RegionAccess::observe);

    Account account;
    std::uint64_t too_early = 0;
    const auto poll = [&] {
        return reader.poll(
            [&](const Event& event) {
                take(account, event);
                if (event.sequence() >= bus::durable_sequence(*region)) ++too_early;
            },
            64);
    };
    REQUIRE(publish_numbered(publisher, 1, 0, 100));
    CHECK(poll().state == bus::PollState::idle);
    CHECK(account.sequences.empty());
    Sequence published = 100;
    for (int round = 0; round < 200; ++round) {
        REQUIRE(recorder.step(1'000'000));
        static_cast<void>(poll());
        while (published < 5000 &&
               publish_numbered(publisher, 1, published, 1, bus::Deadline::at_once())) {
            ++published;
        }
    }
    REQUIRE(record_all(recorder, *region));
    while (reader.next_sequence() < published)
        REQUIRE(poll().state <= bus::PollState::idle);
    CHECK(is_whole(account, 0, published));
    CHECK(too_early == 0);

    // Nobody makes anything durable any more: said, not waited for in silence.
    REQUIRE(recorder.close());
    { const Recorder ends = std::move(recorder); }
    REQUIRE(publish_numbered(publisher, 1, published, 1));
    const auto stalled = reader.poll_until([](const Event&) {}, 1, bus::Deadline::in_ms(10'000));
    CHECK(stalled.state == bus::PollState::stalled);
    CHECK(reader.error().code == ErrorCode::no_writer);
    CHECK(reader.error().hint == "tailrace record stream");
}

TEST_CASE("stream reader: what the journal lacks and the ring has is handed out, not told as gone",
          "[stream][stream_reader]") {
    const Watchdog watchdog("stream reader of a long ring");
    // A journal that keeps two segments, and a ring that holds more.
    bus::StreamOptions roomy = small_stream();
    roomy.capacity_bytes = std::uint64_t{32} << 20U;
    const RecordedStream recorded(roomy);
    RecorderOptions options = recorded.options();
    options.journal.retain_size_bytes = std::uint64_t{2} << 20U;
    const RunningRecorder recorder(recorded, options);
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, 100));
    auto reader = reader_of(recorded, Position::end());
    constexpr std::uint64_t kPublished = 300'000;  // more than the ring holds
    REQUIRE(publish_numbered(publisher, 1, 100, kPublished - 100));
    const Sequence oldest = bus::read_status(recorded.stream().open()).oldest_sequence;
    REQUIRE(oldest > 100);

    const Account account = read_to(reader, kPublished);
    CHECK(account.torn + account.wrong_number == 0);
    REQUIRE(account.gaps.size() == 1);
    CHECK(account.gaps[0].first == 100);
    // Less a quarter of the ring, which it leaves to itself.
    CHECK(account.gaps[0].count < oldest + (kPublished - oldest) / 2);
    CHECK(account.sequences.size() + account.gaps[0].count == kPublished - 100);
}

TEST_CASE("stream reader: what is durable and was copied comes again after a handler has thrown",
          "[stream][stream_reader]") {
    const Watchdog watchdog("stream reader durable and thrown");
    const auto policy =
        GENERATE(bus::SlowPolicy::spill, bus::SlowPolicy::gate, bus::SlowPolicy::observe);
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    auto recorder = recorded.recorder();
    REQUIRE(publish_numbered(publisher, 1, 0, 10));
    REQUIRE(record_all(recorder, publisher.region()));
    StreamReaderOptions options = reading(recorded, Position::at(0), policy);
    options.limit = ReadLimit::durable;
    auto reader = expect(try_attach(recorded, options), "attach the reader");
    std::vector<Sequence> seen;
    CHECK_THROWS(reader.poll(
        [&](const Event& event) {
            if (event.sequence() == 3) throw 1;
            seen.push_back(event.sequence());
        },
        64));
    if (policy != bus::SlowPolicy::gate) CHECK(reader.next_sequence() == 3);
    while (reader.next_sequence() < 10) {
        REQUIRE(
            reader.poll([&](const Event& event) { seen.push_back(event.sequence()); }, 64).events >
            0);
    }
    // A gating reader gets all of the call again.
    const std::uint64_t again = policy == bus::SlowPolicy::gate ? 3 : 0;
    CHECK(seen.size() == 10 + again);
    CHECK(seen.back() == 9);
}

TEST_CASE("stream reader: it finds the journal that the stream is recorded into by then",
          "[stream][stream_reader]") {
    const Watchdog watchdog("stream reader follows the recorder");
    const auto policy = GENERATE(bus::SlowPolicy::spill, bus::SlowPolicy::observe);
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    std::optional<StreamReader> reader;
    // Nobody records yet: an observer is one of the ring, until somebody does.
    if (policy == bus::SlowPolicy::observe) reader = reader_of(recorded, Position::end(), policy);
    {
        const RunningRecorder recorder(recorded);
        if (!reader) reader = reader_of(recorded, Position::end(), policy);
        REQUIRE(publish_numbered(publisher, 1, 0, kManyEvents));
        CHECK(is_whole(read_to(*reader, kManyEvents), 0, kManyEvents));
    }
    // The journal is moved and recorded on from its new place, as who runs the recorder is advised.
    RecorderOptions elsewhere = recorded.options();
    elsewhere.journal.directory = recorded.journal_directory() + ".moved";
    std::filesystem::rename(recorded.journal_directory(), elsewhere.journal.directory);
    const RunningRecorder recorder(recorded, elsewhere);
    REQUIRE(publish_numbered(publisher, 1, kManyEvents, kManyEvents));
    CHECK(is_whole(read_to(*reader, 2 * kManyEvents), kManyEvents, 2 * kManyEvents));
}

TEST_CASE("stream reader: without its journal an observer loses as ever, and says what",
          "[stream][stream_reader]") {
    const Watchdog watchdog("stream reader without its journal");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    {
        const RunningRecorder recorder(recorded);
        REQUIRE(publish_numbered(publisher, 1, 0, 100));
    }
    auto reader = reader_of(recorded, Position::end(), bus::SlowPolicy::observe);
    std::filesystem::rename(recorded.journal_directory(), recorded.journal_directory() + ".away");
    REQUIRE(publish_numbered(publisher, 1, 100, kManyEvents));
    const Account account = read_to(reader, 100 + kManyEvents);
    REQUIRE(account.gaps.size() == 1);
    CHECK(account.gaps[0].first == 100);
    CHECK(account.sequences.size() + account.gaps[0].count == kManyEvents);
}

TEST_CASE("stream reader: without its journal it doesn't begin later than it was asked to",
          "[stream][stream_reader]") {
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    const std::uint64_t before_ns = wall_clock_ns();
    {
        const RunningRecorder recorder(recorded);
        REQUIRE(publish_numbered(publisher, 1, 0, kManyEvents));
    }
    REQUIRE(publish_numbered(publisher, 1, kManyEvents, 5));
    std::filesystem::rename(recorded.journal_directory(), recorded.journal_directory() + ".away");
    for (const bus::SlowPolicy policy : {bus::SlowPolicy::observe, bus::SlowPolicy::gate}) {
        for (const Position from : {Position::start(),
                                    Position::at(1),
                                    Position::after_start(1),
                                    Position::before_end(kManyEvents),
                                    Position::at_time(before_ns),
                                    Position::ago(std::uint64_t{3600} * 1'000'000'000)}) {
            CAPTURE(static_cast<int>(from.kind));
            const auto reader =
                StreamReader::attach(recorded.stream().name(), reading(recorded, from, policy));
            REQUIRE_FALSE(reader);
            CHECK(reader.error().code == ErrorCode::not_found);
            CHECK(reader.error().message.find("has left the ring") != std::string::npos);
        }
        // What the ring has needs no journal.
        for (const Position from : {Position::at(kManyEvents), Position::before_end(5)}) {
            auto reader = reader_of(recorded, from, policy);
            CHECK(read_to(reader, kManyEvents + 5).sequences.size() == 5);
        }
    }
}

TEST_CASE("stream reader: a stream that has all its events in the ring needs no journal for them",
          "[stream][stream_reader]") {
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    {
        const RunningRecorder recorder(recorded);
        REQUIRE(publish_numbered(publisher, 1, 0, 10));
    }
    std::filesystem::rename(recorded.journal_directory(), recorded.journal_directory() + ".away");
    for (const Position from :
         {Position::start(), Position::before_end(100), Position::at_time(1)}) {
        auto reader = reader_of(recorded, from, bus::SlowPolicy::observe);
        CHECK(read_to(reader, 10).sequences.size() == 10);
    }
}

TEST_CASE("stream reader: when the ring was made anew meanwhile it reads the old one to its end",
          "[stream][stream_reader]") {
    const Watchdog watchdog("stream reader of a removed ring");
    const RecordedStream recorded;
    std::optional<StreamReader> reader;
    std::optional<bus::Publisher> publisher = recorded.stream().publisher();
    {
        const RunningRecorder recorder(recorded);
        REQUIRE(publish_numbered(*publisher, 1, 0, kManyEvents));
        reader = reader_of(recorded, Position::start());
        REQUIRE(reader->poll([](const Event&) {}, 5).events == 5);
    }
    // Nobody records these: the old ring alone has them.
    REQUIRE(publish_numbered(*publisher, 1, kManyEvents, 50));
    publisher.reset();
    const std::string& rings = recorded.stream().directory();
    REQUIRE(bus::Region::unlink("stream", true, rings));
    bus::StreamOptions anew = small_stream();
    anew.first_sequence = kManyEvents;
    anew.journal_directory = recorded.journal_directory();
    REQUIRE(bus::Region::create("stream", anew, rings));
    {
        const RunningRecorder recorder(recorded);
        auto other = recorded.stream().publisher();
        REQUIRE(publish_numbered(other, 2, 0, 100));
    }
    const Account account = read_to(*reader, kNoSequence);
    CHECK(is_whole(account, 5, kManyEvents + 50));
    CHECK(account.last == bus::PollState::closed);
}

TEST_CASE(
    "stream reader: a removed stream whose end never became durable ends for who waits for it",
    "[stream][stream_reader]") {
    const Watchdog watchdog("stream reader of what is never durable");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    StreamReaderOptions options = reading(recorded, Position::start(), bus::SlowPolicy::gate);
    options.limit = ReadLimit::durable;
    std::optional<StreamReader> reader;
    {
        const RunningRecorder recorder(recorded);
        REQUIRE(publish_numbered(publisher, 1, 0, 10));
        reader = expect(try_attach(recorded, options), "attach the reader");
    }
    REQUIRE(publish_numbered(publisher, 1, 10, 20));
    REQUIRE(bus::Region::unlink("stream", true, recorded.stream().directory()));
    Account account;
    do {
        const auto result = reader->poll_until(
            [&](const Event& event) { take(account, event); }, 64, bus::Deadline::in_ms(1000));
        account.last = result.state;
        if (result.state == bus::PollState::gap) account.gaps.push_back(reader->last_gap());
    } while (account.last != bus::PollState::closed);
    CHECK(account.sequences.size() == 10);
    REQUIRE(account.gaps.size() == 1);
    CHECK(account.gaps[0].first == 10);
    CHECK(account.gaps[0].count == 20);
}

TEST_CASE("stream reader: a filter that nothing passes doesn't hold up the clock",
          "[stream][stream_reader]") {
    const Watchdog watchdog("stream reader that wants nothing");
    const RecordedStream recorded;
    const RunningRecorder recorder(recorded);
    auto publisher = recorded.stream().publisher();
    constexpr std::uint64_t kPublished = 20'000;
    REQUIRE(publish_numbered(publisher, 1, 0, kPublished));
    StreamReaderOptions options = reading(recorded, Position::start());
    options.filter.add_type(77);
    auto reader = expect(try_attach(recorded, options), "attach the reader");
    // A part at a time, so that somebody may look at a clock in between.
    std::uint64_t polls = 0;
    while (reader.next_sequence() < kPublished) {
        const Sequence before = reader.next_sequence();
        const auto result = reader.poll([](const Event&) {}, 64);
        REQUIRE(result.events == 0);
        REQUIRE(result.state <= bus::PollState::idle);
        CHECK(reader.next_sequence() - before <= 2 * 4096);
        ++polls;
    }
    CHECK(polls >= kPublished / 8192);
    CHECK(reader.poll_until([](const Event&) {}, 0, bus::Deadline::in_ms(1)).events == 0);
}

TEST_CASE("stream reader: filters, tombstones and limits count the same in journal and ring",
          "[stream][stream_reader]") {
    const Watchdog watchdog("stream reader filter");
    const RecordedStream recorded;
    const RunningRecorder recorder(recorded);
    auto publisher = recorded.stream().publisher();
    std::uint64_t published = 0;
    for (std::uint64_t number = 0; number < kManyEvents; ++number) {
        bus::Claim claim;
        REQUIRE(
            publisher.claim(claim, 8, static_cast<EventType>(number % 3), bus::Deadline::never()) ==
            bus::PublishStatus::ok);
        if (number % 7 == 0) {
            static_cast<void>(publisher.abort(claim));
            continue;
        }
        std::memcpy(claim.payload.data(), &number, sizeof(number));
        REQUIRE(publisher.commit(claim) == bus::PublishStatus::ok);
        if (number % 3 == 1) ++published;
    }
    StreamReaderOptions options = reading(recorded, Position::start());
    options.filter.add_type(1);
    auto reader = expect(try_attach(recorded, options), "attach the reader");
    std::uint64_t read = 0;
    std::uint64_t wrong = 0;
    while (reader.next_sequence() < kManyEvents) {
        const auto result = reader.poll_until(
            [&](const Event& event) {
                ++read;
                if (event.as<std::uint64_t>() != event.sequence() || event.type() != 1) ++wrong;
            },
            5,
            bus::Deadline::in_ms(1000));
        REQUIRE(result.events <= 5);
        if (result.events == 0) break;
    }
    CHECK(read == published);
    CHECK(wrong == 0);
}

TEST_CASE("stream reader: positions that are counted or timed don't begin inside an atomic batch",
          "[stream][stream_reader]") {
    const Watchdog watchdog("stream reader atomic");
    constexpr std::uint32_t kLength = 40;
    const RecordedStream recorded;
    const RunningRecorder recorder(recorded);
    auto publisher = recorded.stream().publisher();
    const std::vector<std::uint32_t> sizes_bytes(kLength, 8);
    for (std::uint64_t number = 0; number < kManyEvents; number += kLength) {
        bus::BatchClaim batch;
        while (publisher.try_claim_batch(batch, sizes_bytes) == bus::PublishStatus::would_block)
            std::this_thread::yield();
        for (std::uint64_t index = number; index < number + kLength; ++index)
            std::memcpy(batch.next().data(), &index, sizeof(index));
        REQUIRE(publisher.commit(batch) == bus::PublishStatus::ok);
    }
    for (const std::uint64_t back : {std::uint64_t{1},
                                     std::uint64_t{40},
                                     std::uint64_t{41},
                                     std::uint64_t{2'003},
                                     kManyEvents - 1}) {
        const auto reader = reader_of(recorded, Position::before_end(back));
        CHECK(reader.next_sequence() == (kManyEvents - back) / kLength * kLength);
    }
    // What was asked for exactly is given exactly.
    CHECK(reader_of(recorded, Position::at(61)).next_sequence() == 61);
}

TEST_CASE("stream reader: retention that overtakes it is told as a gap",
          "[stream][stream_reader]") {
    const Watchdog watchdog("stream reader beside retention");
    const RecordedStream recorded;
    RecorderOptions options = recorded.options();
    options.journal.retain_size_bytes = std::uint64_t{2} << 20U;
    const RunningRecorder recorder(recorded, options);
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, 1000));
    auto reader = reader_of(recorded, Position::start());
    Account account;
    REQUIRE(reader.poll([&](const Event& event) { take(account, event); }, 5).events == 5);
    constexpr std::uint64_t kPublished = 60'000;  // some eight segments
    REQUIRE(publish_numbered(publisher, 1, 1000, kPublished - 1000));

    const Account rest = read_to(reader, kPublished);
    CHECK(rest.torn + rest.wrong_number == 0);
    REQUIRE(rest.gaps.size() == 1);
    CHECK(5 + rest.sequences.size() + rest.gaps[0].count == kPublished);
    CHECK(rest.sequences.back() == kPublished - 1);
}

TEST_CASE("stream reader: a journal alone is read to its end, and on when more comes",
          "[stream][stream_reader]") {
    const Watchdog watchdog("stream reader of a journal");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    auto recorder = recorded.recorder();
    REQUIRE(publish_numbered(publisher, 1, 0, 300));
    REQUIRE(record_all(recorder, publisher.region()));

    StreamReaderOptions options;
    options.from = Position::after_start(10);
    auto reader = expect(StreamReader::open_journal(recorded.journal_directory(), options), "open");
    Account account = read_to(reader, kNoSequence);
    CHECK(account.last == bus::PollState::closed);
    CHECK(is_whole(account, 10, 300));
    REQUIRE(publish_numbered(publisher, 1, 300, 50));
    REQUIRE(record_all(recorder, publisher.region()));
    account = read_to(reader, kNoSequence);
    CHECK(is_whole(account, 300, 350));

    options.from = Position::before_end(5);
    CHECK(expect(StreamReader::open_journal(recorded.journal_directory(), options), "open")
              .next_sequence() == 345);
    CHECK_FALSE(StreamReader::open_journal(recorded.stream().directory() + "/none", options));
}

TEST_CASE("stream reader: another stream's journal is not read in its place",
          "[stream][stream_reader]") {
    const Watchdog watchdog("stream reader of a foreign journal");
    const RecordedStream other;
    {
        const RunningRecorder recorder(other);
        auto publisher = other.stream().publisher();
        REQUIRE(publish_numbered(publisher, 1, 0, 1000));
    }
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, kManyEvents));
    StreamReaderOptions options = reading(recorded, Position::at(0), bus::SlowPolicy::observe);
    options.journal_directory = other.journal_directory();
    auto reader = try_attach(recorded, options);
    REQUIRE(reader);
    const Account account = read_to(*reader, kManyEvents);
    CHECK(account.sequences.empty());
    CHECK(account.last == bus::PollState::failed);
    CHECK(reader->error().code == ErrorCode::stale);
}

TEST_CASE("stream reader: polling inside its own handler is refused, in the journal too",
          "[stream][stream_reader]") {
    const Watchdog watchdog("stream reader in its handler");
    const RecordedStream recorded;
    const RunningRecorder recorder(recorded);
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, kManyEvents));
    for (const Position from : {Position::start(), Position::before_end(3)}) {
        auto reader = reader_of(recorded, from);
        bus::PollState inside = bus::PollState::ok;
        REQUIRE(
            reader
                .poll([&](const Event&) { inside = reader.poll([](const Event&) {}, 1).state; }, 1)
                .events == 1);
        CHECK(inside == bus::PollState::in_handler);
        // One that throws gets its event again.
        const Sequence next = reader.next_sequence();
        CHECK_THROWS(reader.poll([](const Event&) { throw 1; }, 1));
        std::optional<Sequence> again;
        static_cast<void>(reader.poll([&](const Event& event) { again = event.sequence(); }, 1));
        CHECK(again == next);
    }
}

TEST_CASE("stream reader: one that was moved from, or is a parent's, refuses",
          "[stream][stream_reader]") {
    const Watchdog watchdog("stream reader dead");
    const RecordedStream recorded;
    const RunningRecorder recorder(recorded);
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, kManyEvents));
    for (const Position from : {Position::start(), Position::end()}) {
        auto reader = reader_of(recorded, from);
        StreamReader moved(std::move(reader));
        // NOLINTNEXTLINE(bugprone-use-after-move): that is what is asked
        CHECK(reader.poll([](const Event&) {}, 1).state == bus::PollState::dead_handle);
        CHECK(moved.poll([](const Event&) {}, 1).state <= bus::PollState::idle);
    }
}

}  // namespace stream_reader_test
