// A StreamReader's cursor: where it resumes, what it notes, and being moved.

#include "journal_cursor.hpp"
#include "record_salt.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/journal/inspect.hpp>
#include <tailrace/journal/ledger.hpp>
#include <tailrace/stream/stream_reader.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tailrace::stream {

namespace {

// What is known of a cursor before it is taken.
struct Standing {
    Sequence sequence = 0;
    std::uint64_t record_salt = 0;  // of the event before it, where that has to be looked at
    std::uint64_t hold_bytes = 0;
};

// Who misspelt one sees what there is.
std::string few_of(std::vector<std::string> names) {
    constexpr std::size_t kMost = 8;
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    std::string text;
    for (std::size_t index = 0; index < std::min(names.size(), kMost); ++index)
        text += (index == 0 ? "'" : ", '") + names[index] + "'";
    return names.size() > kMost ? text + " and others" : text;
}

Error unknown_cursor(const std::string& place,
                     const std::string& name,
                     std::vector<std::string> known) {
    return make_error(ErrorCode::not_found,
                      "there is no cursor '" + name + "' in " + place +
                          (known.empty() ? "" : ": it has " + few_of(std::move(known))),
                      "tailrace cursor ls; or say where a new one begins");
}

std::vector<std::string> names_in_ledger(const std::string& directory,
                                         const std::array<std::uint64_t, 2>& journal_id) {
    std::vector<std::string> names;
    if (directory.empty()) return names;
    const auto ledger = journal::read_ledger(directory, journal_id);
    if (!ledger) return names;
    for (const journal::LedgerCursor& cursor : ledger->cursors)
        names.push_back(cursor.name);
    return names;
}

Error lost_cursor(const std::string& directory, const std::string& name) {
    return make_error(ErrorCode::corrupt,
                      "the ledger in '" + directory + "' was damaged, and the cursor '" + name +
                          "' may have been in it",
                      "tailrace cursor set NAME --to POS says where it stands");
}

// In the journal's ledger, when there is one. `journal_id`: of the journal that should be there;
// zeroes: none, as far as anybody knows.
Result<std::optional<Standing>> standing_in(const std::string& directory,
                                            const std::string& name,
                                            const std::array<std::uint64_t, 2>& journal_id) {
    std::optional<Standing> standing;
    if (directory.empty()) return standing;
    if (journal_id != std::array<std::uint64_t, 2>{}) {
        // Where it isn't nobody knows what cursors it has.
        auto log = journal::Reader::open(directory);
        if (!log) return log.error();
    }
    auto ledger = journal::read_ledger(directory, journal_id);
    if (!ledger) return ledger.error();
    if (const journal::LedgerCursor* const found = ledger->find(name)) {
        standing = Standing{found->sequence, found->record_salt, found->hold_bytes};
    } else if (ledger->lost_names) {
        return lost_cursor(directory, name);
    } else if (ledger->cursors.size() >= journal::kMaxLedgerCursors) {
        return journal::ledger_is_full(directory);
    }
    return standing;
}

// Somebody may have read the journal alone by it since the keeper wrote it, and come further.
void advance_from_ledger(const bus::Region& region,
                         bus::Cursor& cursor,
                         const std::string& directory,
                         Sequence kept_sequence) {
    if (directory.empty()) return;
    const auto ledger = journal::read_ledger(directory, bus::remembered_journal(region).id);
    // What can't be read says nothing; events come again then, and none is missed.
    if (!ledger) return;
    const journal::LedgerCursor* const known = ledger->find(cursor.name());
    if (known == nullptr || known->sequence <= cursor.sequence()) return;
    if (kept_sequence == known->sequence) return;  // it was moved back since
    if (known->sequence <= region.tail().sequence)
        static_cast<void>(cursor.commit(known->sequence));
}

Error moved_meanwhile(const std::string& name) {
    return make_error(ErrorCode::stale,
                      "somebody has moved the cursor '" + name + "'",
                      "poll: the reader goes there, and says so");
}

Error forgets(const StreamReaderOptions& options) {
    const bool observes = options.policy == bus::SlowPolicy::observe;
    return invalid_argument(
        std::string("a reader with the policy ") +
            (observes ? "observe leaves no trace" : "skip or evict forgets what leaves the ring") +
            ", so it has no cursor",
        "the policy spill, or gate");
}

}  // namespace

