// A publisher, a recorder and a reader that spills and goes on by a cursor are killed at random
// instants and at named steps of the ring, again and again. Whatever the reader was given, told or
// passed over is compared with what the journal has in the end: nothing is missing without a word,
// nothing is called gone that is kept, nothing comes twice but the one event that its reader was
// killed at, and of an atomic batch the journal has all or nothing.
#include "stream/recorded_stream.hpp"
#include "support/child_process.hpp"
#include "support/pause.hpp"
#include "support/seeded_random.hpp"
#include "support/shared_object.hpp"
#include "support/step_script.hpp"
#include "support/test_length.hpp"
#include "support/watchdog.hpp"

#include <tailrace/journal/ledger.hpp>
#include <tailrace/stream/stream_reader.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <functional>
#include <set>
#include <span>
#include <string_view>
#include <vector>

namespace slide_killed {

namespace {

using namespace tailrace;
using namespace tailrace::stream;
using namespace tailrace::test;

constexpr Sequence kMostEvents = Sequence{64} << 20U;
constexpr std::uint64_t kMostPauseNs = 2'000'000;
constexpr std::size_t kWords = 8;
constexpr std::uint32_t kBatch = 3;  // events of an atomic batch

// Where one of the three may die: all that they pass while they work, but for those of cold starts
// that others kill at (tests/crash).
constexpr std::array kSteps = {
    "batch.event_prepared",
    "batch.first_stamped",
    "batch.marked_won",
    "cursor.asked",
    "cursor.made",
    "cursor.named",
    "cursor.taken",
    "file_lock.opened",
    "hole.claimant_dead",
    "hole.claimant_found",
    "hole.intent_sequence_read",
    "hole.not_committed",
    "joining.claim_found",
    "joining.end_read",
    "journal_board.durable_moved",
    "journal_board.locked",
    "journal_board.promise_renewed",
    "journal_board.promise_withdrawn",
    "journal_gaps.given_up",
    "journal_gaps.half_listed",
    "journal_gaps.listed",
    "keeper.began",
    "keeper.told",
    "publisher.checkpoint_noted",
    "publisher.filled",
    "publisher.gates_looked_at",
    "publisher.intent_cleared",
    "publisher.intent_noted",
    "publisher.intent_position_noted",
    "publisher.readers_looked_at",
    "publisher.room_answered",
    "publisher.room_asked",
    "publisher.room_wanted",
    "publisher.stamped",
    "publisher.swap_won",
    "publisher.tail_read",
    "publisher.write_limit_raised",
    "registry.dead_gate_dropped",
    "registry.slot_locked",
    "registry.slot_occupied",
    "rescue.intent_cleared",
    "rescue.judged_dead",
    "rescue.tombstones_written",
    "sleep.announced",
    "sleep.not_ready",
    "sleep.wakes_read",
    "subscriber.copied",
    "subscriber.gate_dropped",
    "subscriber.gate_moved",
    "subscriber.gate_registered",
    "subscriber.header_read",
    "subscriber.hole_judged_dead",
    "subscriber.place_found",
    "subscriber.place_held",
    "subscriber.starting",
    "tombstone.written",
    "wake.counted",
    "wake.flag_lowered",
};
// Without these the story would be about something else.
constexpr std::array kSurelyPassed = {
    "batch.event_prepared",
    "batch.first_stamped",
    "cursor.taken",
    "publisher.intent_noted",
    "publisher.stamped",
    "publisher.swap_won",
    "registry.slot_occupied",
    "subscriber.copied",
};

// What became of a sequence, for the reader.
enum class Fate : std::uint8_t { passed, delivered, told };

struct Stage {
    std::atomic<bool> stop_publishing;
    std::atomic<bool> stop_recording;
    std::atomic<Sequence> read_until;       // the reader ends there; 0: not yet known
    std::atomic<Sequence> handled;          // behind the last event that was handed over
    std::atomic<std::uint64_t> wrong;       // bytes, order, or a gap that begins elsewhere
    std::atomic<std::uint64_t> again;       // delivered in an earlier life already
    std::atomic<std::uint64_t> in_journal;  // times that it began or went on there
    std::array<std::atomic<Fate>, kMostEvents> fates;
    std::array<std::atomic<bool>, kMostEvents> committing;
    std::array<std::atomic<bool>, kMostEvents> begins_batch;
    std::array<std::atomic<std::uint32_t>, kSteps.size()> deaths;  // at each step
};

// A life that ends at one of the steps, if it passes that so often before somebody kills it.
ChildProcess live(Stage& stage, SeededRandom& random, const std::function<int()>& role) {
    const std::size_t step = random.below(kSteps.size());
    const unsigned nth = 1 + static_cast<unsigned>(random.below(random.one_in(2) ? 3 : 200));
    return ChildProcess([&, step, nth] {
        StepScript script;
        script.at(kSteps[step], nth, [&] {
            stage.deaths[step].fetch_add(1);
            die_here();
        });
        return role();
    });
}

using Words = std::array<std::uint64_t, kWords>;

Words words_of(Sequence sequence) {
    Words words{};
    for (std::size_t index = 0; index < words.size(); ++index)
        words[index] = numbered_hash(sequence * kWords + index);
    return words;
}

void fill(Stage& stage, std::span<std::byte> payload, Sequence sequence) {
    const Words words = words_of(sequence);
    std::memcpy(payload.data(), words.data(), sizeof(words));
    stage.committing[sequence].store(true);
}

bus::PublishStatus publish_one(Stage& stage, bus::Publisher& publisher, bus::Deadline deadline) {
    bus::Claim claim;
    const auto status = publisher.claim(claim, sizeof(Words), 0, deadline);
    if (status != bus::PublishStatus::ok) return status;
    fill(stage, claim.payload, claim.sequence);
    return publisher.commit(claim);
}

bus::PublishStatus publish_batch(Stage& stage, bus::Publisher& publisher, bus::Deadline deadline) {
    bus::BatchClaim batch;
    const auto status = publisher.claim(batch, kBatch, sizeof(Words), 0, deadline);
    if (status != bus::PublishStatus::ok) return status;
    const Sequence first = batch.first_sequence();
    stage.begins_batch[first].store(true);
    for (Sequence sequence = first; sequence < first + kBatch; ++sequence)
        fill(stage, batch.next(), sequence);
    return publisher.commit(batch);
}

int publish(Stage& stage, const RecordedStream& recorded) {
    auto publisher = recorded.stream().publisher();
    SeededRandom random(static_cast<std::uint64_t>(::getpid()));
    while (!stage.stop_publishing.load()) {
        // A handful, or more than the ring holds.
        for (std::uint64_t left = 1 + random.below(random.one_in(4) ? 1500 : 40); left > 0;
             --left) {
            if (publisher.region().tail().sequence + 2000 >= kMostEvents) return 0;
            const auto deadline = bus::Deadline::in_ms(20'000);
            const auto status = random.one_in(4) ? publish_batch(stage, publisher, deadline)
                                                 : publish_one(stage, publisher, deadline);
            if (status != bus::PublishStatus::ok) return 1;
        }
        ::usleep(1000);
    }
    return 0;
}

int record(Stage& stage, const RecordedStream& recorded) {
    auto recorder = recorded.try_record();
    if (!recorder) {
        std::fprintf(stderr, "record: %s\n", recorder.error().message.c_str());
        return 1;
    }
    return recorder->run(stage.stop_recording) ? 0 : 1;
}

// Where the last one was killed.
Result<StreamReader> go_on(const RecordedStream& recorded) {
    StreamReaderOptions options;
    options.bus_directory = recorded.stream().directory();
    options.without_recorder = true;
    options.cursor = "killed";
    options.new_cursor_at = Position::start();
    options.commit = CommitMode::per_event;
    return StreamReader::attach(recorded.stream().name(), options);
}

void take(Stage& stage, const Event& event) {
    const Sequence sequence = event.sequence();
    const Words words = words_of(sequence);
    const bool is_whole = event.size_bytes() == sizeof(words) &&
                          std::memcmp(event.payload().data(), words.data(), sizeof(words)) == 0;
    if (!is_whole || sequence + 1 < stage.handled.load()) stage.wrong.fetch_add(1);
    if (stage.fates[sequence].exchange(Fate::delivered) == Fate::delivered)
        stage.again.fetch_add(1);
    stage.handled.store(sequence + 1);
}

void note_gap(Stage& stage, bus::Gap gap) {
    if (gap.first + 1 < stage.handled.load()) stage.wrong.fetch_add(1);
    for (Sequence sequence = gap.first; sequence < gap.first + gap.count; ++sequence)
        stage.fates[sequence].store(Fate::told);
}

int read(Stage& stage, const RecordedStream& recorded) {
    auto reader = go_on(recorded);
    if (!reader) {
        std::fprintf(stderr, "read: %s\n", reader.error().message.c_str());
        return 1;
    }
    if (reader->source() == Source::journal) stage.in_journal.fetch_add(1);
    SeededRandom random(static_cast<std::uint64_t>(::getpid()));
    for (;;) {
        const Sequence end = stage.read_until.load();
        if (end != 0 && reader->next_sequence() >= end) return 0;
        const std::uint64_t spills = reader->spill_count();
        const auto result = reader->poll_until([&](const Event& event) { take(stage, event); },
                                               1 + random.below(64),
                                               bus::Deadline::in_ms(10));
        stage.in_journal.fetch_add(reader->spill_count() - spills);
        if (result.state == bus::PollState::gap) note_gap(stage, reader->last_gap());
        if (result.state > bus::PollState::gap) {
            std::fprintf(stderr, "read: %s\n", reader->error().message.c_str());
            return 1;
        }
        if (random.one_in(8)) ::usleep(2000);  // so that publishers leave it behind
    }
}

// What the journal has of each sequence.
enum class Kept : std::uint8_t { nothing, event, tombstone };

std::vector<Kept> kept_by(const std::string& directory) {
    std::vector<Kept> kept;
    auto reader = expect(journal::Reader::open(directory), "open the journal");
    kept.resize(reader.first_sequence(), Kept::nothing);
    for (;;) {
        auto step = expect(reader.next_batch(), "read the journal");
        if (step.kind == journal::ReadKind::end) return kept;
        if (step.kind == journal::ReadKind::gap) kept.resize(kept.size() + step.gap.count);
        if (step.kind != journal::ReadKind::event) continue;
        for (const Event& event : step.batch)
            kept.push_back(event.is_tombstone() ? Kept::tombstone : Kept::event);
    }
}

// Atomic batches of which it has a part.
std::uint64_t half_batches(const Stage& stage, const std::vector<Kept>& kept) {
    std::uint64_t half = 0;
    for (Sequence first = 0; first < kept.size(); ++first) {
        if (!stage.begins_batch[first].load()) continue;
        for (Sequence sequence = first + 1; sequence < first + kBatch; ++sequence) {
            if (sequence < kept.size() && kept[sequence] == kept[first]) continue;
            ++half;
            break;
        }
    }
    return half;
}

}  // namespace

TEST_CASE(
    "stream reader: publisher, recorder and reader are killed, and each event is accounted for",
    "[crash][stream_reader]") {
    const Watchdog watchdog("slide killed", 880);
    SeededRandom random("slide killed");
    const RecordedStream recorded;
    REQUIRE(recorded.recorder().close());  // there is a journal from the beginning
    SharedObject<Stage> stage;
    const auto region = recorded.stream().open();
    const std::array<std::function<int()>, 3> roles = {
        [&] { return publish(*stage, recorded); },
        [&] { return record(*stage, recorded); },
        [&] { return read(*stage, recorded); },
    };
    constexpr std::size_t kPublisher = 0;
    std::array<ChildProcess, 3> children;
    for (std::size_t role = 0; role < roles.size(); ++role)
        children[role] = live(*stage, random, roles[role]);

    const int kills = static_cast<int>(test_length(90, 10'000, "TAILRACE_KILLS"));
    int killed = 0;
    std::uint64_t publishers_killed = 0;
    for (int round = 0; round < kills; ++round) {
        for (Pause pause(random.below(4000), kMostPauseNs); pause.goes_on();)
            ::sched_yield();
        const std::size_t role = random.below(roles.size());
        if (children[role].kill().was_killed()) ++killed;
        if (role == kPublisher) ++publishers_killed;
        children[role] = live(*stage, random, roles[role]);
    }
    for (std::size_t role = 0; role < roles.size(); ++role) {
        if (children[role].kill().was_killed() && role == kPublisher) ++publishers_killed;
        children[role] = ChildProcess(roles[role]);
    }
    // All of it becomes durable, and is read.
    stage->stop_publishing.store(true);
    CHECK(children[kPublisher].wait().exit_code == 0);
    wait_until([&] {
        return bus::durable_sequence(*region) >= region->tail().sequence || children[1].has_ended();
    });
    stage->read_until.store(region->tail().sequence);
    CHECK(children[2].wait().exit_code == 0);
    stage->stop_recording.store(true);
    CHECK(children[1].wait().exit_code == 0);
    const auto ledger = expect(journal::read_ledger(recorded.journal_directory()), "read");
    REQUIRE(ledger.find("killed") != nullptr);
    CHECK(ledger.find("killed")->sequence == stage->handled.load());

    CHECK(killed == kills);
    std::uint32_t at_steps = 0;
    std::set<std::string_view> passed;
    for (std::size_t step = 0; step < kSteps.size(); ++step) {
        const std::uint32_t deaths = stage->deaths[step].load();
        at_steps += deaths;
        if (deaths != 0) passed.insert(kSteps[step]);
    }
    std::printf("%d kills, %u of them at %zu named steps\n", killed, at_steps, passed.size());
    if (kills >= 2'000) {
        for (const char* const step : kSurelyPassed) {
            CAPTURE(step);
            CHECK(passed.contains(step));
        }
    }
    CHECK(stage->wrong.load() == 0);
    // The one that it was killed at, between its handler and its cursor.
    CHECK(stage->again.load() <= static_cast<std::uint64_t>(kills));
    CHECK(stage->in_journal.load() > 0);
    const std::vector<Kept> kept = kept_by(recorded.journal_directory());
    CHECK(kept.size() == region->tail().sequence);
    std::uint64_t lost_unsaid = 0;
    std::uint64_t called_gone = 0;
    std::uint64_t out_of_nothing = 0;
    std::uint64_t unknown = 0;  // neither journaled nor told, though somebody meant to commit it
    for (Sequence sequence = 0; sequence < kept.size(); ++sequence) {
        const Fate fate = stage->fates[sequence].load();
        if (kept[sequence] == Kept::event && fate == Fate::passed) ++lost_unsaid;
        if (kept[sequence] == Kept::event && fate == Fate::told) ++called_gone;
        if (kept[sequence] == Kept::tombstone && fate == Fate::delivered) ++out_of_nothing;
        if (kept[sequence] == Kept::nothing && fate == Fate::passed &&
            stage->committing[sequence].load()) {
            ++unknown;
        }
    }
    CHECK(lost_unsaid == 0);
    CHECK(called_gone == 0);
    CHECK(out_of_nothing == 0);
    CHECK(unknown <= kBatch * publishers_killed);  // it died between the mark and the commit
    CHECK(half_batches(*stage, kept) == 0);
}

}  // namespace slide_killed
