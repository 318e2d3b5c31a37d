#include "crash_search.hpp"

#include <tailrace/base/check.hpp>

#include <algorithm>
#include <array>

namespace tailrace::journal {

namespace {

constexpr const char* kSearchDirectory = "/sim";
constexpr std::size_t kMostUnits = 12;
constexpr std::uint64_t kMaxSteps = 200;

// Recovers from every state that the stage's disk may be in after a cut now.
std::string search_endings(CrashStage& stage, CrashSearchCounts& counts) {
    stage.disk.cut();
    stage.writer.reset();
    stage.disk.faults.hold_completions = false;
    const std::size_t units = stage.disk.unflushed_units();
    const std::size_t names = stage.disk.unflushed_name_count();
    if (units > kMostUnits) return "too many unflushed sectors: " + std::to_string(units);
    ++counts.moments;
    counts.most_units = std::max(counts.most_units, units);
    counts.most_names = std::max(counts.most_names, names);
    Sequence highest = 0;
    for (std::size_t kept_names = 0; kept_names <= names; ++kept_names) {
        for (std::uint64_t kept = 0; kept < std::uint64_t{1} << units; ++kept) {
            SimulatedDisk disk(stage.disk);
            disk.power_on_with(kept, kept_names);
            ++counts.states;
            Sequence end = 0;
            const CrashedJournal journal{kSearchDirectory, &stage.appended, stage.acknowledged};
            std::string wrong = check_crash(disk, stage.ledger, journal, end);
            if (!wrong.empty()) {
                return wrong + " (sectors " + std::to_string(kept) + " of 2^" +
                       std::to_string(units) + ", names " + std::to_string(kept_names) + ")";
            }
            if (end < highest) ++counts.ends_differ;
            highest = std::max(highest, end);
        }
    }
    return {};
}

}  // namespace

CrashStage::CrashStage(std::uint64_t sector_bytes)
    : ledger(kSearchDirectory),
      around(simulated_environment(disk)),
      options(small_options(kSearchDirectory)) {
    disk.faults.sector_bytes = sector_bytes;
    disk.observer =
        [this](const std::string& path, std::uint64_t offset, std::span<const std::byte> bytes) {
            ledger.note(path, offset, bytes);
        };
    around.max_batch_size_bytes = 32U << 10;
    options.segment_size_bytes = kMinSegmentSizeBytes;
    options.segment_fill = SegmentFill::allocated;
    options.queue_depth = 8;
}

bool CrashStage::open() {
    writer.reset();
    auto opened = WriterCore::open(options, around);
    if (!opened) {
        TAILRACE_CHECK(disk.is_stopped());
        return false;
    }
    writer = std::move(*opened);
    appended.resize(writer->next_sequence());
    ledger.begin_life(writer->next_sequence());
    ++life;
    note_durable();
    return true;
}

void CrashStage::append_blocks(std::uint64_t blocks) {
    EventShape shape;
    shape.tag = life;
    shape.record_salt = kTestSalt + appended.size();  // another salt, another batch
    shape.payload_bytes = static_cast<std::uint32_t>(blocks * kBlockSizeBytes - 512);
    const EventRun events = make_events(writer->next_sequence(), 1, shape);
    const AppendResult taken = writer->append(events.run());
    appended.resize(appended.size() + taken.event_count, life);
}

void CrashStage::append_gap(std::uint64_t count) {
    if (writer->note_gap(writer->next_sequence(), count) != AppendStatus::taken) return;
    appended.resize(appended.size() + count, kGapTag);
}

void CrashStage::drive(int rounds) {
    for (int i = 0; i < rounds; ++i) {
        (void)writer->drive(1'000'000);
        note_durable();
    }
}

void CrashStage::note_durable() {
    acknowledged = std::max(acknowledged, writer->durable_sequence());
}

void CrashStage::settle() {
    TAILRACE_CHECK(writer->sync(kSecondNs).has_value());
    note_durable();
    disk.settle();
}

void CrashStage::kill(std::uint64_t arrival) {
    disk.faults.hold_completions = false;
    disk.kill_process_with_late_writes(arrival);
    disk.cut();  // while the object goes away, which a killed process would not have done
    writer.reset();
    disk.kill_process();
}

void CrashStage::crash(Survival survival) {
    disk.cut();
    writer.reset();
    disk.power_on(survival);
}

std::string search_here(std::uint64_t sector_bytes,
                        const CrashStory& prepare,
                        const CrashStory& act,
                        CrashSearchCounts& counts) {
    CrashStage stage(sector_bytes);
    prepare(stage);
    act(stage);
    return search_endings(stage, counts);
}

std::string search_each_step(std::uint64_t sector_bytes,
                             const CrashStory& prepare,
                             const CrashStory& act,
                             CrashSearchCounts& counts) {
    for (std::uint64_t step = 1; step < kMaxSteps; ++step) {
        CrashStage stage(sector_bytes);
        prepare(stage);
        stage.disk.stop_after(step);
        act(stage);
        const bool is_done = !stage.disk.is_stopped();
        std::string wrong = search_endings(stage, counts);
        if (!wrong.empty()) return wrong + " at step " + std::to_string(step);
        if (is_done) return {};
    }
    return "the story doesn't end";
}

namespace {

void open_with_two_events(CrashStage& stage) {
    stage.open();
    stage.append_blocks(1);
    stage.settle();
    stage.append_blocks(1);
    stage.settle();
}

// As many batches as fit, all durable: the next one rolls.
void open_and_fill(CrashStage& stage) {
    stage.open();
    for (int i = 0; i < 14; ++i) {
        stage.append_blocks(1);
        stage.settle();
    }
}

std::string plain_tail(CrashSearchCounts& counts) {
    return search_here(
        kBlockSizeBytes,
        open_with_two_events,
        [](CrashStage& stage) {
            stage.hold();
            for (const std::uint64_t blocks : {1U, 2U, 1U, 3U, 1U, 1U, 3U, 1U})
                stage.append_blocks(blocks);
            stage.drive(4);
        },
        counts);
}

// Half of it has completed, in some order, and a flush is under way.
std::string completed_tail(CrashSearchCounts& counts) {
    return search_here(
        kBlockSizeBytes,
        open_with_two_events,
        [](CrashStage& stage) {
            for (int i = 0; i < 8; ++i)
                stage.append_blocks(1);
            (void)stage.writer->drive(0);
            stage.hold();
            stage.append_blocks(2);
            stage.append_blocks(1);
            stage.drive(2);
        },
        counts);
}

// One batch of a block and one of two, sector by sector: the front and the rest of each may be
// there without the other.
std::string torn_sectors(CrashSearchCounts& counts) {
    return search_here(
        1024,
        open_with_two_events,
        [](CrashStage& stage) {
            stage.hold();
            stage.append_blocks(1);
            stage.append_blocks(2);
            stage.append_blocks(1);  // so that the one before it goes
            stage.drive(2);
        },
        counts);
}

std::string roll(CrashSearchCounts& counts) {
    return search_each_step(
        kBlockSizeBytes,
        open_and_fill,
        [](CrashStage& stage) {
            for (int i = 0; i < 3; ++i)
                stage.append_blocks(1);
            stage.drive(40);
        },
        counts);
}

// The seal and the last batches of the old segment are in flight together.
std::string roll_in_flight(CrashSearchCounts& counts) {
    return search_here(
        kBlockSizeBytes,
        [](CrashStage& stage) {
            stage.open();
            for (int i = 0; i < 3; ++i) {
                stage.append_blocks(1);
                stage.settle();
            }
        },
        [](CrashStage& stage) {
            stage.hold();
            for (const std::uint64_t blocks : {1U, 2U, 1U, 3U, 2U, 2U})
                stage.append_blocks(blocks);
            stage.append_blocks(3);  // has no room any more
            stage.append_blocks(1);
            stage.drive(6);
        },
        counts);
}

std::string marker(CrashSearchCounts& counts) {
    return search_each_step(
        kBlockSizeBytes,
        [](CrashStage& stage) {
            stage.options.marker_idle_ns = 1'000'000;
            open_with_two_events(stage);
        },
        [](CrashStage& stage) {
            stage.append_blocks(2);
            stage.drive(5);
            stage.disk.pass_ns(2'000'000);
            stage.drive(5);
            stage.disk.pass_ns(2'000'000);
            stage.drive(5);
        },
        counts);
}

std::string seal(CrashSearchCounts& counts) {
    return search_each_step(
        kBlockSizeBytes,
        open_with_two_events,
        [](CrashStage& stage) {
            stage.append_blocks(3);
            (void)stage.writer->close(kSecondNs);
        },
        counts);
}

std::string gap(CrashSearchCounts& counts) {
    return search_here(
        kBlockSizeBytes,
        open_with_two_events,
        [](CrashStage& stage) {
            stage.hold();
            stage.append_blocks(2);
            stage.append_gap(3);
            stage.append_blocks(1);
            stage.append_gap(2);
            stage.append_blocks(3);
            stage.append_gap(1);
            stage.append_blocks(4);
            stage.append_gap(1);
            stage.append_blocks(2);
            stage.append_blocks(1);  // so that the one before it goes
            stage.drive(4);
        },
        counts);
}

// The first life left a hole with sound batches behind it; the recovery of the second is cut at
// each step.
std::string recovery(CrashSearchCounts& counts) {
    return search_each_step(
        kBlockSizeBytes,
        [](CrashStage& stage) {
            open_with_two_events(stage);
            stage.hold();
            for (int i = 0; i < 6; ++i)
                stage.append_blocks(1);
            stage.drive(3);
            stage.disk.faults.hold_completions = false;
            stage.crash(Survival::some);
        },
        [](CrashStage& stage) {
            if (!stage.open()) return;
            stage.append_blocks(1);
            stage.drive(6);
        },
        counts);
}

// The device lost the name of a segment and what SUPER said of it, though both had been flushed. So
// the next life takes the file for a spare, and makes a segment of the same number of it: batches
// and promises of the lost life stand behind its own.
void lose_a_life(CrashStage& stage) {
    open_with_two_events(stage);
    stage.crash(Survival::nothing);
    const std::string super = std::string(kSearchDirectory) + "/SUPER";
    const auto super_bytes = stage.disk.look_at(super, 0, 2 * kBlockSizeBytes);
    const Sequence end = stage.acknowledged;
    stage.open();
    for (int i = 0; i < 9; ++i) {
        stage.append_blocks(1);
        stage.settle();
    }
    const std::string lost = std::string(kSearchDirectory) + "/0000000000000002.seg";
    const auto stale = stage.disk.look_at(lost, 0, stage.options.segment_size_bytes);
    stage.crash(Survival::nothing);
    TAILRACE_CHECK(stage.disk.remove(lost).ok());
    stage.disk.put(super, super_bytes);
    stage.disk.put(std::string(kSearchDirectory) + "/spare", stale);
    stage.disk.settle();
    stage.appended.resize(end);
    stage.acknowledged = end;
}

std::string stale_spare(CrashSearchCounts& counts) {
    return search_each_step(
        kBlockSizeBytes,
        lose_a_life,
        [](CrashStage& stage) {
            if (!stage.open()) return;
            stage.append_blocks(2);
            stage.append_blocks(1);
            stage.drive(8);
        },
        counts);
}

// A killed writer's batches arrive while its successor recovers: after each number of its
// operations.
std::string late_writes(CrashSearchCounts& counts) {
    // On a file system without locks, where nothing can be waited for, and on one with locks.
    for (std::uint64_t round = 2; round < 120; ++round) {
        const std::uint64_t arrival = round / 2;
        std::string wrong = search_here(
            kBlockSizeBytes,
            open_with_two_events,
            [arrival, round](CrashStage& stage) {
                stage.disk.faults.refuse_holds = round % 2 == 0;
                stage.hold();
                stage.append_blocks(2);
                stage.append_blocks(1);
                stage.drive(3);
                stage.kill(arrival);
                stage.open();
                stage.append_blocks(1);
                stage.drive(2);
            },
            counts);
        if (!wrong.empty()) return wrong + ", arrived after " + std::to_string(arrival);
    }
    return {};
}

// Rolls into a segment that is full of the batches of an earlier one, at the same offsets.
std::string recycled(CrashSearchCounts& counts) {
    return search_each_step(
        kBlockSizeBytes,
        [](CrashStage& stage) {
            stage.options.retain_size_bytes = 2 * kMinSegmentSizeBytes;
            stage.open();
            while (stage.writer->statistics().recycled_segments < 2) {
                stage.append_blocks(1);
                stage.settle();
            }
            const std::uint64_t segments = stage.writer->statistics().segments;
            while (stage.writer->statistics().segments == segments) {
                stage.append_blocks(1);
                stage.settle();
            }
            for (int i = 0; i < 13; ++i) {  // this one is full again
                stage.append_blocks(1);
                stage.settle();
            }
        },
        [](CrashStage& stage) {
            for (int i = 0; i < 4; ++i)
                stage.append_blocks(1);
            stage.drive(40);
        },
        counts);
}

std::string first_open(CrashSearchCounts& counts) {
    return search_each_step(
        kBlockSizeBytes,
        [](CrashStage&) {},
        [](CrashStage& stage) {
            if (!stage.open()) return;
            stage.append_blocks(1);
            stage.drive(6);
        },
        counts);
}

}  // namespace

std::span<const NamedSearch> crash_searches() {
    static constexpr std::array<NamedSearch, 13> kSearches = {{
        {"plain tail", plain_tail, true},
        {"completed tail", completed_tail, false},
        {"torn sectors", torn_sectors, true},
        {"roll", roll, false},
        {"roll in flight", roll_in_flight, true},
        {"marker", marker, false},
        {"seal", seal, true},
        {"gap", gap, true},
        {"recovery", recovery, false},
        {"first open", first_open, false},
        {"stale spare", stale_spare, false},
        {"late writes", late_writes, false},
        {"recycled", recycled, false},
    }};
    return kSearches;
}

}  // namespace tailrace::journal
