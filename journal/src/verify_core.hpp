// VerifyCore: what stands behind verify(), over any storage. See verify.hpp for the contract.
//
// Names, headers and the chain are looked at first; then threads take the segments one by one; then
// what they found is put together in the order of the segments, so that the report is the same
// whatever their number.
#pragma once

#include "missing_events.hpp"
#include "segment_check.hpp"
#include "segment_directory.hpp"
#include "storage.hpp"

#include <tailrace/journal/ledger.hpp>
#include <tailrace/journal/verify.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace tailrace::journal {

class VerifyCore {
public:
    // `jobs`: threads; 0: one for each core.
    VerifyCore(FileStore& files,
               std::string directory,
               VerifyProgress progress,
               std::uint32_t jobs = 1)
        : files_(files),
          directory_(std::move(directory)),
          progress_(std::move(progress)),
          jobs_(jobs) {}

    [[nodiscard]] Result<VerifyReport> run();

private:
    [[nodiscard]] Result<void> look();
    [[nodiscard]] Result<void> look_at_names();
    void check_headers();
    void drop_given_up();
    void check_chain(const SegmentCandidate& before, const SegmentCandidate& segment);
    void check_contents();
    void check_against_catalogue();
    void check_ledger();
    void check_schema();
    void check_some();
    void merge(std::size_t nth);
    void show_progress();
    void begin_report();
    void add_missing(const MissingEvents& lost);
    [[nodiscard]] const SegmentCandidate* successor_of(std::size_t nth) const noexcept;
    void add(FindingKind kind,
             const SegmentCandidate& segment,
             Sequence first,
             Sequence end,
             std::string text);

    FileStore& files_;
    std::string directory_;
    VerifyProgress progress_;
    std::size_t jobs_;
    VerifyReport report_;
    Result<Ledger> ledger_ = Ledger{};
    std::optional<SuperBlock> super_;
    std::uint64_t oldest_number_ = 0;  // where the journal begins
    std::optional<SegmentRange> missing_back_;
    std::vector<SegmentCandidate> segments_;
    std::vector<VerifyReport> parts_;  // of each segment, written by the thread that took it
    std::uint64_t total_bytes_ = 0;

    std::atomic<bool> one_is_gone_{false};  // a segment that was listed
    std::atomic<std::size_t> next_segment_{0};
    std::atomic<std::uint64_t> done_bytes_{0};
    std::mutex mutex_;
    std::condition_variable one_is_done_;
};

}  // namespace tailrace::journal
