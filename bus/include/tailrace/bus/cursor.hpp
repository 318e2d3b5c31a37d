// Cursor: a named place in a stream that outlives whoever reads by it.
//
//     auto cursor = Cursor::take(region, "risk", Sequence{0});
//     // ... use the events from cursor->sequence() on ...
//     cursor->commit(next);
//
// A commit is one store into shared memory: it survives the death of every process, and costs no
// system call. While the stream is recorded, a keeper in the recorder's process writes all cursors
// to the disk ten times a second, five times after a pause, and at once for whoever waits
// (wait_kept). One owner at a time, proven by a lock that dies with it. One thread per Cursor.
// Law: docs/durability.md, "Cursors".
#pragma once

#include <tailrace/base/file_lock.hpp>
#include <tailrace/base/home_process.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/bus/deadline.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/bus/wait.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::bus {

// A cursor's name follows the rules of a stream's.
[[nodiscard]] Result<void> check_cursor_name(std::string_view name);

// For whom it is nowhere on the disk.
inline constexpr Sequence kNotKept = kNoSequence;

struct CursorStatus {
    std::string name;
    Sequence sequence = 0;  // everything below is done; where it was moved to counts at once
    Sequence kept_sequence = kNotKept;   // as it is on the disk
    std::uint64_t hold_bytes = 0;        // of the journal that it may hold back
    bool is_owned = false;               // somebody alive reads by it
    std::uint32_t pid = 0;               // of the owner, or of the last one
    std::optional<Sequence> moved_to{};  // its owner hasn't seen it yet
};

// All of a stream's, in no order. For tools: they may change meanwhile. A system call for each.
[[nodiscard]] std::vector<CursorStatus> read_cursors(const Region& region);

class Cursor {
public:
    // Takes the cursor, and makes it at `otherwise` when there is none. Errors: `busy` with the pid
    // of its owner, not_found when there is none and nothing was said otherwise, no_space when all
    // of the stream's are in use. Requires: the region isn't open to observe.
    [[nodiscard]] static Result<Cursor> take(std::shared_ptr<Region> region,
                                             const std::string& name,
                                             std::optional<Sequence> otherwise);

    Cursor(Cursor&& other) noexcept;
    Cursor& operator=(Cursor&& other) noexcept;
    Cursor(const Cursor&) = delete;
    Cursor& operator=(const Cursor&) = delete;
    // Gives it back. It stays where it is.
    ~Cursor();

    [[nodiscard]] bool is_dead() const noexcept { return slot_ == nullptr || !home_.is_here(); }
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    // Requires, as for what follows: it isn't dead.
    [[nodiscard]] Sequence sequence() const noexcept {
        // Relaxed: its owner alone writes it.
        return slot_->sequence.load(std::memory_order_relaxed);
    }

    // Everything below is done. False, and nothing was stored: somebody has moved the cursor
    // (accept_move() comes first), or this is a forked child and it is the parent's.
    bool commit(Sequence sequence) noexcept {
        if (is_dead() || is_moved()) [[unlikely]]
            return false;
        // [sync:cursor_committed] Release: what was done before it is seen by whoever resumes here.
        slot_->sequence.store(sequence, std::memory_order_release);
        return true;
    }

    // Whether somebody else has moved it since.
    [[nodiscard]] bool is_moved() const noexcept {
        // Relaxed: a move that comes at the same time is found by the next look.
        return slot_->moves.load(std::memory_order_relaxed) != seen_moves_;
    }
    // Where it was moved to. Requires: is_moved().
    [[nodiscard]] Sequence moved_to() const noexcept;
    // Stands where it was moved to by then, and says where that is.
    Sequence accept_move() noexcept;

private:
    Cursor(std::shared_ptr<Region> region,
           FileLock lock,
           CursorSlot& slot,
           std::string name) noexcept;
    void give_back() noexcept;

    std::shared_ptr<Region> region_;
    FileLock lock_;
    HomeProcess home_;
    CursorSlot* slot_ = nullptr;  // null after a move
    std::uint32_t seen_moves_ = 0;
    std::string name_;
};

// By whoever isn't its owner. Each waits for the stream's registry lock.

// Moves a cursor, and makes it when there is none. `live`: although somebody reads by it, who goes
// there with its next commit; else that is `busy`. Error no_space: all are in use.
[[nodiscard]] Result<void> move_cursor(const Region& region,
                                       const std::string& name,
                                       Sequence sequence,
                                       bool live);
// Error not_found; `busy` while somebody reads by it.
[[nodiscard]] Result<void> remove_cursor(const Region& region, const std::string& name);
// How much of the journal it may hold back; 0: nothing. Error not_found.
[[nodiscard]] Result<void> hold_for_cursor(const Region& region,
                                           const std::string& name,
                                           std::uint64_t hold_bytes);

// Waits until every cursor's place as of this moment is on the disk, as far as its events are
// durable. Errors: timed_out, no_writer, io_failure when the keeper can't write, `closed`.
// Requires: the region isn't open to observe.
[[nodiscard]] Result<void> wait_kept(const Region& region, Deadline deadline);
// The same; `wait` has learned how long that takes, and learns on (its `told` isn't used).
[[nodiscard]] Result<void> wait_kept(const Region& region, DurableWait& wait, Deadline deadline);

// The keeper's side: one thread of the journal writer's process.
struct CursorToKeep {
    std::uint32_t slot_index = 0;
    std::string name;
    Sequence sequence = 0;
    Sequence kept_sequence = kNotKept;  // as the keeper wrote it last
    std::uint64_t hold_bytes = 0;
    bool is_owned = false;  // as far as its slot says
};

class CursorKeeping {
public:
    explicit CursorKeeping(const Region& region) noexcept : region_(&region) {}

    // Whether the stream has, or had, any cursor. One load.
    [[nodiscard]] static bool has_any(const Region& region) noexcept;
    // Sleeps until somebody asks for a round, or for that long.
    void wait(std::uint64_t timeout_ns) noexcept;
    // Asks for a round, as whoever waits for one does. Returns its number.
    static std::uint32_t ask(const Region& region) noexcept;
    // Ends its wait without one.
    static void wake(const Region& region) noexcept;

    // Begins a round. No cursor is further than `durable_sequence`.
    [[nodiscard]] std::vector<CursorToKeep> collect(Sequence durable_sequence);
    // Somebody waits for this round.
    [[nodiscard]] bool is_wanted() const noexcept;
    // It is on the disk; or there was nothing new.
    void kept(const std::vector<CursorToKeep>& cursors) noexcept;
    void failed(int os_errno) noexcept;

private:
    const Region* region_;
    std::uint32_t answering_ = 0;
    std::uint32_t answered_ = 0;
};

}  // namespace tailrace::bus
