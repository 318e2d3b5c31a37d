// VerifyCore: what stands behind verify(), over any storage. See verify.hpp for the contract. One
// thread.
#pragma once

#include "batch_scan.hpp"
#include "segment_directory.hpp"
#include "storage.hpp"

#include <tailrace/journal/verify.hpp>

#include <optional>
#include <string>
#include <vector>

namespace tailrace::journal {

class VerifyCore {
public:
    VerifyCore(FileStore& files, std::string directory, VerifyProgress progress)
        : files_(files),
          directory_(std::move(directory)),
          progress_(std::move(progress)),
          scan_(files) {}

    [[nodiscard]] Result<VerifyReport> run();

private:
    struct Candidate {
        std::uint64_t number = 0;
        std::uint64_t size_bytes = 0;
        std::string path;
        std::optional<SegmentHeader> header;
        std::optional<Error> refusal;
    };

    [[nodiscard]] Result<void> look_at_names();
    void check_headers();
    void check_chain(const Candidate& before, const Candidate& segment);
    void check_segment(const Candidate& segment, const Candidate* successor);
    void walk(const Candidate& segment, const PreviousSegment* bound);
    [[nodiscard]] FoundBatch next_batch(bool& fits);
    [[nodiscard]] bool pass_damage(const Candidate& segment,
                                   const PreviousSegment& bound,
                                   const FoundBatch& damaged);
    void check_newest_end(const Candidate& segment, const FoundBatch& stopped_by);
    [[nodiscard]] bool resume_behind_damage(std::uint64_t end_offset);
    void count(const FoundBatch& batch, std::uint32_t alignment_bytes);
    void check_index(const Candidate& segment);
    void add(
        FindingKind kind, const Candidate& segment, Sequence first, Sequence end, std::string text);
    void show_progress(std::uint64_t more_bytes);

    FileStore& files_;
    std::string directory_;
    VerifyProgress progress_;
    VerifyReport report_;
    std::optional<SuperBlock> super_;
    std::vector<Candidate> segments_;
    BatchScan scan_;
    LogPosition position_;
    std::uint64_t done_bytes_ = 0;
    std::uint64_t shown_bytes_ = 0;
    std::uint64_t total_bytes_ = 0;
};

}  // namespace tailrace::journal
