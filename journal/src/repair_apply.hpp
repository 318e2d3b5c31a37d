// RepairWorker: carries out what RepairPlanner found. One thread, which holds the journal's lock.
//
// Crash story: everything is made aside, in the directory that keeps the old files, and flushed;
// the old file gets a second name there; then one rename puts the new one in its place. Before the
// rename the journal is as it was, after it that file is repaired, and no other file depends on it.
#pragma once

#include "aside_file.hpp"
#include "repair_plan.hpp"
#include "storage.hpp"

#include <tailrace/base/result.hpp>

#include <string>

namespace tailrace::journal {

class RepairWorker {
public:
    RepairWorker(FileStore& files, std::string directory, const RepairWork& work)
        : files_(files),
          directory_(std::move(directory)),
          work_(work) {}

    [[nodiscard]] Result<void> run();

private:
    [[nodiscard]] Result<void> make_kept_directory();
    [[nodiscard]] Result<void> write_note();
    [[nodiscard]] Result<void> make_segment(const SegmentRepair& segment);
    [[nodiscard]] Result<void> copy_content(const SegmentRepair& segment, FileId into);
    [[nodiscard]] Result<void> copy_range(SegmentContent& from,
                                          FileId into,
                                          const std::string& path,
                                          std::uint64_t offset,
                                          std::uint64_t end_offset);
    [[nodiscard]] Result<void> make_index(const SegmentRepair& segment);
    void make_catalogue();
    [[nodiscard]] Result<void> make_super();
    [[nodiscard]] Result<void> keep(const std::string& path);
    [[nodiscard]] Result<void> put_in_place(AsideFile& file, const std::string& path, bool has_old);
    [[nodiscard]] Result<void> replace(const std::string& path,
                                       std::span<const std::byte> bytes,
                                       bool has_old);
    [[nodiscard]] std::string aside(const std::string& path) const;
    [[nodiscard]] std::string kept(const std::string& path) const;

    FileStore& files_;
    std::string directory_;
    const RepairWork& work_;
};

}  // namespace tailrace::journal
