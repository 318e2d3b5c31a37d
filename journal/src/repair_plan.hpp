// RepairPlanner: what repair has to do, segment by segment, from the oldest to the newest. Changes
// nothing. One thread.
//
// I1 A segment is repaired from itself and what its neighbours say of it; no other file has to
// change with it. So files may be replaced one by one, in any order, with a crash in between.
// I2 A block that is part of the log and sound stays as it is, at its place.
#pragma once

#include "batch_scan.hpp"
#include "catalogue_file.hpp"
#include "missing_events.hpp"
#include "segment_directory.hpp"
#include "storage.hpp"

#include <tailrace/journal/repair.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tailrace::journal {

// A batch that takes the place of what can't be read.
struct Mend {
    std::uint64_t offset = 0;
    std::uint64_t covered_bytes = 0;
    BatchHeader header{};
};

// What becomes of one segment.
struct SegmentRepair {
    std::uint64_t number = 0;
    std::string path;
    std::optional<SegmentHeader> found;  // as it stands in the file, when it can be believed
    SegmentHeader header{};              // as it has to be
    std::uint64_t file_size_bytes = 0;
    bool has_file = false;       // something has that name
    bool keeps_content = false;  // its batches are this journal's
    bool is_bounded = false;     // a successor stands behind it
    std::vector<Mend> mends;
    LogPosition end;  // behind its last batch
    bool needs_index = false;
    bool header_from_copy = false;  // of a compressed segment, whose own header is damaged
    bool has_bad_tail = false;      // blocks behind its end can't be read

    [[nodiscard]] bool needs_file() const noexcept {
        return !found || !keeps_content || !mends.empty() || header_from_copy || has_bad_tail ||
               file_size_bytes < stored_file_bytes(header);
    }
};

struct RepairWork {
    RepairPlan plan;
    std::vector<SegmentRepair> segments;
    std::optional<SuperBlock> super;           // to be written
    std::vector<CataloguedSegment> catalogue;  // the same; empty: it stays
};

class RepairPlanner {
public:
    RepairPlanner(FileStore& files, std::string directory)
        : files_(files),
          directory_(std::move(directory)),
          scan_(files) {}

    [[nodiscard]] Result<RepairWork> run();

private:
    [[nodiscard]] Result<void> look();
    void stand_in_for_front();
    [[nodiscard]] Result<void> look_at_segment(SegmentRepair& segment);
    [[nodiscard]] Result<SegmentHeader> header_copy(const StoredFile& file,
                                                    const SegmentRepair& segment);
    [[nodiscard]] Result<void> find_strangers();
    [[nodiscard]] Result<void> examine(std::size_t nth);
    void rebuild_header(std::size_t nth);
    void make_placeholder(std::size_t nth);
    void take_place_behind(std::size_t nth, SegmentHeader& header) const;
    [[nodiscard]] Result<void> walk(SegmentRepair& segment,
                                    const PreviousSegment* bound,
                                    Sequence known_end);
    [[nodiscard]] Result<bool> mend_here(SegmentRepair& segment,
                                         const PreviousSegment* bound,
                                         Sequence known_end,
                                         const std::string& why);
    [[nodiscard]] std::optional<FoundBatch> next_sound(std::uint64_t end_offset,
                                                       std::uint64_t& offset);
    // The header of a batch that covers so much and is followed by what chains to `chain`.
    [[nodiscard]] BatchHeader mend_header(Sequence first_sequence,
                                          std::uint64_t covered_bytes,
                                          std::uint64_t chain) const;
    [[nodiscard]] static Error beyond_repair(std::string message, std::string hint);
    [[nodiscard]] Sequence end_of_newest(SegmentRepair& segment, Sequence known_end);
    void drop_tail(SegmentRepair& segment, int os_errno);
    void add_mend(SegmentRepair& segment, const Mend& mend, const std::string& why);
    [[nodiscard]] std::optional<BatchHeader> first_batch_of(const SegmentRepair& segment,
                                                            std::optional<std::uint64_t> salt);
    [[nodiscard]] const PreviousSegment* bound_of(std::size_t nth) const noexcept;
    [[nodiscard]] bool follows(std::size_t nth) const noexcept;
    void plan_super();
    void plan_index(SegmentRepair& segment);
    void plan_catalogue();
    void add_step(RepairKind kind, const SegmentRepair& segment, std::string text);

    FileStore& files_;
    std::string directory_;
    BatchScan scan_;
    SuperState super_;
    RepairWork work_;
    LogPosition position_;
    Sequence promised_ = 0;                 // in SUPER
    std::uint64_t oldest_number_ = 0;       // where the journal began
    std::optional<Sequence> stated_first_;  // with which sequence, by what isn't a segment
    std::optional<SegmentHeader> donor_;    // any sound header: what all segments have in common
};

}  // namespace tailrace::journal
