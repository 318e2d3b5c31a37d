// CursorPlace: the cursors of a stream, in its ring and in its journal's ledger, for whoever looks
// after them: list, move, remove, hold. One thread; cold.
//
// Where both know a cursor the ring's place counts: a reader commits there. A change is made in
// both, under the ledger's lock, so that the recorder's keeper doesn't put back what was removed.
#pragma once

#include <tailrace/base/position.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/bus/cursor.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/journal/ledger.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tailrace::stream {

class CursorPlace {
public:
    // Of a stream; its journal, if any, is where the ring says that it is recorded.
    [[nodiscard]] static Result<CursorPlace> of_stream(const std::string& stream,
                                                       bus::RegionAccess access,
                                                       const std::string& bus_directory = {});
    // Of a journal whose ring is not there.
    [[nodiscard]] static Result<CursorPlace> of_journal(const std::string& directory);

    // The journal's; empty: none.
    [[nodiscard]] const std::string& journal_directory() const noexcept { return directory_; }

    // Behind the newest event.
    [[nodiscard]] Result<Sequence> end_sequence() const;

    // Sorted by name. Errors: those of journal::read_ledger; then the ring's are in `known`.
    [[nodiscard]] Result<void> list(std::vector<bus::CursorStatus>& known) const;

    // Where `position` leads. Error sequence_ahead: nothing is there yet.
    [[nodiscard]] Result<Sequence> resolve(const Position& position) const;

    // Each is durable when it returns, if the stream has a journal. Errors: those of
    // bus::move_cursor and so on; no_permission for the ledger.
    // A ledger that is damaged is made anew; then `lost_names` says so.
    [[nodiscard]] Result<void> move(const std::string& name,
                                    Sequence sequence,
                                    bool live,
                                    bool& lost_names);
    [[nodiscard]] Result<void> remove(const std::string& name);
    // 0: it holds nothing back any more.
    [[nodiscard]] Result<void> hold(const std::string& name, std::uint64_t hold_bytes);

private:
    CursorPlace() = default;

    [[nodiscard]] std::optional<bus::CursorStatus> ring_cursor(const std::string& name) const;
    [[nodiscard]] Result<bool> has_journal() const;
    [[nodiscard]] Result<FileLock> lock_name(const std::string& name, bool is_owned_in_ring) const;
    void tell_keeper() const;
    [[nodiscard]] Result<journal::Ledger> open_ledger(const journal::LedgerLock& lock) const;
    [[nodiscard]] journal::LedgerCursor entry_for(const std::string& name, Sequence sequence) const;
    [[nodiscard]] Error not_found(const std::string& name) const;

    std::shared_ptr<bus::Region> region_;  // null: a journal alone
    std::string directory_;
    std::array<std::uint64_t, 2> journal_id_{};
};

}  // namespace tailrace::stream
