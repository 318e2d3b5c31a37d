#include "lock_file.hpp"
#include "posix_files.hpp"
#include "repair_apply.hpp"

#include <tailrace/journal/repair.hpp>

namespace tailrace::journal {

std::string_view repair_kind_name(RepairKind kind) noexcept {
    switch (kind) {
        case RepairKind::mend_batches:
            return "mend_batches";
        case RepairKind::rebuild_header:
            return "rebuild_header";
        case RepairKind::replace_segment:
            return "replace_segment";
        case RepairKind::restore_size:
            return "restore_size";
        case RepairKind::rebuild_index:
            return "rebuild_index";
        case RepairKind::rebuild_catalogue:
            return "rebuild_catalogue";
        case RepairKind::rewrite_super:
            return "rewrite_super";
    }
    return "unknown";
}

Result<RepairPlan> plan_repair(const std::string& directory) noexcept {
    auto work = RepairPlanner(posix_files(), directory).run();
    if (!work) return work.error();
    return std::move(work->plan);
}

Result<RepairPlan> repair(const std::string& directory) noexcept {
    // Looks first, so that a directory without a journal doesn't get a LOCK.
    if (auto planned = plan_repair(directory); !planned) return planned.error();
    auto lock = lock_journal(directory);
    if (!lock) return lock.error();
    auto compressor = FileLock::try_lock(lock_path(directory), kCompressorByte);
    if (!compressor) return compressor.error();
    auto work = RepairPlanner(posix_files(), directory).run();
    if (!work) return work.error();
    if (auto done = RepairWorker(posix_files(), directory, *work).run(); !done) return done.error();
    return std::move(work->plan);
}

}  // namespace tailrace::journal
