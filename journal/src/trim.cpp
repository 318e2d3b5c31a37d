#include "lock_file.hpp"
#include "posix_files.hpp"
#include "segment_census.hpp"
#include "segment_directory.hpp"
#include "trim_core.hpp"
#include "trim_request.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/unique_fd.hpp>
#include <tailrace/journal/trim.hpp>

#include <fcntl.h>

#include <ctime>
#include <optional>

namespace tailrace::journal {

namespace {

constexpr long kTrimNapNs = 5'000'000;

// Its own descriptor doesn't count, nor does the lock of a writer, which is on another byte.
bool is_leased(const std::string& path) {
    const UniqueFd fd(
        ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    return fd.is_open() && is_locked(fd.get(), 0);
}

// What the journal says of itself by now.
Result<TrimReport> report_of(const std::string& directory) {
    auto extent = take_extent(posix_files(), directory);
    if (!extent) return extent.error();
    TrimReport report;
    report.oldest_number = extent->oldest_number;
    if (extent->super) report.first_sequence = extent->super->first_sequence;
    if (auto listing = list_journal(posix_files(), directory))
        report.held_segments = listing->retired_numbers.size();
    return report;
}

Error has_not_answered(const TrimPlan& plan) {
    const LockHolder holder = look_at_lock(plan.directory);
    return make_error(
        ErrorCode::timed_out,
        "whoever writes the journal '" + plan.directory + "'" +
            (holder.pid != 0 ? ", process " + std::to_string(holder.pid) + "," : std::string()) +
            " hasn't trimmed it; the request was taken back",
        "is it a backup, a repair or an older version (tailrace inspect " + plan.directory +
            ")? trim again when it has ended");
}

// Under the trimmer's lock: one request at a time.
class Trimmer {
public:
    Trimmer(const TrimPlan& plan, FileStore& files, std::uint64_t until_ns)
        : plan_(plan),
          files_(files),
          until_ns_(until_ns) {}

    [[nodiscard]] Result<TrimReport> run();

private:
    [[nodiscard]] Result<void> ask();
    [[nodiscard]] Result<TrimReport> do_alone() const;

    const TrimPlan& plan_;
    FileStore& files_;
    const std::uint64_t until_ns_;
    bool is_asked_ = false;
};

Result<void> Trimmer::ask() {
    auto super = read_super(files_, plan_.directory, Access::reading);
    if (!super) return super.error();
    if (!super->newest) {
        return make_error(ErrorCode::corrupt,
                          "'" + super_path(plan_.directory) + "' can't be believed",
                          "tailrace verify " + plan_.directory);
    }
    auto asked = ask_to_trim(files_, plan_.directory, super->newest->journal_id, plan_.kept_number);
    is_asked_ = asked.has_value();
    return asked;
}

Result<TrimReport> Trimmer::do_alone() const {
    auto done = give_up_below(files_, plan_.directory, plan_.kept_number);
    // What was asked for and is done, or can't be, isn't asked for any more.
    end_trim_request(files_, plan_.directory);
    return done;
}

Result<TrimReport> Trimmer::run() {
    for (;;) {
        const auto lock = lock_journal(plan_.directory);
        if (lock) return do_alone();
        if (lock.error().code != ErrorCode::busy) return lock.error();
        if (!is_asked_) {
            if (auto asked = ask(); !asked) return asked.error();
        }
        while (is_trim_asked(files_, plan_.directory) && look_at_lock(plan_.directory).is_held) {
            if (monotonic_ns() >= until_ns_) {
                end_trim_request(files_, plan_.directory);
                return has_not_answered(plan_);
            }
            const timespec nap{0, kTrimNapNs};
            ::nanosleep(&nap, nullptr);
        }
        if (!is_trim_asked(files_, plan_.directory)) return report_of(plan_.directory);
    }
}

}  // namespace

Result<TrimPlan> plan_trim(const std::string& directory, const TrimLimits& limits) noexcept {
    const LockHolder writer = look_at_lock(directory);
    return plan_trim(
        posix_files(), directory, limits, {writer.is_held, writer.pid, wall_clock_ns(), is_leased});
}

Result<TrimReport> trim(const TrimPlan& plan, std::uint64_t patience_ns) noexcept {
    auto path = make_lock_file(plan.directory);
    if (!path) return path.error();
    const auto alone = FileLock::try_lock(*path, kTrimByte);
    if (!alone && alone.error().code == ErrorCode::busy) {
        return make_error(ErrorCode::busy,
                          "the journal '" + plan.directory + "' is being trimmed already",
                          "fuser -v " + *path);
    }
    if (!alone) return alone.error();
    return Trimmer(plan, posix_files(), monotonic_ns() + patience_ns).run();
}

}  // namespace tailrace::journal
