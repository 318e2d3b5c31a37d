#include "stream/recorded_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/stream/replayer.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace replay_test {

namespace {

using namespace tailrace;
using namespace tailrace::test;

class ListSink final : public stream::ReplaySink {
public:
    Result<stream::SinkAnswer> on_event(const Event& event) override {
        sequences.push_back(event.sequence());
        return sequences.size() < most_events ? stream::SinkAnswer::more : last_answer;
    }
    Result<bool> on_gap(journal::Gap gap) override {
        gaps.push_back(gap);
        return true;
    }

    Result<void> on_end() override {
        has_ended = true;
        return {};
    }

    std::vector<Sequence> sequences;
    std::vector<journal::Gap> gaps;
    bool has_ended = false;
    std::size_t most_events = SIZE_MAX;
    stream::SinkAnswer last_answer = stream::SinkAnswer::enough;
};

// A journal of `count` numbered events of publisher 1.
void record_numbered(const RecordedStream& recorded, std::uint64_t count) {
    auto publisher = recorded.stream().publisher();
    auto recorder = recorded.recorder();
    REQUIRE(publish_numbered(publisher, 1, 0, count));
    REQUIRE(record_all(recorder, publisher.region()));
    REQUIRE(recorder.close());
}

stream::ReplayReport replay_all(const RecordedStream& recorded,
                                stream::ReplaySink& sink,
                                const stream::ReplayOptions& options,
                                Sequence from = 0) {
    auto reader = expect(journal::Reader::open(recorded.journal_directory()), "open");
    static_cast<void>(expect(Result<bool>(reader.seek_sequence(from).has_value()), "seek"));
    const std::atomic<bool> stop{false};
    return expect(stream::replay(reader, sink, options, stop), "replay");
}

TEST_CASE("replay: half-open ranges by sequence", "[stream][replay]") {
    const Watchdog watchdog("replay range");
    const RecordedStream recorded;
    record_numbered(recorded, 100);
    stream::ReplayOptions options;
    options.speed = 0;
    options.to_sequence = 60;
    ListSink sink;

    const auto report = replay_all(recorded, sink, options, 40);

    REQUIRE(sink.sequences.size() == 20);
    CHECK(sink.sequences.front() == 40);
    CHECK(sink.sequences.back() == 59);
    CHECK(report.events == 20);
    CHECK(report.first_sequence == 40);
    CHECK(report.next_sequence == 60);
    CHECK_FALSE(report.stopped);
}

TEST_CASE("replay: the sink may stop it", "[stream][replay]") {
    const Watchdog watchdog("replay stop");
    const RecordedStream recorded;
    record_numbered(recorded, 100);
    stream::ReplayOptions options;
    options.speed = 0;
    ListSink sink;
    sink.most_events = 7;
    // The last one is taken, and counts; one that is refused doesn't.
    sink.last_answer = GENERATE(stream::SinkAnswer::enough, stream::SinkAnswer::refused);
    const std::uint64_t taken = sink.last_answer == stream::SinkAnswer::enough ? 7 : 6;

    const auto report = replay_all(recorded, sink, options);

    CHECK(sink.sequences.size() == 7);
    CHECK(report.stopped);
    CHECK(report.events == taken);
    CHECK(report.next_sequence == taken);
}

TEST_CASE(
    "replay: into a stream gives the same payloads and types, with the original time as event time",
    "[stream][replay]") {
    const Watchdog watchdog("replay into a stream");
    const RecordedStream recorded;
    record_numbered(recorded, 200);
    bus::StreamOptions roomy = small_stream();
    roomy.capacity_bytes = std::uint64_t{1} << 20U;
    const TestStream target(roomy);
    stream::StreamSink sink(target.publisher());
    stream::ReplayOptions options;
    options.speed = 0;

    const auto report = replay_all(recorded, sink, options);

    CHECK(report.events == 200);
    std::uint64_t number = 0;
    bool same = true;
    auto subscriber = target.subscriber();
    const auto polled = subscriber.poll(
        [&](const Event& event) {
            const auto numbered = read_numbered(event.payload());
            same = same && numbered && numbered->number == number++ && event.type() == 1 &&
                   event.event_time_ns() != 0 && event.event_time_ns() <= event.publish_time_ns();
        },
        1000);
    CHECK(polled.events == 200);
    CHECK(same);
}

TEST_CASE("replay: into a stream an atomic batch stays one", "[stream][replay]") {
    const Watchdog watchdog("replay of batches");
    const RecordedStream recorded;
    {
        auto publisher = recorded.stream().publisher();
        auto recorder = recorded.recorder();
        const std::array<std::string, 3> texts = {"one", "another", ""};
        std::vector<bus::BatchEvent> events;
        for (const std::string& text : texts) {
            bus::EventFields fields;
            fields.type = static_cast<EventType>(10 + events.size());
            fields.event_time_ns = 77;
            fields.key = events.size();
            fields.has_key = events.size() != 1;
            events.push_back({std::as_bytes(std::span(text)), fields});
        }
        for (int batch = 0; batch < 4; ++batch) {
            REQUIRE(publisher.publish_mixed_batch(events) == bus::PublishStatus::ok);
            REQUIRE(publisher.publish(std::as_bytes(std::span(texts[0])), 1) ==
                    bus::PublishStatus::ok);
        }
        REQUIRE(record_all(recorder, publisher.region()));
        REQUIRE(recorder.close());
    }
    const TestStream target;
    stream::StreamSink sink(target.publisher());
    stream::ReplayOptions options;
    options.speed = 0;
    options.to_sequence = 14;  // within the last batch

    const auto report = replay_all(recorded, sink, options);

    CHECK(report.events == 14);
    CHECK(sink.published_events() == 14);
    auto subscriber = target.subscriber();
    std::string shape;
    bool same = true;
    static_cast<void>(subscriber.poll(
        [&](const Event& event) {
            shape += (event.flags() & kBatchContinues) != 0 ? '-' : '.';
            const std::uint64_t place = event.sequence() % 4;
            if (place == 3) return;
            same = same && event.type() == 10 + place && event.event_time_ns() == 77 &&
                   ((event.flags() & kHasKey) != 0) == (place != 1) &&
                   (place == 1 || event.key() == place);
        },
        100));
    CHECK(shape == "--..--..--..-.");
    CHECK(same);
}

TEST_CASE("replay: under an identity what was published is dropped, however often it is begun",
          "[stream][replay]") {
    const Watchdog watchdog("replay under an identity");
    const RecordedStream recorded;
    {
        auto publisher = recorded.stream().publisher();
        auto recorder = recorded.recorder();
        const std::array<std::span<const std::byte>, 4> batch{};
        for (int turn = 0; turn < 3; ++turn)
            REQUIRE(publisher.publish_batch(batch) == bus::PublishStatus::ok);
        REQUIRE(record_all(recorder, publisher.region()));
        REQUIRE(recorder.close());
    }
    const TestStream target;
    const auto attach = [&] {
        const auto reader = expect(journal::Reader::open(recorded.journal_directory()), "open");
        bus::PublisherOptions options;
        options.directory = target.directory();
        options.identity = stream::replay_identity("rehearsal", reader);
        return expect(bus::Publisher::attach(target.name(), options), "attach");
    };
    stream::ReplayOptions options;
    options.speed = 0;
    // The range ends within the second batch; then comes what is left of it, and the third.
    const std::array<std::array<std::uint64_t, 3>, 4> turns = {
        {{6, 6, 0}, {6, 0, 6}, {12, 6, 6}, {12, 0, 12}}};
    for (const auto& [end, published, known] : turns) {
        options.to_sequence = end;
        stream::StreamSink sink(attach());
        sink.number_events();
        CHECK(replay_all(recorded, sink, options).events == end);
        CHECK(sink.published_events() == published);
        CHECK(sink.known_events() == known);
    }
    CHECK(attach().last_published() == 12);
    auto subscriber = target.subscriber();
    std::string shape;
    static_cast<void>(subscriber.poll(
        [&](const Event& event) { shape += event.continues_batch() ? '-' : '.'; }, 100));
    CHECK(shape == "---.-.-.---.");

    stream::StreamSink nobody(target.publisher());
    nobody.number_events();
    auto reader = expect(journal::Reader::open(recorded.journal_directory()), "open");
    const std::atomic<bool> stop{false};
    const auto refused = stream::replay(reader, nobody, options, stop);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::invalid_argument);
}

