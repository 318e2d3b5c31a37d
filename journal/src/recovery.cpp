#include "assessment.hpp"
#include "posix_files.hpp"
#include "segment_directory.hpp"

#include <tailrace/journal/recovery.hpp>
#include <tailrace/journal/writer.hpp>

namespace tailrace::journal {

Result<RecoveryReport> preview_recovery(const std::string& directory) noexcept {
    auto found = assess(posix_files(), directory, AssessMode::looking);
    if (!found) return found.error();
    if (found->segments.empty()) return no_journal(directory, found->super.has_value());
    return found->report;
}

Result<RecoveryReport> recover(const std::string& directory) noexcept {
    // Looks first, so that a directory without a journal doesn't become one.
    auto found = assess(posix_files(), directory, AssessMode::looking);
    if (!found) return found.error();
    if (found->segments.empty()) return no_journal(directory, found->super.has_value());

    JournalOptions options;
    options.directory = directory;
    options.event_alignment_bytes = found->newest().event_alignment_bytes;
    options.segment_size_bytes = found->newest().segment_size_bytes;
    auto writer = Writer::open(options);
    if (!writer) return writer.error();
    const RecoveryReport report = writer->recovery();
    if (auto closed = writer->close(); !closed) return closed.error();
    return report;
}

}  // namespace tailrace::journal
