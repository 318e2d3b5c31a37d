// BackupCore: what stands behind backup(), over any storage. See backup.hpp for the contract. One
// thread, which holds the destination's lock.
//
// Crash story: a segment is copied under another name, flushed and renamed; only the newest of the
// copy is added to in place, behind its end, as a writer does. SUPER is last, so it never names or
// promises what isn't there.
#pragma once

#include "batch_scan.hpp"
#include "segment_directory.hpp"
#include "storage.hpp"

#include <tailrace/journal/backup.hpp>
#include <tailrace/journal/ledger.hpp>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tailrace::journal {

class BackupCore {
public:
    // `writer_runs`: asks whether somebody writes to the source. It is asked after the segments
    // were listed: a writer that comes later begins a new one, and leaves these alone.
    BackupCore(FileStore& files,
               std::string source,
               std::string destination,
               const BackupOptions& options,
               std::function<bool()> writer_runs)
        : files_(files),
          source_(std::move(source)),
          destination_(std::move(destination)),
          options_(options),
          ask_writer_runs_(std::move(writer_runs)),
          scan_(files) {}

    [[nodiscard]] Result<BackupReport> run();

private:
    // A segment of the source, and how much of it is to be copied.
    struct Part {
        std::uint64_t number = 0;
        std::string path;
        StoredFile file;
        SegmentHeader header{};
        std::uint64_t end_offset = 0;
        Sequence end_sequence = 0;
        std::uint64_t last_checksum = 0;

        [[nodiscard]] bool is_compressed() const noexcept {
            return (header.features_incompat & kFeatureCompressed) != 0;
        }
        // Of the file, from its beginning.
        [[nodiscard]] std::uint64_t copy_bytes() const noexcept {
            return is_compressed() ? header.stored_size_bytes : end_offset;
        }
        // Leased, with its header as it is now.
        [[nodiscard]] Result<void> open(FileStore& files);
    };

    [[nodiscard]] Result<void> look_at_source();
    [[nodiscard]] Result<void> find_durable_end(Part& newest);
    [[nodiscard]] Result<void> look_at_destination();
    [[nodiscard]] Result<void> find_end_of_copy();
    [[nodiscard]] Result<void> check_join() const;
    [[nodiscard]] Result<void> lease_from(std::size_t nth);
    [[nodiscard]] bool give_back_leases(std::size_t nth);
    [[nodiscard]] Result<void> leave_behind(std::size_t nth);
    [[nodiscard]] Result<void> copy(std::size_t nth);
    [[nodiscard]] Result<void> copy_whole(const Part& part);
    [[nodiscard]] Result<void> copy_rest(const Part& part);
    [[nodiscard]] Result<void> copy_range(const Part& part, FileId into, std::uint64_t offset);
    void copy_index(const Part& part);
    [[nodiscard]] std::optional<Sequence> first_sequence_of_copy() const;
    [[nodiscard]] Result<void> write_super_of_copy();
    [[nodiscard]] Result<void> copy_ledger(Ledger ledger);
    [[nodiscard]] Result<void> copy_types();
    [[nodiscard]] Error not_a_copy(const std::string& why) const;
    void show_progress(std::uint64_t more_bytes);

    FileStore& files_;
    std::string source_;
    std::string destination_;
    const BackupOptions& options_;
    std::function<bool()> ask_writer_runs_;
    bool writer_runs_ = false;
    BatchScan scan_;
    std::optional<SuperBlock> super_;
    std::vector<Part> parts_;
    std::size_t first_part_ = 0;  // with which the copy begins
    // Segments that are leased at a time: far below the usual limit of a thousand descriptors.
    std::size_t leased_ahead_ = 64;

    std::vector<std::uint64_t> copied_numbers_;  // segments of the destination, before
    std::optional<SuperBlock> copied_super_;
    std::optional<SegmentHeader> copied_newest_;
    LogPosition copied_end_;  // in that one
    BackupReport report_;
    std::uint64_t total_bytes_ = 0;
    std::uint64_t copied_so_far_bytes_ = 0;
};

}  // namespace tailrace::journal
