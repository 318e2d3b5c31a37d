// Crashes without a machine: a writer on a simulated disk, cut or killed in the middle of any
// operation, over and over.
//
// What must hold after every crash:
//   kept        everything that durable_sequence() had covered is there
//   prefix      what is there is a prefix of what was appended, event by event
//   dead        nothing that an earlier recovery had discarded comes back: each life of the writer
//   marks its events idempotent  a second recovery finds the same end sound       verify finds no
//   damage
// One seed makes everything; TAILRACE_SEED repeats a run, TAILRACE_CRASHES makes it longer.

#include "assessment.hpp"
#include "journal_fixture.hpp"
#include "reader_core.hpp"
#include "simulated_disk.hpp"
#include "verify_core.hpp"
#include "writer_core.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <malloc.h>
#include <random>

namespace tailrace::journal {

namespace {

constexpr const char* kDirectory = "/sim";

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(NDEBUG)
constexpr std::uint64_t kDefaultCrashes = 240;  // ten times slower there
#else
constexpr std::uint64_t kDefaultCrashes = 2400;
#endif

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
    const char* const text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
    return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

class Simulation {
public:
    explicit Simulation(std::uint64_t seed) : disk_(seed) {
        around_.files = &disk_;
        around_.time = &disk_;
        around_.background = false;
        around_.random = [this] {
            return disk_.random_below(~std::uint64_t{0}) | 1U;
        };
        around_.make_queue = [this](std::size_t,
                                    std::span<const std::byte>,
                                    std::string& reason) -> Result<std::unique_ptr<WriteQueue>> {
            reason = "simulated";
            return std::unique_ptr<WriteQueue>(std::make_unique<Borrowed>(disk_));
        };
        options_ = small_options(kDirectory);
        options_.queue_depth = 1 + static_cast<std::uint32_t>(disk_.random_below(5));
        options_.marker_idle_ns = 200'000;
        options_.event_alignment_bytes = disk_.random_below(2) == 0 ? 16 : 64;
        options_.flush_size_bytes = 64 << 10;
        const std::uint64_t policy = disk_.random_below(4);
        options_.sync_policy = policy == 0   ? SyncPolicy::none
                               : policy == 1 ? SyncPolicy::interval
                                             : SyncPolicy::group;
        options_.sync_interval_ns = 500'000;
        options_.segment_fill =
            disk_.random_below(4) == 0 ? SegmentFill::zeroed : SegmentFill::allocated;
        disk_.faults.sector_bytes = disk_.random_below(2) == 0 ? 512 : 4096;
    }

    // Runs a writer until it crashes, and looks at what is left. Empty when all held, else what
    // didn't.
    std::string live_and_crash();

    [[nodiscard]] std::uint64_t acknowledged() const { return acknowledged_; }
    [[nodiscard]] std::uint64_t lost_unacknowledged() const { return lost_; }
    [[nodiscard]] const SimulatedDisk& disk() const { return disk_; }

private:
    // The core owns its queue; the disk is ours.
    class Borrowed final : public WriteQueue {
    public:
        explicit Borrowed(WriteQueue& queue) : queue_(queue) {}
        bool submit_write(FileId file,
                          std::uint64_t offset,
                          std::span<const std::byte> bytes,
                          std::uint64_t tag) noexcept override {
            return queue_.submit_write(file, offset, bytes, tag);
        }
        bool submit_flush(FileId file, std::uint64_t tag) noexcept override {
            return queue_.submit_flush(file, tag);
        }
        bool submit_durable_write(DurableWrite kind,
                                  FileId file,
                                  std::uint64_t offset,
                                  std::span<const std::byte> bytes,
                                  std::uint64_t tag) noexcept override {
            return queue_.submit_durable_write(kind, file, offset, bytes, tag);
        }
        [[nodiscard]] std::span<const DurableWrite> durable_writes() const noexcept override {
            return queue_.durable_writes();
        }
        int kick() noexcept override { return queue_.kick(); }
        IoOutcome reap(std::span<Completion> into, std::uint64_t timeout_ns) noexcept override {
            return queue_.reap(into, timeout_ns);
        }
        [[nodiscard]] std::string_view name() const noexcept override { return queue_.name(); }

