// SegmentCheck: every byte of one segment, for verify(). What it finds depends on that segment, its
// successor's header and SUPER alone, so segments may be checked in any order, by several threads,
// each with a SegmentCheck of its own.
#pragma once

#include "batch_scan.hpp"
#include "storage.hpp"

#include <tailrace/journal/verify.hpp>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

namespace tailrace::journal {

// A segment's file and what its header says, or why that can't be believed.
struct SegmentCandidate {
    std::uint64_t number = 0;
    std::uint64_t size_bytes = 0;
    std::string path;
    std::optional<SegmentHeader> header;
    std::optional<Error> refusal;
};

class SegmentCheck {
public:
    // `done_bytes` is added to as the work goes on.
    SegmentCheck(FileStore& files,
                 const std::optional<SuperBlock>& super,
                 std::atomic<std::uint64_t>& done_bytes)
        : files_(files),
          super_(super),
          done_bytes_(done_bytes),
          scan_(files) {}

    // The counts and findings of this segment alone. `bound`: where its successor says that it
    // ends, or SUPER, of a journal that was closed. Requires: segment.header.
    [[nodiscard]] VerifyReport run(const SegmentCandidate& segment,
                                   const PreviousSegment* bound,
                                   const std::string& index_path);
    // The last one had no file any more: retention may have given it up.
    [[nodiscard]] bool was_gone() const noexcept { return was_gone_; }

private:
    void walk(const PreviousSegment* bound);
    [[nodiscard]] FoundBatch next_batch(std::uint64_t end_offset, bool& fits);
    [[nodiscard]] bool pass_damage(const PreviousSegment& bound, const FoundBatch& damaged);
    [[nodiscard]] bool check_newest_end(const FoundBatch& stopped_by);
    void add_damage(const FoundBatch& damaged,
                    const LogPosition& from,
                    Sequence end,
                    bool is_acknowledged);
    [[nodiscard]] bool resume_at(const std::optional<SoundBatch>& next);
    void count(const FoundBatch& batch);
    void count_gap(const BatchHeader& header);
    void check_index(const std::string& path);
    void read_ahead();
    void add(FindingKind kind, Sequence first, Sequence end, std::string text);

    FileStore& files_;
    const std::optional<SuperBlock>& super_;
    std::atomic<std::uint64_t>& done_bytes_;
    BatchScan scan_;
    const SegmentCandidate* segment_ = nullptr;
    bool was_gone_ = false;
    bool is_gap_told_ = false;  // as part of the damage before it
    VerifyReport report_;
    LogPosition position_;
    std::uint64_t asked_ahead_offset_ = 0;
    std::uint64_t walked_bytes_ = 0;
};

}  // namespace tailrace::journal