Result<StreamReader> StreamReader::attach_by_cursor(std::shared_ptr<bus::Region> region,
                                                    const StreamReaderOptions& options,
                                                    const std::string& directory) {
    if (options.policy != bus::SlowPolicy::spill && options.policy != bus::SlowPolicy::gate)
        return forgets(options);
    if (auto checked = bus::check_cursor_name(options.cursor); !checked) return checked.error();
    const auto cursors = bus::read_cursors(*region);
    const auto in_ring = std::find_if(cursors.begin(), cursors.end(), [&](const auto& cursor) {
        return cursor.name == options.cursor;
    });
    const bool is_in_ring = in_ring != cursors.end();
    const bool is_owned = is_in_ring && in_ring->is_owned;
    const Sequence kept_sequence = is_in_ring ? in_ring->kept_sequence : bus::kNotKept;
    std::optional<Standing> standing;
    if (!is_in_ring) {
        auto found = standing_in(directory, options.cursor, bus::remembered_journal(*region).id);
        if (!found) return found.error();
        standing = *found;
        if (!standing && !options.new_cursor_at) {
            auto known = names_in_ledger(directory, bus::remembered_journal(*region).id);
            for (const bus::CursorStatus& cursor : cursors)
                known.push_back(cursor.name);
            return unknown_cursor(
                "stream '" + region->name() + "'", options.cursor, std::move(known));
        }
    }
    // Nobody else reads the journal alone by it. Who may not lock there relies on the ring's lock.
    FileLock in_ledger;
    if (!directory.empty() && journal::is_journal(directory)) {
        auto locked = journal::lock_ledger_cursor(directory, options.cursor);
        if (!locked && locked.error().code == ErrorCode::busy && !is_owned) return locked.error();
        if (locked) in_ledger = std::move(*locked);
    }
    if (is_in_ring) {
        // First of all it becomes this reader's: nobody else moves it then.
        auto cursor = bus::Cursor::take(region, options.cursor, std::nullopt);
        if (!cursor) return cursor.error();
        advance_from_ledger(*region, *cursor, directory, kept_sequence);
        auto reader = attach_beside(region, options, directory, cursor->sequence());
        if (reader) {
            reader->keep_cursor(ReaderCursor(std::move(*cursor), std::move(in_ledger)), options);
        }
        return reader;
    }
    // It comes into the ring when it is known that its place can be read from.
    StreamReaderOptions fresh = options;
    if (!standing) fresh.from = *options.new_cursor_at;
    auto reader = attach_beside(
        region, fresh, directory, standing ? std::optional(standing->sequence) : std::nullopt);
    if (!reader) return reader;
    if (standing) {
        auto checked =
            reader->check_history(standing->sequence, standing->record_salt, options.cursor);
        if (!checked) return checked.error();
    }
    auto cursor = bus::Cursor::take(region, options.cursor, reader->next_sequence());
    if (!cursor) return cursor.error();
    if (standing && standing->hold_bytes != 0) {
        auto held = bus::hold_for_cursor(*region, options.cursor, standing->hold_bytes);
        if (!held) return held.error();
    }
    // Somebody may have made it, and left it, meanwhile.
    if (cursor->sequence() != reader->next_sequence()) {
        if (auto resumed = reader->resume_at(cursor->sequence()); !resumed) return resumed.error();
    }
    reader->keep_cursor(ReaderCursor(std::move(*cursor), std::move(in_ledger)), options);
    return reader;
}

// In a journal alone.
Result<void> StreamReader::take_journal_cursor(const StreamReaderOptions& options) {
    if (auto checked = bus::check_cursor_name(options.cursor); !checked) return checked;
    const std::array<std::uint64_t, 2> journal_id = log_->journal_id();
    // First of all it becomes this reader's: nobody else moves it then.
    auto lock = JournalCursor::lock(directory_, options.cursor);
    if (!lock) return lock.error();
    auto found = standing_in(directory_, options.cursor, journal_id);
    if (!found) return found.error();
    if (!*found && !options.new_cursor_at) {
        return unknown_cursor(
            "'" + directory_ + "'", options.cursor, names_in_ledger(directory_, journal_id));
    }
    if (!*found) {
        if (auto went = go_to(*options.new_cursor_at); !went) return went;
    } else {
        const Standing standing = **found;
        if (auto resumed = resume_at(standing.sequence); !resumed) return resumed;
        auto checked = check_history(standing.sequence, standing.record_salt, options.cursor);
        if (!checked) return checked;
    }
    journal::LedgerCursor entry;
    entry.name = options.cursor;
    entry.sequence = next_sequence();
    if (*found) {
        entry.record_salt = (*found)->record_salt;
    } else if (const auto salt = salt_before(directory_, entry.sequence)) {
        entry.record_salt = salt->value_or(0);
    }
    auto cursor = JournalCursor::take(directory_, journal_id, std::move(entry), std::move(*lock));
    if (!cursor) return cursor.error();
    keep_cursor(ReaderCursor(std::move(*cursor)), options);
    return {};
}

void StreamReader::keep_cursor(ReaderCursor cursor, const StreamReaderOptions& options) {
    cursor_.emplace(std::move(cursor));
    commit_mode_ = options.commit;
    commits_itself_ = options.commit != CommitMode::manual;
    commit_interval_ns_ = options.commit_interval_ns;
    stay(source_);
}