TEST_CASE("replay: a batch that is cut by a stop isn't published in part", "[stream][replay]") {
    const Watchdog watchdog("replay of half a batch");
    const TestStream target;
    stream::StreamSink sink(target.publisher());
    alignas(8) std::array<std::byte, 32> record{};
    const EventHeader header{0, 8, 1, kBatchContinues, 0};

    for (Sequence sequence = 5; sequence < 8; ++sequence)
        REQUIRE(sink.on_event(Event(sequence, header, record.data())));

    CHECK(sink.published_events() == 0);
    CHECK(target.open()->tail().sequence == 0);
    // A gap ends it: what is there is published, as one batch.
    REQUIRE(sink.on_gap({8, 2}));
    CHECK(sink.published_events() == 3);
    CHECK(target.open()->tail().sequence == 3);
}

TEST_CASE("replay: ranges by time that meet share no event and leave none out",
          "[stream][replay]") {
    const Watchdog watchdog("replay by time");
    const RecordedStream recorded;
    record_numbered(recorded, 300);
    const auto time_of = [&](Sequence sequence) {
        std::uint64_t time_ns = 0;
        auto reader = expect(journal::Reader::open(recorded.journal_directory()), "open");
        for (;;) {
            auto step = expect(reader.next_batch(), "read");
            if (step.kind != journal::ReadKind::event) return time_ns;
            for (const Event& event : step.batch) {
                if (event.sequence() == sequence) time_ns = event.publish_time_ns();
            }
        }
    };
    const std::uint64_t middle_ns = time_of(150);
    const auto count = [&](std::optional<std::uint64_t> from_ns,
                           std::optional<std::uint64_t> to_ns,
                           Sequence from) {
        auto reader = expect(journal::Reader::open(recorded.journal_directory()), "open");
        if (from_ns) {
            REQUIRE(reader.seek_time(*from_ns));
        } else {
            REQUIRE(reader.seek_sequence(from));
        }
        stream::ReplayOptions options;
        options.speed = 0;
        options.to_time_ns = to_ns;
        ListSink sink;
        const std::atomic<bool> stop{false};
        return expect(stream::replay(reader, sink, options, stop), "replay").events;
    };

    const std::uint64_t first = count({}, middle_ns, 0);
    CHECK(first <= 150);
    CHECK(first + count(middle_ns, {}, 0) == 300);
    // The journal had come to that time before.
    CHECK(count({}, middle_ns, 200) == 0);
    CHECK(count({}, middle_ns + 3'600'000'000'000, 200) == 100);
}