    private:
        WriteQueue& queue_;
    };

    void append_some(WriterCore& writer);
    void work(WriterCore& writer, std::uint64_t rounds);
    std::string check_after_crash();
    std::string check_content(Sequence end);

    SimulatedDisk disk_;
    WriterEnvironment around_;
    JournalOptions options_;
    std::vector<std::uint64_t> appended_;  // by sequence: the life that appended it; kGap for a gap
    Sequence acknowledged_ = 0;
    std::uint64_t life_ = 0;
    std::uint64_t record_salt_ = kTestSalt;
    std::uint64_t lost_ = 0;

    static constexpr std::uint64_t kGap = ~std::uint64_t{0};
};

void Simulation::append_some(WriterCore& writer) {
    const std::uint64_t choice = disk_.random_below(100);
    if (choice < 3) {
        const std::uint64_t count = 1 + disk_.random_below(5);
        if (writer.note_gap(writer.next_sequence(), count) == AppendStatus::taken) {
            appended_.resize(appended_.size() + count, kGap);
        }
        return;
    }
    EventShape shape;
    shape.alignment_bytes = options_.event_alignment_bytes;
    // Another salt begins another batch: so many small ones are in flight together.
    if (disk_.random_below(3) == 0) ++record_salt_;
    shape.record_salt = record_salt_;
    shape.tag = life_;
    shape.payload_bytes = static_cast<std::uint32_t>(choice < 60 ? 8 + disk_.random_below(100)
                                                                 : 8 + disk_.random_below(20'000));
    const EventRun events = make_events(writer.next_sequence(), 1 + disk_.random_below(12), shape);
    const AppendResult taken = writer.append(events.run());
    appended_.resize(appended_.size() + taken.event_count, life_);
}

void Simulation::work(WriterCore& writer, std::uint64_t rounds) {
    for (std::uint64_t i = 0; i < rounds && !disk_.is_stopped(); ++i) {
        const std::uint64_t burst = disk_.random_below(4) == 0 ? disk_.random_below(8) : 1;
        for (std::uint64_t k = 0; k < burst; ++k)
            append_some(writer);
        (void)writer.drive(disk_.random_below(2) == 0 ? 0 : 1'000'000);
        acknowledged_ = std::max(acknowledged_, writer.durable_sequence());
        if (disk_.random_below(200) == 0) (void)writer.sync(kSecondNs);
        acknowledged_ = std::max(acknowledged_, writer.durable_sequence());
        if (writer.state() == WriterState::failed) return;
    }
}

std::string Simulation::live_and_crash() {
    ++life_;
    disk_.faults.short_write = disk_.random_below(4) == 0 ? 50 : 0;
    disk_.faults.again = disk_.random_below(4) == 0 ? 50 : 0;
    disk_.faults.write_error = disk_.random_below(8) == 0 ? 5 : 0;
    disk_.faults.flush_error = disk_.random_below(8) == 0 ? 20 : 0;
    disk_.stop_after(1 + disk_.random_below(disk_.random_below(3) == 0 ? 40 : 600));
    {
        auto writer = WriterCore::open(options_, around_);
        if (!writer && !disk_.is_stopped()) return "opening failed: " + writer.error().message;
        if (writer) {
            if ((*writer)->next_sequence() != appended_.size()) return "opened at another end";
            work(**writer, disk_.random_below(400));
            if (disk_.random_below(6) == 0) (void)(*writer)->close(kSecondNs);
            acknowledged_ = std::max(acknowledged_, (*writer)->durable_sequence());
        }
        // Its destructor finds the machine as it is: stopped, or about to be.
        const std::uint64_t end = disk_.random_below(8);
        if (end == 0 && !disk_.is_stopped()) {
            disk_.kill_process();
            disk_.cut();  // while the object goes away, which a killed process would not have done
            writer = make_error(ErrorCode::closed, "killed");
            disk_.kill_process();
            return check_after_crash();
        }
        disk_.cut();
    }
    const std::uint64_t survival = disk_.random_below(4);
    disk_.power_on(survival == 0   ? Survival::nothing
                   : survival == 1 ? Survival::everything
                                   : Survival::some);
    return check_after_crash();
}

std::string Simulation::check_after_crash() {
    disk_.faults.write_error = 0;
    disk_.faults.flush_error = 0;
    auto first = assess(disk_, kDirectory, AssessMode::deciding);
    if (!first) return "recovery refused: " + first.error().message;
    const Sequence end = first->segments.empty() ? 0 : first->end.sequence;
    if (end < acknowledged_) {
        return "lost acknowledged events: " + std::to_string(end) + " of " +
               std::to_string(acknowledged_);
    }
    if (end > appended_.size()) return "more than was ever appended";
    auto second = assess(disk_, kDirectory, AssessMode::deciding);
    if (!second || (!second->segments.empty() && second->end.sequence != end)) {
        return "a second recovery finds another end";
    }
    lost_ += appended_.size() - end;
    appended_.resize(end);
    acknowledged_ = end;  // recovery made it durable, and the next writer will say so
    if (first->segments.empty()) return {};
    if (disk_.random_below(4) == 0) {
        auto report = VerifyCore(disk_, kDirectory, {}).run();
        if (!report) return "verify failed: " + report.error().message;
        for (const Finding& finding : report->findings) {
            if (is_damage(finding.kind)) return "damage: " + finding.text;
        }
    }
    return check_content(end);
}

std::string Simulation::check_content(Sequence end) {
    auto reader = ReaderCore::open(disk_, kDirectory);
    if (!reader) return "reading failed: " + reader.error().message;
    Sequence next = 0;
    while (true) {
        auto step = (*reader)->next_batch();
        if (!step) return "reading failed: " + step.error().message;
        if (step->kind == ReadKind::end) break;
        if (step->kind == ReadKind::gap) {
            for (std::uint64_t i = 0; i < step->gap.count; ++i, ++next) {
                if (next >= end || appended_[next] != kGap) return "a gap where events were";
            }
            continue;
        }
        for (const Event& event : step->batch) {
            if (event.sequence() != next || next >= end) return "a sequence that can't be";
            if (tag_of(event) != appended_[next]) {
                return "event " + std::to_string(next) + " is from the dead";
            }
            ++next;
        }
    }
    return next == end ? std::string() : "reading ends at " + std::to_string(next);
}

}  // namespace

TEST_CASE("crash simulation: nothing acknowledged is ever lost, nothing discarded ever comes back",
          "[journal][crash]") {
    const std::uint64_t first_seed =
        number_from_environment("TAILRACE_SEED", std::random_device()() % 1'000'000'000U);
    const std::uint64_t crashes = number_from_environment("TAILRACE_CRASHES", kDefaultCrashes);
    constexpr std::uint64_t kCrashesPerDisk = 12;
    // The disk's files are large and short-lived: keep their memory instead of asking the kernel
    // each time.
    ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
    ::mallopt(M_TRIM_THRESHOLD, 1 << 30);

    std::uint64_t acknowledged = 0;
    std::uint64_t lost = 0;
    std::uint64_t injected = 0;
    std::uint64_t flushes_after_failure = 0;
    for (std::uint64_t seed = first_seed; seed < first_seed + crashes / kCrashesPerDisk + 1;
         ++seed) {
        Simulation simulation(seed);
        for (std::uint64_t crash = 0; crash < kCrashesPerDisk; ++crash) {
            const std::string wrong = simulation.live_and_crash();
            if (!wrong.empty()) {
                FAIL("TAILRACE_SEED=" << seed << ", crash " << crash << ": " << wrong);
            }
        }
        acknowledged += simulation.acknowledged();
        lost += simulation.lost_unacknowledged();
        injected += simulation.disk().injected_faults();
        flushes_after_failure += simulation.disk().flushes_after_failed_flush();
    }
    // That the crashes did hit something, or all of the above would prove nothing.
    CHECK(acknowledged > crashes);
    CHECK(lost > crashes / 10);
    CHECK(injected > crashes / 10);
    CHECK(flushes_after_failure == 0);
}

}  // namespace tailrace::journal
