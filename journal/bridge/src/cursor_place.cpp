#include "journal_of_stream.hpp"

#include <tailrace/bridge/cursor_place.hpp>
#include <tailrace/bridge/stream_reader.hpp>
#include <tailrace/bus/journal_board.hpp>
#include <tailrace/journal/inspect.hpp>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace tailrace::bridge {

Result<CursorPlace> CursorPlace::of_stream(const std::string& stream,
                                           bus::RegionAccess access,
                                           const std::string& bus_directory) {
    auto region = bus::Region::open(stream, access, bus_directory);
    if (!region) return region.error();
    CursorPlace place;
    place.region_ = std::move(*region);
    place.directory_ = journal_directory_of(*place.region_);
    place.journal_id_ = bus::remembered_journal(*place.region_).id;
    return place;
}

Result<CursorPlace> CursorPlace::of_journal(const std::string& directory) {
    auto log = journal::Reader::open(directory);
    if (!log) return log.error();
    CursorPlace place;
    place.directory_ = directory;
    place.journal_id_ = log->journal_id();
    return place;
}

Error CursorPlace::not_found(const std::string& name) const {
    const std::string where =
        region_ ? "stream '" + region_->name() + "'" : "the journal '" + directory_ + "'";
    return make_error(ErrorCode::not_found,
                      where + " has no cursor '" + name + "'",
                      "tailrace cursor ls " + (region_ ? region_->name() : directory_));
}

// One that may not be looked at counts as one: what is done without it would come back.
bool CursorPlace::has_journal() const {
    if (directory_.empty()) return false;
    if (journal::is_journal(directory_)) return true;
    return ::access(directory_.c_str(), R_OK | X_OK) != 0 && errno == EACCES;
}

Result<Sequence> CursorPlace::end_sequence() const {
    if (region_) return region_->tail().sequence;
    auto log = journal::Reader::open(directory_);
    if (!log) return log.error();
    return log->end_sequence();
}

Result<void> CursorPlace::list(std::vector<bus::CursorStatus>& known) const {
    known.clear();
    if (region_) known = bus::read_cursors(*region_);
    const auto sort = [&] {
        std::sort(known.begin(), known.end(), [](const auto& a, const auto& b) {
            return a.name < b.name;
        });
    };
    sort();
    if (directory_.empty()) return {};
    auto ledger = journal::read_ledger(directory_, journal_id_);
    if (!ledger) return ledger.error();
    for (const journal::LedgerCursor& kept : ledger->cursors) {
        const auto found = std::find_if(known.begin(), known.end(), [&](const auto& cursor) {
            return cursor.name == kept.name;
        });
        if (found != known.end()) {
            found->kept_sequence = kept.sequence;
            continue;
        }
        bus::CursorStatus cursor;
        cursor.name = kept.name;
        cursor.sequence = kept.sequence;
        cursor.kept_sequence = kept.sequence;
        cursor.hold_bytes = kept.hold_bytes;
        known.push_back(std::move(cursor));
    }
    sort();
    return {};
}

Result<Sequence> CursorPlace::resolve(const Position& position) const {
    StreamReaderOptions options;
    options.from = position;
    options.policy = bus::SlowPolicy::observe;
    auto reader = region_ ? StreamReader::attach(region_, options)
                          : StreamReader::open_journal(directory_, options);
    if (!reader) return reader.error();
    return reader->next_sequence();
}

bool CursorPlace::has_ring_cursor(const std::string& name) const {
    if (!region_) return false;
    const auto cursors = bus::read_cursors(*region_);
    return std::any_of(
        cursors.begin(), cursors.end(), [&](const auto& cursor) { return cursor.name == name; });
}

// One that is damaged is made anew here, and says so for as long as it lives.
Result<journal::Ledger> CursorPlace::open_ledger(const journal::LedgerLock& lock) const {
    auto ledger = lock.read(journal_id_);
    if (!ledger && ledger.error().code == ErrorCode::corrupt)
        return journal::LedgerLock::made_anew(journal_id_);
    if (ledger) ledger->journal_id = journal_id_;
    return ledger;
}

journal::LedgerCursor CursorPlace::entry_for(const std::string& name, Sequence sequence) const {
    journal::LedgerCursor entry;
    entry.name = name;
    entry.sequence = sequence;
    if (!region_) return entry;
    // Never ahead of what is durable; the keeper raises it as that goes on.
    entry.sequence = std::min(sequence, bus::durable_sequence(*region_));
    if (entry.sequence > region_->header().first_sequence)
        entry.record_salt = region_->header().salt;
    return entry;
}

