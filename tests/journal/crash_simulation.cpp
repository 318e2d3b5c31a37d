#include "crash_simulation.hpp"

#include "assessment.hpp"
#include "ledger_file.hpp"
#include "segment_directory.hpp"

#include <algorithm>
#include <cerrno>

namespace tailrace::journal {

namespace {

constexpr const char* kDirectory = "/sim";
constexpr std::uint64_t kSmallBatchBytes = 32U << 10;
constexpr int kOtherEndings =
    3;  // of each crash, looked at beside the one that the story goes on with

std::string seconded(std::string wrong, const char* what) {
    return wrong.empty() ? wrong : wrong + " (" + what + ")";
}

}  // namespace

void SimulationCounts::add(const SimulationCounts& other) {
    crashes += other.crashes;
    lives += other.lives;
    acknowledged += other.acknowledged;
    lost += other.lost;
    rolls += other.rolls;
    recycled += other.recycled;
    cuts_in_recovery += other.cuts_in_recovery;
    cuts_in_spare += other.cuts_in_spare;
    refusals += other.refusals;
    kills += other.kills;
    atomic_batches += other.atomic_batches;
    atomic_taken_back += other.atomic_taken_back;
    kept_cursors += other.kept_cursors;
    for (std::size_t i = 0; i < kFaultKinds; ++i)
        fired[i] += other.fired[i];
}

CrashSimulation::CrashSimulation(std::uint64_t seed, DiskCharacter character)
    : disk_(seed),
      ledger_(kDirectory),
      around_(simulated_environment(disk_)),
      character_(character) {
    disk_.observer =
        [this](const std::string& path, std::uint64_t offset, std::span<const std::byte> bytes) {
            ledger_.note(path, offset, bytes);
        };
    around_.max_batch_size_bytes = kSmallBatchBytes;
    options_ = small_options(kDirectory);
    options_.segment_size_bytes = kMinSegmentSizeBytes << disk_.random_below(2);
    options_.queue_depth = 1 + static_cast<std::uint32_t>(disk_.random_below(5));
    options_.marker_idle_ns = 200'000;
    options_.event_alignment_bytes = disk_.random_below(2) == 0 ? 16 : 64;
    options_.flush_size_bytes = 64 << 10;
    const std::uint64_t policy = disk_.random_below(6);
    options_.sync_policy = policy == 0   ? SyncPolicy::none
                           : policy == 1 ? SyncPolicy::interval
                                         : SyncPolicy::group;
    options_.sync_interval_ns = 500'000;
    options_.segment_fill =
        disk_.random_below(8) == 0 ? SegmentFill::zeroed : SegmentFill::allocated;
    // In half of the journals old segments are given up, and used again. Not where flushes are only
    // pretended: what was given up on the strength of one is gone, and nothing is as it should be.
    if (disk_.random_below(2) == 0 && character != DiskCharacter::lying) {
        options_.retain_size_bytes = (3 + disk_.random_below(3)) * options_.segment_size_bytes;
    }
    disk_.faults.sector_bytes = disk_.random_below(2) == 0 ? 512 : 4096;
    disk_.faults.refuse_holds = disk_.random_below(4) == 0;
}

void CrashSimulation::set_faults() {
    DiskFaults& faults = disk_.faults;
    faults.short_write = disk_.random_below(4) == 0 ? 50 : 0;
    faults.again = disk_.random_below(4) == 0 ? 50 : 0;
    faults.write_error = disk_.random_below(8) == 0 ? 10 : 0;
    faults.flush_error = disk_.random_below(8) == 0 ? 30 : 0;
    faults.error = disk_.random_below(2) == 0 ? EIO : ENOSPC;
    // Room for what is there and not much more, in some lives.
    const std::uint64_t room =
        (ledger_.segment_numbers(disk_).size() + 1) * options_.segment_size_bytes;
    faults.capacity_bytes = disk_.random_below(8) == 0 ? room : ~std::uint64_t{0};
    if (character_ == DiskCharacter::lying) faults.lost_flush = 150;
    if (character_ == DiskCharacter::rotting && disk_.random_below(3) == 0) {
        faults.misdirected_write = 15;
    }
}

void CrashSimulation::append_one(WriterCore& writer,
                                 std::uint64_t count,
                                 std::uint32_t payload_bytes) {
    EventShape shape;
    shape.alignment_bytes = options_.event_alignment_bytes;
    shape.record_salt = record_salt_;
    shape.tag = life_;
    shape.payload_bytes = payload_bytes;
    shape.atomic_left = atomic_left_;
    const EventRun events = make_events(writer.next_sequence(), count, shape);
    const AppendResult taken = writer.append(events.run());
    appended_.resize(appended_.size() + taken.event_count, life_);
    atomic_left_ -= std::min(atomic_left_, taken.event_count);
}

void CrashSimulation::append_some(WriterCore& writer) {
    const std::uint64_t choice = disk_.random_below(100);
    if (choice < 3) {
        const std::uint64_t count = 1 + disk_.random_below(5);
        if (atomic_left_ > 0) {
            writer.take_back_unfinished();
            appended_.resize(writer.next_sequence());
            atomic_left_ = 0;
            ++counts_.atomic_taken_back;
        }
        if (writer.note_gap(writer.next_sequence(), count) == AppendStatus::taken) {
            appended_.resize(appended_.size() + count, kGapTag);
        }
        return;
    }
    const std::uint64_t size =
        choice < 80 ? disk_.random_below(100) : disk_.random_below(choice < 95 ? 3'000 : 12'000);
    std::uint64_t count = 1 + disk_.random_below(4);
    if (atomic_left_ > 0) {
        // The rest of it, or a part: what it takes together fits into a batch.
        count = std::min(count, atomic_left_);
        return append_one(writer, count, 8 + static_cast<std::uint32_t>(size % 3'000));
    }
    // Another salt begins another batch: so many small ones are in flight together.
    if (disk_.random_below(3) == 0) ++record_salt_;
    if (disk_.random_below(4) == 0) {
        ++counts_.atomic_batches;
        atomic_left_ = 2 + disk_.random_below(6);
        count = std::min(count, atomic_left_);
        return append_one(writer, count, 8 + static_cast<std::uint32_t>(size % 3'000));
    }
    append_one(writer, count, 8 + static_cast<std::uint32_t>(size));
}

// A reader goes on, further than what is durable, and the keeper writes what may be written of it.
void CrashSimulation::keep_cursor(WriterCore& writer) {
    cursor_ += disk_.random_below(writer.next_sequence() - cursor_ + 1);
    const Sequence kept = std::min(cursor_, writer.durable_sequence());
    if (!make_ledger(disk_, kDirectory)) return;
    auto ledger = read_ledger(disk_, kDirectory);
    if (!ledger) return;
    // Others, so that it takes several sectors.
    constexpr int kOthers = 20;
    for (int other = 0; other < kOthers; ++other)
        ledger->put({"other" + std::to_string(other), kept, record_salt_, 0});
    ledger->put({"reader", kept, 0, 0});
    if (!write_ledger(disk_, kDirectory, *ledger)) return;
    kept_cursor_ = kept;
    ++counts_.kept_cursors;
}

std::string CrashSimulation::check_durable(const WriterCore& writer) {
    acknowledged_ = std::max(acknowledged_, writer.durable_sequence());
    if (character_ != DiskCharacter::honest) return {};
    const Sequence flushed = ledger_.flushed_prefix(disk_);
    if (writer.durable_sequence() <= flushed) return {};
    return "durable: " + std::to_string(writer.durable_sequence()) + " is announced, " +
           std::to_string(flushed) + " is written and flushed";
}

std::string CrashSimulation::work(WriterCore& writer, std::uint64_t rounds) {
    for (std::uint64_t i = 0; i < rounds && !disk_.is_stopped(); ++i) {
        const std::uint64_t burst = disk_.random_below(4) == 0 ? disk_.random_below(8) : 1;
        for (std::uint64_t k = 0; k < burst; ++k)
            append_some(writer);
        (void)writer.drive(disk_.random_below(2) == 0 ? 0 : 1'000'000);
        if (character_ == DiskCharacter::honest && disk_.random_below(12) == 0) keep_cursor(writer);
        if (disk_.random_below(200) == 0) (void)writer.sync(kSecondNs);
        if (std::string wrong = check_durable(writer); !wrong.empty()) return wrong;
        if (writer.state() == WriterState::failed) break;
    }
    return {};
}

std::string CrashSimulation::live() {
    ++life_;
    ++counts_.lives;
    set_faults();
    disk_.stop_after(1 + disk_.random_below(disk_.random_below(3) == 0 ? 40 : 300));
    auto writer = WriterCore::open(options_, around_);
    if (!writer) {
        if (disk_.is_stopped()) {
            const std::string& in = disk_.stopped_in();
            ++(in.find("spare") != std::string::npos ? counts_.cuts_in_spare
                                                     : counts_.cuts_in_recovery);
            return {};
        }
        if (writer.error().os_errno == ENOSPC || character_ != DiskCharacter::honest) return {};
        return "opens: refused: " + writer.error().message;
    }
    // A write of the last life may have landed after the end was looked for: this is where it is.
    const Sequence begin = (*writer)->next_sequence();
    const bool is_short = begin < acknowledged_ && character_ == DiskCharacter::honest;
    if (begin > appended_.size() || is_short) {
        return (is_short ? "kept: begins at " : "prefix: begins at ") + std::to_string(begin);
    }
    counts_.lost += appended_.size() - begin;
    appended_.resize(begin);
    ledger_.begin_life(begin);
    atomic_left_ = 0;  // whatever had begun: its rest died with who appended it
    cursor_ = 0;
    if (const auto ledger = read_ledger(disk_, kDirectory)) {
        const LedgerCursor* const kept = ledger->find("reader");
        if (kept != nullptr) cursor_ = std::min(kept->sequence, begin);
    }
    const std::uint64_t flushes_before = disk_.flushes_after_failed_flush();
    std::string wrong = work(**writer, disk_.random_below(120));
    if (wrong.empty() && disk_.random_below(6) == 0) (void)(*writer)->close(kSecondNs);
    if (wrong.empty()) wrong = check_durable(**writer);
    if (wrong.empty() && disk_.flushes_after_failed_flush() != flushes_before) {
        wrong = "final: flushed again after a failed flush";
    }
    counts_.rolls += (*writer)->statistics().segments - 1;
    counts_.recycled += (*writer)->statistics().recycled_segments;
    if (!disk_.is_stopped() && disk_.random_below(6) == 0) {
        ++counts_.kills;
        disk_.kill_process();
        disk_.cut();  // while the object goes away, which a killed process would not have done
        writer = make_error(ErrorCode::closed, "killed");
        disk_.kill_process();
    } else {
        disk_.cut();
    }
    return wrong;
}

// The power goes off, unless the process alone was killed.
std::string CrashSimulation::crash() {
    disk_.faults = DiskFaults{.sector_bytes = disk_.faults.sector_bytes,
                              .refuse_holds = disk_.faults.refuse_holds};
    CrashedJournal journal{kDirectory, &appended_, acknowledged_};
    journal.kept_cursor = kept_cursor_;
    if (!disk_.is_stopped()) {
        disk_.stop_after(0);  // of a writer that could not begin
        // Killed: what is in the cache is seen, what is still on its way may yet arrive.
        if (character_ == DiskCharacter::honest && disk_.random_below(2) == 0) {
            SimulatedDisk other(disk_);
            journal.is_exact = false;
            journal.is_whole = false;
            ++counts_.crashes;
            Sequence end = 0;
            std::string wrong = check_crash(other, ledger_, journal, end);
            return seconded(std::move(wrong), "killed");
        }
        if (disk_.random_below(2) == 0) return {};  // straight into the next life
    }
    disk_.cut();
    for (int i = 0; i < kOtherEndings && character_ == DiskCharacter::honest; ++i) {
        SimulatedDisk other(disk_);
        other.reseed(disk_.random_below(~std::uint64_t{0}));
        other.power_on(i == 0 ? Survival::nothing : Survival::some);
        journal.is_whole = false;
        ++counts_.crashes;
        Sequence end = 0;
        std::string wrong = check_crash(other, ledger_, journal, end);
        if (!wrong.empty()) return seconded(std::move(wrong), "another ending");
        for (std::size_t kind = 0; kind < kFaultKinds; ++kind)
            counts_.fired[kind] += other.fired()[kind];
    }
    disk_.power_on(disk_.random_below(4) == 0 ? Survival::everything : Survival::some);
    ++counts_.crashes;
    Sequence end = 0;
    journal.is_whole = disk_.random_below(8) == 0;
    std::string wrong;
    if (character_ == DiskCharacter::honest) {
        wrong = check_crash(disk_, ledger_, journal, end);
    } else {
        if (character_ == DiskCharacter::rotting && disk_.random_below(3) == 0) wrong = rot();
        bool refused = false;
        if (wrong.empty()) wrong = check_damage(disk_, ledger_, journal, end, refused);
        if (refused) ++counts_.refusals;
        over_ = refused;
    }
    if (!wrong.empty() || over_) return wrong;
    counts_.lost += appended_.size() - end;
    appended_.resize(end);
    counts_.acknowledged += end - std::min(end, acknowledged_);
    acknowledged_ = end;  // recovery made it durable, and the next writer will say so
    return {};
}

// Bits flip in batches that lie there; and for a moment the disk can't be read.
std::string CrashSimulation::rot() {
    const auto numbers = ledger_.segment_numbers(disk_);
    if (numbers.empty()) return {};
    {
        SimulatedDisk other(disk_);
        auto before = assess(other, kDirectory, AssessMode::deciding);
        other.faults.read_error = 100;
        auto after = assess(other, kDirectory, AssessMode::deciding);
        counts_.fired[static_cast<std::size_t>(Fault::read_error)] +=
            other.fired()[static_cast<std::size_t>(Fault::read_error)];
        if (after && (!before || before->end.sequence != after->end.sequence)) {
            return "prefix: an unreadable disk was taken for the end of the log";
        }
    }
    const std::uint64_t number =
        numbers[disk_.random_below(2) == 0 ? numbers.size() - 1
                                           : disk_.random_below(numbers.size())];
    const auto batches = ledger_.batches_of(disk_, number);
    if (batches.empty()) return {};
    const LedgerBatch& batch = *batches[disk_.random_below(batches.size())];
    const bool in_header = disk_.random_below(2) == 0;
    const std::uint64_t within =
        disk_.random_below(in_header ? sizeof(BatchHeader) : batch.bytes.size());
    disk_.flip_bit(segment_path(kDirectory, number),
                   batch.offset + within,
                   static_cast<unsigned>(disk_.random_below(8)));
    return {};
}

std::string CrashSimulation::run(int lives) {
    for (int i = 0; i < lives && !over_; ++i) {
        std::string wrong = live();
        if (wrong.empty()) wrong = crash();
        if (!wrong.empty()) return "life " + std::to_string(i + 1) + ": " + wrong;
    }
    return {};
}

SimulationCounts CrashSimulation::counts() const {
    SimulationCounts counts = counts_;
    for (std::size_t kind = 0; kind < kFaultKinds; ++kind)
        counts.fired[kind] += disk_.fired()[kind];
    return counts;
}

}  // namespace tailrace::journal
