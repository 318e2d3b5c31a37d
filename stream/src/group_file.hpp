// GroupFile: the file of a group in this process: made, opened, checked, and the words in it by
// name. Any thread; what its members say is immutable after open. Law: docs/groups.md, "The file".
#pragma once

#include <tailrace/base/mapping.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/base/unique_fd.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/stream/group_layout.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::stream {

// What the first member says of its group, and the others have to agree to.
struct GroupSettings {
    std::string dead_letters;
    std::uint64_t stall_ns = 0;
    std::uint64_t filter_print = 0;
    std::uint32_t window_events = 0;
    std::uint32_t max_tries = 0;
    std::uint32_t seats = 0;
};

// A seat at one moment. Who sits down there changes the turn before it takes any event, and who
// polls again the sign of life.
struct SeenSeat {
    std::uint64_t turn = 0;
    std::uint64_t progress_ns = 0;
    friend bool operator==(const SeenSeat&, const SeenSeat&) = default;

    [[nodiscard]] bool is_taken() const noexcept { return turn % 2 != 0; }
};

// As a cursor of the stream the group's floor outlives the file.
[[nodiscard]] std::string cursor_of_group(std::string_view group);
// Error invalid_argument.
[[nodiscard]] Result<void> check_group_name(std::string_view group);

class GroupFile {
public:
    // It appears under its name whole, or not at all; its floor and frontier are `floor`. Error
    // already_exists; no_space, no_permission.
    [[nodiscard]] static Result<void> create(const bus::Region& region,
                                             const std::string& group,
                                             const GroupSettings& settings,
                                             Sequence floor);
    // Errors: not_found; not_tailrace, truncated, corrupt, incompatible, stale (of another stream).
    [[nodiscard]] static Result<GroupFile> open(const bus::Region& region,
                                                const std::string& group,
                                                MapAccess access);
    // Names of all groups that have a file, sorted.
    [[nodiscard]] static std::vector<std::string> list(const bus::Region& region);

    [[nodiscard]] const std::string& group() const noexcept { return group_; }
    // A private copy, checked at open.
    [[nodiscard]] const GroupHeader& header() const noexcept { return header_; }
    [[nodiscard]] GroupSettings settings() const;
    [[nodiscard]] std::uint32_t window_events() const noexcept { return header_.window_events; }

    // Requires: opened to write, for anything that is written through these.
    [[nodiscard]] GroupShared& shared() const noexcept { return *shared_; }
    [[nodiscard]] GroupSeat& seat(std::uint32_t index) const noexcept { return seats_[index]; }
    [[nodiscard]] std::atomic<std::uint64_t>& unit(Sequence sequence) const noexcept {
        return units_[sequence % header_.window_events];
    }
    [[nodiscard]] std::uint64_t lap(Sequence sequence) const noexcept {
        return lap_of(sequence, header_.window_events);
    }

    [[nodiscard]] std::uint64_t load_unit(Sequence sequence) const noexcept {
        // [sync:group_unit] Acquire: what its last owner did before it let go of the event is seen
        // by who takes it.
        return unit(sequence).load(std::memory_order_acquire);
    }
    // The one way in which a word changes: from exactly what was seen. A word never comes to be
    // what it was before, but for one whose burial is tried again.
    [[nodiscard]] bool swap_unit(Sequence sequence,
                                 std::uint64_t from,
                                 std::uint64_t to) const noexcept {
        // [sync:group_unit] Release: as above. Relaxed when it fails: nothing is concluded.
        return unit(sequence).compare_exchange_strong(
            from, to, std::memory_order_acq_rel, std::memory_order_relaxed);
    }
    [[nodiscard]] Sequence load_floor() const noexcept {
        // [sync:group_floor] Acquire: the words below were done, so those of the next lap may be
        // taken.
        return shared_->floor.load(std::memory_order_acquire);
    }
    [[nodiscard]] Sequence load_frontier() const noexcept {
        // [sync:group_frontier] Acquire: nothing below is free any more.
        return shared_->frontier.load(std::memory_order_acquire);
    }
    [[nodiscard]] GroupLife life() const noexcept {
        // [sync:group_life] Acquire: a member's own lock is taken before it looks.
        return shared_->life.load(std::memory_order_acquire);
    }

    // For locks: a path that opens the same file again, also when it has lost its name.
    [[nodiscard]] std::string lock_path() const;
    [[nodiscard]] SeenSeat see(std::uint32_t seat) const noexcept {
        // [sync:group_seat] Acquire: whoever took an event there had written both before.
        const std::uint64_t turn = seats_[seat].turn.load(std::memory_order_acquire);
        // Relaxed: as the turn; a later sign of life is as good.
        return {turn, seats_[seat].progress_ns.load(std::memory_order_relaxed)};
    }
    // The kernel says that nobody sits there: the seat's lock is free, or its owner has ended (a
    // child that was cloned past all handlers may keep the lock). One system call, or some more.
    [[nodiscard]] bool is_deserted(std::uint32_t seat, bool asks_for_process = true) const noexcept;

    // Takes back what a seat has in its hands, to be handed out again. Each returns how many.
    // Requires: the seat's lock is the caller's.
    std::uint64_t take_back_own(std::uint32_t seat) const noexcept;
    // As long as nobody else has sat down there. Requires: it was found deserted behind `turn`.
    std::uint64_t take_back_of_dead(std::uint32_t seat, std::uint64_t turn) const noexcept;
    // As long as it gives no sign of life. Requires: it was found silent for too long.
    std::uint64_t take_back_of_silent(std::uint32_t seat, const SeenSeat& seen) const noexcept;

    // Takes the name away, if it is still this file's.
    void unlink(const bus::Region& region) const noexcept;

private:
    GroupFile() = default;

    template <typename Still>
    std::uint64_t take_back_while(std::uint32_t seat, Still&& still) const noexcept;

    std::string group_;
    GroupHeader header_{};
    UniqueFd fd_;
    Mapping mapping_;
    GroupShared* shared_ = nullptr;
    GroupSeat* seats_ = nullptr;
    std::atomic<std::uint64_t>* units_ = nullptr;
};

}  // namespace tailrace::stream
