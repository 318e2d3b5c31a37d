// The recorder of a stream with `--journal-missing hold` is killed at random instants, and between
// the stores that move what publishers are held at, under publishers at full speed, on the smallest
// ring; each time they stop within a ring. The journal has every event in order, and a reader that
// spills beside it is never told a gap.
#include "stream/recorded_stream.hpp"
#include "support/child_process.hpp"
#include "support/pause.hpp"
#include "support/seeded_random.hpp"
#include "support/shared_object.hpp"
#include "support/step_script.hpp"
#include "support/test_length.hpp"
#include "support/watchdog.hpp"

#include <tailrace/stream/stream_reader.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <atomic>

namespace hold_killed {

namespace {

using namespace tailrace;
using namespace tailrace::stream;
using namespace tailrace::test;

constexpr std::uint32_t kPublishers = 2;
constexpr std::uint64_t kMostPauseNs = 3'000'000;
constexpr std::array kSteps{"journal_board.hold_noted", "journal_board.hold_moved"};

struct Stage {
    std::atomic<bool> stop;
    std::atomic<bool> stop_recording;
    std::array<std::atomic<std::uint64_t>, kPublishers> published;
    std::atomic<Sequence> read_until;  // 0: not yet known
    std::atomic<std::uint64_t> read;
    std::atomic<std::uint64_t> spills;
};

bus::StreamOptions holding() {
    bus::StreamOptions options = small_stream();
    options.journal_directory = "/nowhere";  // the recorder is told where
    options.journal_missing = bus::JournalMissing::hold;
    return options;
}

int publish(Stage& stage, const RecordedStream& recorded, std::uint32_t id) {
    auto publisher = recorded.stream().publisher();
    while (!stage.stop.load()) {
        const std::uint64_t number = stage.published[id].load();
        if (publish_numbered(publisher, id, number, 1, bus::Deadline::in_ms(10)))
            stage.published[id].store(number + 1);
    }
    return 0;
}

int record(const Stage& stage, const RecordedStream& recorded) {
    auto recorder = recorded.try_record();
    if (!recorder) {
        std::fprintf(stderr, "record: %s\n", recorder.error().message.c_str());
        return 1;
    }
    return recorder->run(stage.stop_recording) ? 0 : 1;
}

int read(Stage& stage, const RecordedStream& recorded) {
    StreamReaderOptions options;
    options.from = Position::at(0);
    options.bus_directory = recorded.stream().directory();
    options.journal_directory = recorded.journal_directory();
    auto reader = StreamReader::attach(recorded.stream().name(), options);
    if (!reader) {
        std::fprintf(stderr, "read: %s\n", reader.error().message.c_str());
        return 1;
    }
    std::array<std::uint64_t, kPublishers> next{};
    bool in_order = true;
    for (;;) {
        const Sequence end = stage.read_until.load();
        if (end != 0 && reader->next_sequence() >= end) break;
        const auto result = reader->poll_until(
            [&](const Event& event) {
                const auto numbered = read_numbered(event.payload());
                in_order = in_order && numbered && numbered->number == next[numbered->publisher]++;
                stage.read.fetch_add(1);
            },
            64,
            bus::Deadline::in_ms(5));
        if (result.state >= bus::PollState::gap) {
            std::fprintf(stderr,
                         "read: state %d, gap of %llu from %llu, %s\n",
                         static_cast<int>(result.state),
                         static_cast<unsigned long long>(reader->last_gap().count),
                         static_cast<unsigned long long>(reader->last_gap().first),
                         reader->error().message.c_str());
            return 2;
        }
    }
    stage.spills.store(reader->spill_count());
    return in_order ? 0 : 3;
}

// Until every publisher has been refused and the tail has stood still in between.
void wait_for_standstill(const bus::Region& region) {
    wait_until([&] {
        const std::uint64_t before = region.tail().position;
        for (std::uint32_t slot = 0; slot < kPublishers; ++slot) {
            const auto& statistics = region.publisher_slot(slot).statistics;
            const std::uint64_t refused = statistics.refused_claims.load();
            wait_until([&] { return statistics.refused_claims.load() > refused + 1; });
        }
        return region.tail().position == before;
    });
}

}  // namespace

TEST_CASE("journal hold: publishers stop within a ring of a killed recorder, and nothing is lost",
          "[crash][journal_hold]") {
    const Watchdog watchdog("hold killed", 880);
    SeededRandom random("hold killed");
    const RecordedStream recorded(holding());
    SharedObject<Stage> stage;
    std::vector<ChildProcess> publishers;
    for (std::uint32_t id = 0; id < kPublishers; ++id)
        publishers.emplace_back([&, id] { return publish(*stage, recorded, id); });
    ChildProcess reader([&] { return read(*stage, recorded); });
    const auto region = recorded.stream().open();
    // Never recorded.
    wait_for_standstill(*region);
    CHECK(region->tail().position <= region->capacity_bytes());

    const int kills = static_cast<int>(test_length(60, 2'000, "TAILRACE_KILLS"));
    int killed = 0;
    std::array<int, kSteps.size()> killed_at{};
    std::uint64_t overrun = 0;
    for (int round = 0; round < kills && !reader.has_ended(); ++round) {
        const bool dies_at_step = round % 3 == 1;
        const std::uint64_t step = random.below(kSteps.size());
        const unsigned nth = 1 + static_cast<unsigned>(random.below(20));
        ChildProcess recorder([&] {
            StepScript script;
            if (dies_at_step) script.die_at(kSteps[step], nth);
            return record(*stage, recorded);
        });
        if (dies_at_step) {
            wait_until([&] { return recorder.has_ended(); });
            ++killed_at[step];
        } else if (round % 2 == 0) {
            const Sequence target = region->tail().sequence + random.below(3000);
            wait_until(
                [&] { return bus::durable_sequence(*region) > target || recorder.has_ended(); });
        }
        for (Pause pause(random.below(3000), kMostPauseNs); pause.goes_on();)
            ::sched_yield();
        if (recorder.kill().was_killed()) ++killed;
        if (random.one_in(3)) wait_for_standstill(*region);
        // The tail is read first: whoever records next moves the hold on.
        const std::uint64_t tail = region->tail().position;
        if (tail > bus::journal_hold(*region)->position + region->capacity_bytes()) ++overrun;
    }
    stage->stop.store(true);
    for (ChildProcess& publisher : publishers)
        CHECK(publisher.wait().exit_code == 0);
    ChildProcess last([&] { return record(*stage, recorded); });
    wait_until([&] {
        return bus::durable_sequence(*region) >= region->tail().sequence || last.has_ended();
    });
    stage->read_until.store(region->tail().sequence);
    CHECK(reader.wait().exit_code == 0);
    stage->stop_recording.store(true);
    CHECK(last.wait().exit_code == 0);

    CHECK(killed == kills);
    for (const int count : killed_at)
        CHECK(count > 0);
    CHECK(overrun == 0);
    const JournalContent content = read_journal(recorded.journal_directory());
    CHECK(content.torn == 0);
    CHECK(content.gaps.empty());
    CHECK(content.end_sequence == region->tail().sequence);
    CHECK(content.events.size() == stage->published[0] + stage->published[1]);
    CHECK(stage->read.load() == content.events.size());
    CHECK(stage->spills.load() > 0);
    CHECK(is_in_order(content));
}

}  // namespace hold_killed