Result<void> CursorPlace::move(const std::string& name,
                               Sequence sequence,
                               bool live,
                               bool& lost_names) {
    if (auto checked = bus::check_cursor_name(name); !checked) return checked;
    if (!has_journal()) return bus::move_cursor(*region_, name, sequence, live);
    auto lock = journal::LedgerLock::lock(directory_);
    if (!lock) return lock.error();
    auto ledger = open_ledger(*lock);
    if (!ledger) return ledger.error();
    lost_names = ledger->lost_names;
    journal::LedgerCursor entry = entry_for(name, sequence);
    const journal::LedgerCursor* const known = ledger->find(name);
    if (known != nullptr) entry.hold_bytes = known->hold_bytes;
    if (region_) {
        const bool is_new = !has_ring_cursor(name);
        if (auto moved = bus::move_cursor(*region_, name, sequence, live); !moved) return moved;
        if (is_new && entry.hold_bytes != 0) {
            auto held = bus::hold_for_cursor(*region_, name, entry.hold_bytes);
            if (!held) return held;
        }
        const auto cursors = bus::read_cursors(*region_);
        const bool waits_for_owner =
            std::any_of(cursors.begin(), cursors.end(), [&](const auto& cursor) {
                return cursor.name == name && cursor.moved_to.has_value();
            });
        // Its owner hasn't gone there yet: until then it stands where it stood.
        if (waits_for_owner) return {};
    } else {
        auto owned = journal::lock_ledger_cursor(directory_, name);
        if (!owned) return owned.error();
    }
    ledger->put(entry);
    return lock->write(*ledger);
}

Result<void> CursorPlace::remove(const std::string& name) {
    bool was_there = false;
    const auto remove_from_ring = [&]() -> Result<void> {
        if (!region_) return {};
        auto removed = bus::remove_cursor(*region_, name);
        was_there = removed.has_value();
        if (!removed && removed.error().code != ErrorCode::not_found) return removed;
        return {};
    };
    if (!has_journal()) {
        if (auto removed = remove_from_ring(); !removed) return removed;
        return was_there ? Result<void>() : Result<void>(not_found(name));
    }
    auto lock = journal::LedgerLock::lock(directory_);
    if (!lock) return lock.error();
    auto ledger = lock->read(journal_id_);
    if (!ledger) return ledger.error();
    if (!region_) {
        auto owned = journal::lock_ledger_cursor(directory_, name);
        if (!owned) return owned.error();
    }
    if (auto removed = remove_from_ring(); !removed) return removed;
    if (!ledger->remove(name)) return was_there ? Result<void>() : Result<void>(not_found(name));
    return lock->write(*ledger);
}

Result<void> CursorPlace::hold(const std::string& name, std::uint64_t hold_bytes) {
    if (!has_journal()) {
        return invalid_argument(region_ ? "stream '" + region_->name() +
                                              "' has no journal, so there is nothing to hold back"
                                        : "there is no journal in '" + directory_ + "'",
                                region_ ? "tailrace record " + region_->name() : "tailrace ls");
    }
    auto lock = journal::LedgerLock::lock(directory_);
    if (!lock) return lock.error();
    auto ledger = lock->read(journal_id_);
    if (!ledger) return ledger.error();
    const journal::LedgerCursor* const known = ledger->find(name);
    const bool is_in_ring = has_ring_cursor(name);
    if (known == nullptr && !is_in_ring) return not_found(name);
    if (is_in_ring) {
        if (auto held = bus::hold_for_cursor(*region_, name, hold_bytes); !held) return held;
    } else if (region_) {
        // A recorder that runs is told of it by its keeper, which looks at the ring's.
        auto moved = bus::move_cursor(*region_, name, known->sequence, false);
        if (!moved) return moved;
        if (auto held = bus::hold_for_cursor(*region_, name, hold_bytes); !held) return held;
    }
    if (known == nullptr) return {};  // not kept yet: the keeper writes both
    journal::LedgerCursor entry = *known;
    entry.hold_bytes = hold_bytes;
    ledger->journal_id = journal_id_;
    ledger->put(entry);
    return lock->write(*ledger);
}

}  // namespace tailrace::bridge