TEST_CASE(
    "replay: at its own pace it takes no less time than the recording, at ten times the tenth",
    "[stream][replay]") {
    const Watchdog watchdog("replay pace");
    const RecordedStream recorded;
    constexpr std::uint64_t kSpanNs = 60'000'000;
    {
        auto publisher = recorded.stream().publisher();
        auto recorder = recorded.recorder();
        REQUIRE(publish_numbered(publisher, 1, 0, 1));
        const std::uint64_t begin_ns = monotonic_ns();
        while (monotonic_ns() - begin_ns < kSpanNs)
            REQUIRE(recorder.step(1'000'000));
        REQUIRE(publish_numbered(publisher, 1, 1, 1));
        REQUIRE(record_all(recorder, publisher.region()));
        REQUIRE(recorder.close());
    }
    for (const double speed : {1.0, 10.0}) {
        stream::ReplayOptions options;
        options.speed = speed;
        ListSink sink;
        const auto report = replay_all(recorded, sink, options);
        CHECK(report.events == 2);
        // A millisecond for the publish clock's own error.
        CHECK(static_cast<double>(report.elapsed_ns) >= (kSpanNs - 1'000'000) / speed);
    }
    stream::ReplayOptions cut;
    cut.longest_pause_ns = 1'000'000;
    ListSink sink;
    CHECK(replay_all(recorded, sink, cut).events == 2);
}

