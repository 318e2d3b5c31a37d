#include "posix_files.hpp"
#include "verify_core.hpp"

#include <tailrace/journal/verify.hpp>

#include <algorithm>

namespace tailrace::journal {

std::string_view finding_kind_name(FindingKind kind) noexcept {
    switch (kind) {
        case FindingKind::damaged_segment_header:
            return "damaged_segment_header";
        case FindingKind::missing_segment:
            return "missing_segment";
        case FindingKind::broken_chain:
            return "broken_chain";
        case FindingKind::truncated_segment:
            return "truncated_segment";
        case FindingKind::damaged_batch:
            return "damaged_batch";
        case FindingKind::damaged_event:
            return "damaged_event";
        case FindingKind::damaged_marker:
            return "damaged_marker";
        case FindingKind::lost_events:
            return "lost_events";
        case FindingKind::damaged_super:
            return "damaged_super";
        case FindingKind::damaged_index:
            return "damaged_index";
        case FindingKind::damaged_ledger:
            return "damaged_ledger";
        case FindingKind::damaged_schema:
            return "damaged_schema";
        case FindingKind::damaged_catalogue:
            return "damaged_catalogue";
        case FindingKind::dirty_padding:
            return "dirty_padding";
        case FindingKind::torn_tail:
            return "torn_tail";
        case FindingKind::foreign_file:
            return "foreign_file";
    }
    return "unknown";
}

bool is_damage(FindingKind kind) noexcept {
    switch (kind) {
        case FindingKind::damaged_segment_header:
        case FindingKind::missing_segment:
        case FindingKind::broken_chain:
        case FindingKind::truncated_segment:
        case FindingKind::damaged_batch:
        case FindingKind::damaged_event:
        case FindingKind::damaged_ledger:
        case FindingKind::damaged_schema:
            return true;
        case FindingKind::damaged_marker:
        case FindingKind::lost_events:
        case FindingKind::damaged_super:
        case FindingKind::damaged_index:
        case FindingKind::damaged_catalogue:
        case FindingKind::dirty_padding:
        case FindingKind::torn_tail:
        case FindingKind::foreign_file:
            return false;
    }
    return true;
}

bool VerifyReport::is_sound() const noexcept {
    return std::none_of(findings.begin(), findings.end(), [](const Finding& finding) {
        return is_damage(finding.kind);
    });
}

Result<VerifyReport> verify(const std::string& directory,
                            const VerifyProgress& progress,
                            std::uint32_t jobs) noexcept {
    return VerifyCore(posix_files(), directory, progress, jobs).run();
}

}  // namespace tailrace::journal
