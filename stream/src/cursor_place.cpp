#include "journal_of_stream.hpp"
#include "record_salt.hpp"

#include <tailrace/bus/journal_board.hpp>
#include <tailrace/journal/inspect.hpp>
#include <tailrace/stream/cursor_place.hpp>
#include <tailrace/stream/stream_reader.hpp>

#include <algorithm>
#include <utility>

namespace tailrace::stream {

Result<CursorPlace> CursorPlace::of_stream(const std::string& stream,
                                           bus::RegionAccess access,
                                           const std::string& bus_directory) {
    auto region = bus::Region::open(stream, access, bus_directory);
    if (!region) return region.error();
    CursorPlace place;
    place.region_ = std::move(*region);
    place.directory_ = journal_directory_of(*place.region_);
    place.journal_id_ = recorded_journal_id(*place.region_);
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

Result<bool> CursorPlace::has_journal() const {
    return has_journal_in(directory_, journal_id_, region_ ? region_->name() : directory_);
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
    auto with_journal = has_journal();
    if (!with_journal) return with_journal.error();
    if (!*with_journal) return {};
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

std::optional<bus::CursorStatus> CursorPlace::ring_cursor(const std::string& name) const {
    if (!region_) return std::nullopt;
    for (bus::CursorStatus& cursor : bus::read_cursors(*region_)) {
        if (cursor.name == name) return std::move(cursor);
    }
    return std::nullopt;
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
    if (!region_) {
        if (const auto salt = salt_before(directory_, sequence))
            entry.record_salt = salt->value_or(0);
        return entry;
    }
    // Never ahead of what is durable; the keeper raises it as that goes on.
    entry.sequence = std::min(sequence, bus::durable_sequence(*region_));
    if (entry.sequence > region_->header().first_sequence)
        entry.record_salt = region_->header().salt;
    return entry;
}

// The keeper looks at what was written here, and tells the recorder what retention spares.
void CursorPlace::tell_keeper() const {
    if (region_) static_cast<void>(bus::CursorKeeping::ask(*region_));
}

// So that nobody begins to read the journal alone by it meanwhile. Whoever reads by it in the ring
// holds this too.
Result<FileLock> CursorPlace::lock_name(const std::string& name, bool is_owned_in_ring) const {
    if (is_owned_in_ring) return FileLock();
    return journal::lock_ledger_cursor(directory_, name);
}

Result<void> CursorPlace::move(const std::string& name,
                               Sequence sequence,
                               bool live,
                               bool& lost_names) {
    if (auto checked = bus::check_cursor_name(name); !checked) return checked;
    auto with_journal = has_journal();
    if (!with_journal) return with_journal.error();
    if (!*with_journal) return bus::move_cursor(*region_, name, sequence, live);
    const auto in_ring = ring_cursor(name);
    auto owned = lock_name(name, in_ring && in_ring->is_owned);
    if (!owned) return owned.error();
    auto lock = journal::LedgerLock::lock(directory_);
    if (!lock) return lock.error();
    auto ledger = open_ledger(*lock);
    if (!ledger) return ledger.error();
    lost_names = ledger->lost_names;
    journal::LedgerCursor entry = entry_for(name, sequence);
    if (const journal::LedgerCursor* const known = ledger->find(name))
        entry.hold_bytes = known->hold_bytes;
    if (region_) {
        if (auto moved = bus::move_cursor(*region_, name, sequence, live); !moved) return moved;
        if (!in_ring && entry.hold_bytes != 0) {
            auto held = bus::hold_for_cursor(*region_, name, entry.hold_bytes);
            if (!held) return held;
        }
    }
    ledger->put(entry);
    if (auto written = lock->write(*ledger); !written) return written;
    tell_keeper();
    return {};
}

Result<void> CursorPlace::remove(const std::string& name) {
    auto with_journal = has_journal();
    if (!with_journal) return with_journal.error();
    if (!*with_journal) return bus::remove_cursor(*region_, name);
    const auto in_ring = ring_cursor(name);
    auto owned = lock_name(name, in_ring && in_ring->is_owned);
    if (!owned) return owned.error();
    auto lock = journal::LedgerLock::lock(directory_);
    if (!lock) return lock.error();
    auto ledger = lock->read(journal_id_);
    if (!ledger) return ledger.error();
    if (in_ring) {
        if (auto removed = bus::remove_cursor(*region_, name); !removed) return removed;
    }
    const bool was_kept = ledger->remove(name);
    if (!in_ring && !was_kept) return not_found(name);
    if (was_kept) {
        if (auto written = lock->write(*ledger); !written) return written;
    }
    tell_keeper();
    return {};
}

Result<void> CursorPlace::hold(const std::string& name, std::uint64_t hold_bytes) {
    auto with_journal = has_journal();
    if (!with_journal) return with_journal.error();
    if (!*with_journal) {
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
    const bool is_in_ring = ring_cursor(name).has_value();
    if (known == nullptr && !is_in_ring) return not_found(name);
    if (is_in_ring) {
        if (auto held = bus::hold_for_cursor(*region_, name, hold_bytes); !held) return held;
    }
    if (known != nullptr) {
        journal::LedgerCursor entry = *known;
        entry.hold_bytes = hold_bytes;
        ledger->journal_id = journal_id_;
        ledger->put(entry);
        if (auto written = lock->write(*ledger); !written) return written;
    }
    tell_keeper();
    return {};
}

}  // namespace tailrace::stream
