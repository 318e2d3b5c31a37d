// What must hold after a crash: the part of CrashSimulation that the exhaustive search shares.

#include "assessment.hpp"
#include "crash_simulation.hpp"
#include "ledger_file.hpp"
#include "reader_core.hpp"
#include "verify_core.hpp"

#include <algorithm>

namespace tailrace::journal {

namespace {

std::string range_text(Sequence first, Sequence end) {
    return "[" + std::to_string(first) + ", " + std::to_string(end) + ")";
}

// Reads from `from` to the end, or to an error. What is read must be what was appended, and atomic
// batches whole: each of them fits into a disk batch.
std::string read_events(ReaderCore& reader,
                        const std::vector<std::uint64_t>& appended,
                        Sequence from,
                        Sequence& next,
                        std::optional<Error>& error) {
    next = from;
    bool continues = false;
    const auto whole = [&] {
        return continues ? "atomic: half a batch, up to " + std::to_string(next) : std::string();
    };
    while (true) {
        auto step = reader.next_batch();
        if (!step) {
            error = step.error();
            return whole();
        }
        if (step->kind == ReadKind::end) return whole();
        if (step->kind == ReadKind::gap) {
            if (continues) return whole();
            if (step->gap.first != next) return "prefix: a gap that begins elsewhere";
            for (std::uint64_t i = 0; i < step->gap.count; ++i, ++next) {
                if (next >= appended.size() || appended[next] != kGapTag) {
                    return "prefix: a gap where events were, at " + std::to_string(next);
                }
            }
            continue;
        }
        for (const Event& event : step->batch) {
            if (event.sequence() != next || next >= appended.size()) {
                return "prefix: sequence " + std::to_string(event.sequence()) + " instead of " +
                       std::to_string(next);
            }
            continues = event.continues_batch();
            const std::uint64_t tag = tag_of(event);
            if (tag == kWrongPayload) return "prefix: a payload that was never appended";
            if (tag != appended[next]) {
                return "dead: event " + std::to_string(next) + " of life " + std::to_string(tag) +
                       " instead of " + std::to_string(appended[next]);
            }
            ++next;
        }
    }
}

std::string check_reading(SimulatedDisk& disk, const CrashedJournal& journal, Sequence end) {
    auto reader = ReaderCore::open(disk, journal.directory);
    if (!reader) return "opens: a reader refused: " + reader.error().message;
    Sequence from = (*reader)->next_sequence();
    if (!journal.is_whole) {
        from = std::max(from, end - std::min<Sequence>(end, disk.random_below(64)));
        auto placed = (*reader)->seek_sequence(from);
        if (!placed) return "prefix: no seek to " + std::to_string(from);
    }
    Sequence next = from;
    std::optional<Error> error;
    std::string wrong = read_events(**reader, *journal.appended, from, next, error);
    if (!wrong.empty()) return wrong;
    if (error) return "kept: reading failed at " + std::to_string(next) + ": " + error->message;
    if (next < end) return "prefix: reading ends at " + std::to_string(next);
    if (next > end && (journal.is_exact || !disk.faults.refuse_holds))
        return "dead: reading goes on behind the end";
    return {};
}

std::string check_sound(SimulatedDisk& disk, const CrashedJournal& journal) {
    auto report = VerifyCore(disk, journal.directory, {}, 1).run();
    if (!report) return "opens: verify failed: " + report.error().message;
    for (const Finding& finding : report->findings) {
        if (is_damage(finding.kind)) return "kept: verify finds damage: " + finding.text;
    }
    return {};
}

}  // namespace

namespace {

std::string check_cursor(SimulatedDisk& disk, const CrashedJournal& journal, Sequence end) {
    const auto ledger = read_ledger(disk, journal.directory);
    if (!ledger) return "cursor: the ledger is refused: " + ledger.error().message;
    const LedgerCursor* const kept = ledger->find("reader");
    const Sequence stands = kept == nullptr ? 0 : kept->sequence;
    if (stands > end) {
        return "cursor: it stands at " + std::to_string(stands) + ", the log ends at " +
               std::to_string(end);
    }
    if (stands >= journal.kept_cursor) return {};
    return "cursor: it stands at " + std::to_string(stands) + ", though " +
           std::to_string(journal.kept_cursor) + " was durable";
}

}  // namespace

std::string check_crash(SimulatedDisk& disk,
                        const WriteLedger& ledger,
                        const CrashedJournal& journal,
                        Sequence& end) {
    const Outlook outlook = ledger.outlook(disk);
    auto found = assess(disk, journal.directory, AssessMode::deciding);
    if (!found) return "opens: refused after a mere crash: " + found.error().message;
    end = found->segments.empty() ? 0 : found->end.sequence;
    if (end < journal.acknowledged) {
        return "kept: recovered " + std::to_string(end) + " of " +
               std::to_string(journal.acknowledged) + " acknowledged events";
    }
    if (end > journal.appended->size()) return "prefix: more than was ever appended";
    if (std::string wrong = check_cursor(disk, journal, end); !wrong.empty()) return wrong;
    // Where there are locks, nothing is on its way any more once recovery has begun.
    if (journal.is_exact || !disk.faults.refuse_holds) {
        auto again = assess(disk, journal.directory, AssessMode::deciding);
        if (!again || again->end.sequence != found->end.sequence ||
            again->end.offset != found->end.offset) {
            return "idempotent: a second recovery finds another end";
        }
    }
    if (journal.is_exact) {
        if (outlook.has_segments != !found->segments.empty()) return "prefix: segments differ";
        if (outlook.has_segments && end != outlook.end) {
            return "prefix: recovered " + std::to_string(end) + ", but what was written is there " +
                   "up to " + std::to_string(outlook.end);
        }
        if (outlook.promised > end) {
            return "durable: " + std::to_string(outlook.promised) + " was promised on disk, " +
                   std::to_string(end) + " is there";
        }
    }
    if (found->segments.empty()) return {};
    if (journal.is_whole) {
        if (std::string wrong = check_sound(disk, journal); !wrong.empty()) return wrong;
    }
    return check_reading(disk, journal, end);
}

namespace {

// Whether a refused journal was left as it is.
std::string check_untouched(SimulatedDisk& disk, const CrashedJournal& journal) {
    const std::uint64_t before = disk.change_count();
    const auto writer =
        WriterCore::open(small_options(journal.directory), simulated_environment(disk));
    if (writer) return "untouched: refused once, opened the next time";
    if (disk.change_count() != before) return "untouched: a refused journal was written to";
    return {};
}

std::string check_damaged_reading(SimulatedDisk& disk,
                                  const WriteLedger& ledger,
                                  const CrashedJournal& journal) {
    const Reading expected = ledger.reading(disk);
    auto reader = ReaderCore::open(disk, journal.directory);
    if (!reader) return "range: a reader refused: " + reader.error().message;
    Sequence next = 0;
    std::optional<Error> error;
    std::string wrong =
        read_events(**reader, *journal.appended, (*reader)->next_sequence(), next, error);
    if (!wrong.empty()) return wrong;
    if (next != expected.end) {
        return "range: reading stops at " + std::to_string(next) + " instead of " +
               std::to_string(expected.end);
    }
    if (error.has_value() != expected.is_damaged) {
        return std::string("range: a reader ") +
               (error ? "was refused: " + error->message : std::string("was told nothing"));
    }
    if (!error) return {};
    const std::string range = range_text(expected.end, expected.damage_end);
    if (error->code != ErrorCode::corrupt || error->message.find(range) == std::string::npos) {
        return "range: expected " + range + ", a reader is told: " + error->message;
    }
    const auto report = VerifyCore(disk, journal.directory, {}, 1).run();
    if (!report) return "range: verify failed: " + report.error().message;
    if (expected.damage_end > expected.end && report->is_sound()) {
        return "range: verify finds nothing of " + range;
    }
    return {};
}

}  // namespace

std::string check_damage(SimulatedDisk& disk,
                         const WriteLedger& ledger,
                         const CrashedJournal& journal,
                         Sequence& end,
                         bool& refused) {
    const Outlook outlook = ledger.outlook(disk);
    auto found = assess(disk, journal.directory, AssessMode::deciding);
    refused = !found;
    if (!outlook.is_trusted) {
        // Lost names, headers and SUPER: refused or not, nothing false is handed out.
        if (refused) return check_untouched(disk, journal);
        end = found->segments.empty() ? 0 : found->end.sequence;
        return end <= journal.appended->size() ? "" : "prefix: more than was ever appended";
    }
    const bool is_expected = !outlook.is_clean && outlook.promised > outlook.end;
    if (!refused) {
        end = found->end.sequence;
        if (is_expected) {
            return "range: " + range_text(outlook.end, outlook.promised) + " is gone unnoticed";
        }
        if (end != outlook.end) return "prefix: recovered another end than what is there";
        return check_damaged_reading(disk, ledger, journal);
    }
    if (!is_expected) {
        // What lies before the newest segment may be missing or unreadable.
        const bool is_elsewhere =
            found.error().message.find("can't be read: segment") == std::string::npos;
        return is_elsewhere ? check_untouched(disk, journal)
                            : "range: refused without reason: " + found.error().message;
    }
    const std::string range = range_text(outlook.end, outlook.promised);
    if (found.error().code != ErrorCode::corrupt ||
        found.error().message.find(range) == std::string::npos) {
        return "range: expected " + range + ", told: " + found.error().message;
    }
    return check_untouched(disk, journal);
}

}  // namespace tailrace::journal