// What was taken away from before it meanwhile is told by the next poll, as any gap.
Result<void> StreamReader::resume_at(Sequence sequence) {
    auto went = go_to_sequence(sequence);
    if (went || went.error().code != ErrorCode::sequence_gone) {
        if (!went && went.error().code == ErrorCode::sequence_ahead) {
            went.error().hint =
                "was the stream made anew, or an older copy of its journal put back? tailrace "
                "cursor set says where to go on";
        }
        return went;
    }
    stay(Source::journal);
    next_ = sequence;
    if (!ring_) return log_->seek_sequence(log_->first_sequence());
    static_cast<void>(enter_journal(sequence, bus::kNoPosition));
    log_.reset();
    return {};
}

// Whether the event before a cursor that comes from a ledger is the one that it was then. What
// isn't there any more was durable, and is of this history.
Result<void> StreamReader::check_history(Sequence sequence,
                                         std::uint64_t record_salt,
                                         const std::string& cursor) {
    if (record_salt == 0 || sequence == 0) return {};
    if (ring_ && sequence > ring_->region().header().first_sequence &&
        ring_->region().header().salt == record_salt) {
        return {};
    }
    const auto found = salt_before(directory_, sequence);
    if (!found) return found.error();
    if (!*found || **found == record_salt) return {};
    return make_error(ErrorCode::stale,
                      "the cursor '" + cursor + "' stands behind an event " +
                          std::to_string(sequence - 1) + " of another history than that in '" +
                          directory_ + "'",
                      "was another copy of the journal put back? tailrace cursor set says where "
                      "to go on");
}

// --- while it reads

void StreamReader::note_poll() noexcept {
    if (cursor_->sequence() == next_sequence() && cursor_->trouble() == nullptr) return;
    if (commit_mode_ == CommitMode::interval) {
        const std::uint64_t now_ns = monotonic_ns();
        if (now_ns < next_commit_ns_) return;
        next_commit_ns_ = now_ns + commit_interval_ns_;
    }
    note(next_sequence());
}

// It noted nothing: it was moved, couldn't be written, or is dead.
void StreamReader::look_for_move() noexcept {
    if (cursor_->is_dead()) return;
    is_move_pending_ = is_move_pending_ || cursor_->is_moved();
    is_in_trouble_ = is_in_trouble_ || cursor_->trouble() != nullptr;
    stay(source_);
}

// Once for each commit that couldn't be written; reading goes on with the next poll.
bus::PollState StreamReader::tell_cursor_trouble() {
    is_in_trouble_ = false;
    stay(source_);
    if (cursor_->trouble() == nullptr) return bus::PollState::ok;
    error_ = *cursor_->trouble();
    return bus::PollState::failed;
}

// Until it is there the move stays: asked again, it tries again.
bus::PollState StreamReader::go_where_moved() {
    for (;;) {
        const Sequence to = cursor_->moved_to();
        rest_ = {};
        if (auto resumed = resume_at(to); !resumed) {
            stay(source_);
            return fail(resumed.error());
        }
        if (cursor_->accept_move() == to) break;
    }
    is_move_pending_ = false;
    stay(source_);
    return bus::PollState::moved;
}

Result<void> StreamReader::commit(Sequence sequence) {
    if (!cursor_ || is_dead() || cursor_->is_dead()) {
        return invalid_argument("this reader has no cursor, or is dead",
                                "attach with StreamReaderOptions::cursor");
    }
    const bool is_in_handler = in_handler_ || (ring_ && ring_->is_in_handler());
    const Sequence next = next_sequence();
    if (!is_in_handler && sequence > next) {
        return make_error(ErrorCode::sequence_ahead,
                          "the cursor '" + cursor_->name() + "' can't go to " +
                              std::to_string(sequence) + ": only what is below " +
                              std::to_string(next) + " has been handed over",
                          "commit what is done, or move it: tailrace cursor set");
    }
    note(sequence);
    if (is_move_pending_) return moved_meanwhile(cursor_->name());
    if (const Error* const trouble = cursor_->trouble()) return *trouble;
    return {};
}

Result<void> StreamReader::commit_durable(bus::Deadline deadline) {
    if (!cursor_ || is_dead() || cursor_->is_dead()) {
        return invalid_argument("this reader has no cursor, or is dead",
                                "attach with StreamReaderOptions::cursor");
    }
    commit();
    if (is_move_pending_) return moved_meanwhile(cursor_->name());
    if (!ring_) return cursor_->write_to_journal();
    if (directory_.empty()) {
        return invalid_argument("stream '" + region().name() +
                                    "' has no journal, so a cursor is nowhere but in its memory",
                                "tailrace record " + region().name());
    }
    const Sequence done = cursor_->sequence();
    // What was never durable holds nobody up: the cursor is behind it all the same.
    durable_wait_.told = done == 0 ? 0 : done - 1;
    auto waited = bus::wait_durable_behind(region(), durable_wait_, done, deadline);
    if (!waited && waited.error().code != ErrorCode::sequence_gone) return waited;
    return bus::wait_kept(region(), kept_wait_, deadline);
}

}  // namespace tailrace::stream