// Says for each event in turn what is written there; behind that, the last of them.
class ScriptedPilot final : public stream::ReplayPilot {
public:
    explicit ScriptedPilot(std::vector<Course> script) : script_(std::move(script)) {}

    Course course(Sequence next) override {
        asked.push_back(next);
        return script_[std::min(asked.size(), script_.size()) - 1];
    }
    void nap(std::uint64_t /*longest_ns*/) override { ++naps; }

    std::vector<Sequence> asked;
    std::uint64_t naps = 0;

private:
    std::vector<Course> script_;
};

using Turn = stream::ReplayPilot::Turn;

TEST_CASE("replay: a pilot holds it, lets single events go and ends it", "[stream][replay]") {
    const Watchdog watchdog("replay with a pilot");
    const RecordedStream recorded;
    record_numbered(recorded, 100);
    ScriptedPilot pilot({{Turn::go, 0},
                         {Turn::hold, 0},
                         {Turn::hold, 1e-9},
                         {Turn::step, 1e-9},
                         {Turn::step, 1e-9},
                         {Turn::hold, 1e-9},
                         {Turn::go, 0},
                         {Turn::end, 0}});
    stream::ReplayOptions options;
    options.pilot = &pilot;
    ListSink sink;

    const auto report = replay_all(recorded, sink, options);

    CHECK(sink.sequences == std::vector<Sequence>{0, 1, 2, 3});
    CHECK(pilot.asked == std::vector<Sequence>{0, 1, 1, 1, 2, 3, 3, 4});
    CHECK(pilot.naps == 3);
    CHECK(report.stopped);
    CHECK(report.next_sequence == 4);
    CHECK_FALSE(sink.has_ended);
    // None of them had a due time by then, however long the holds were.
    CHECK(report.pace.events == 0);
}

TEST_CASE("replay: a pilot that lets it go changes nothing", "[stream][replay]") {
    const Watchdog watchdog("replay with an idle pilot");
    const RecordedStream recorded;
    record_numbered(recorded, 100);
    ScriptedPilot pilot({{Turn::go, 1e6}});
    stream::ReplayOptions options;
    options.pilot = &pilot;
    ListSink sink;

    const auto report = replay_all(recorded, sink, options);

    CHECK(report.events == 100);
    CHECK(report.pace.events == 99);
    CHECK_FALSE(report.stopped);
    CHECK(sink.has_ended);
}

TEST_CASE("replay: a pilot ends a wait for more, and a wait for room", "[stream][replay]") {
    const Watchdog watchdog("replay that a pilot ends");
    const RecordedStream recorded;
    record_numbered(recorded, 200);
    ScriptedPilot ends_at_once({{Turn::end, 0}});
    stream::ReplayOptions options;
    options.pilot = &ends_at_once;
    options.follow = true;
    ListSink sink;
    CHECK(replay_all(recorded, sink, options, 200).stopped);

    const TestStream target;
    const auto gate = target.subscriber();
    stream::StreamSink full(target.publisher());
    const std::atomic<bool> stop{false};
    full.stop_when(&stop, &ends_at_once);
    options.pilot = nullptr;
    options.follow = false;
    options.speed = 0;
    // Again and again, until the ring is full.
    std::uint64_t rounds = 0;
    while (!replay_all(recorded, full, options).stopped)
        ++rounds;
    CHECK(full.published_events() >= rounds * 200);
}

}  // namespace

}  // namespace replay_test
