// GroupMember: one of several processes that share the events of a stream among them.
//
//     auto member = GroupMember::join("jobs", {.group = "mailer", .dead_letters = "jobs.dead"});
//     for (;;) {
//         const auto handler = [](const Delivery& d) { send(d.event()); return Verdict::done; };
//         const GroupPoll result = member->poll_until(handler, 16, bus::Deadline::in_ms(100));
//         if (result.state == GroupState::lost) report(member->last_lost());
//     }
//
// Each event goes to one member, which says `done` when it has handled it. A member that dies with
// events in its hands (the kernel says so), or is silent for longer than stall_ns, loses them to
// the others: then an event is handed out again, alone, with a count of its tries. So each event is
// handled at least once; of two handlers that have it at least one finds tries() above 1, unless
// the machine was off in between. After max_tries it is buried: published to the stream of dead
// letters. What nobody can read any more is counted as lost and told. There is no coordinator: what
// the members know of each other is the file `group.NAME` beside the ring, one word for each event
// of a window.
//
// One thread at a time may use it, but for Lease. Law: docs/groups.md.
#pragma once

#include <tailrace/base/event.hpp>
#include <tailrace/base/position.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/bus/deadline.hpp>
#include <tailrace/bus/event_filter.hpp>
#include <tailrace/bus/subscriber.hpp>
#include <tailrace/bus/wait.hpp>
#include <tailrace/stream/stream_reader.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tailrace::stream {

inline constexpr std::uint64_t kNeverStalls = UINT64_MAX;
inline constexpr std::uint32_t kGroupSeats = 128;  // members at a time

struct GroupOptions {
    std::string group;            // follows the rules of a stream's name, up to 57 characters
    std::string name = "member";  // for tools
    // These the first member decides, for as long as the group has its file; the others agree.
    std::uint32_t window_events = 4096;  // in flight at a time; a power of two, 1024 to 65536
    std::uint32_t max_tries = 5;         // 2 to 1000
    // A member that holds events and hasn't polled for so long is taken for stuck. At least 10 ms.
    std::uint64_t stall_ns = 30'000'000'000;
    std::string dead_letters = {};  // a stream; empty: what is buried is counted, no more
    bus::EventFilter filter = {};   // what it doesn't let pass is nobody's work
    ReadLimit limit = ReadLimit::committed;
    // Where a group begins that the stream doesn't know yet.
    Position from = Position::start();
    // Each for itself. Without a journal a member holds publishers up at the oldest event that
    // isn't done; with one it reads as the policy spill.
    OnDamage on_damage = OnDamage::stop;
    bus::WaitStrategy wait = bus::WaitStrategy::adaptive;
    bool without_recorder = false;
    std::string bus_directory = {};      // empty: the default
    std::string journal_directory = {};  // empty: where the stream is recorded to
};

// What a handler says of an event.
enum class Verdict : std::uint8_t {
    done,   // handled: it never comes again
    again,  // not now, or not by this member: it is handed out again, to whoever comes first
    dead,   // it can't be handled: bury it
};

enum class GroupState : std::uint8_t {
    ok,          // `events` were handed out; there may be more
    idle,        // nothing to do (poll_until: the deadline passed)
    full,        // the window is full: the event at the floor is in flight, and others have to wait
    lost,        // events that nobody can read any more: last_lost() says which
    closed,      // the stream was removed
    removed,     // the group was removed, or moved: join anew
    failed,      // it can't be read, or dead letters can't be published: error() says why
    in_handler,  // refused: called from inside a handler
    dead_handle,  // this member was moved from, or is its parent's in a forked child
};

[[nodiscard]] std::string_view group_state_name(GroupState state) noexcept;

struct [[nodiscard]] GroupPoll {
    std::uint64_t events;  // handed to the handler
    GroupState state;
};

namespace detail {
struct GroupHand;
struct HandedUnit;
// A handler of any type, called by way of a plain function.
struct GroupHandler;
}  // namespace detail

class GroupCore;

// An event that stays in its member's hands when the handler returns. Any thread, one at a time;
// the event's bytes are gone by then. One that ends without a word is handed out again.
class Lease {
public:
    Lease() noexcept = default;
    Lease(Lease&& other) noexcept;
    Lease& operator=(Lease&& other) noexcept;
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease();

    [[nodiscard]] Sequence sequence() const noexcept { return sequence_; }
    // False: it was taken away meanwhile, or this is a forked child; somebody else handles it.
    bool done() noexcept;
    bool again() noexcept;

private:
    friend class Delivery;
    Lease(std::shared_ptr<detail::GroupHand> hand,
          Sequence sequence,
          std::uint64_t word,
          bool is_single) noexcept;
    bool finish(bool is_done) noexcept;

    std::shared_ptr<detail::GroupHand> hand_;  // null: finished
    Sequence sequence_ = kNoSequence;
    std::uint64_t word_ = 0;
    bool is_single_ = false;
};

// An event in its handler's hands. Valid until the handler returns.
class Delivery {
public:
    [[nodiscard]] const Event& event() const noexcept { return event_; }
    // 1: for the first time. More: somebody had it before, and may have handled it.
    [[nodiscard]] std::uint32_t tries() const noexcept { return tries_; }
    // Keeps it beyond the handler, whose verdict doesn't count then. An event that was handed out
    // before is alone in its member's hands: until the lease ends the member gets no other.
    [[nodiscard]] Lease hold() const;

private:
    friend class GroupCore;
    Delivery(const Event& event, std::uint32_t tries, detail::HandedUnit& unit) noexcept
        : event_(event),
          tries_(tries),
          unit_(unit) {}

    const Event& event_;
    std::uint32_t tries_;
    detail::HandedUnit& unit_;
};

namespace detail {
struct GroupHandler {
    void* context;
    Verdict (*call)(void* context, const Delivery& delivery);
};
}  // namespace detail

class GroupMember {
public:
    // Makes the group when there is none. One that is known from before the ring (its floor is kept
    // beside the journal) goes on from its floor. Errors: those of StreamReader::attach;
    // invalid_argument for options that can't work, and for those that the group has otherwise;
    // `busy` when all its seats are taken; not_found for the stream of dead letters; corrupt,
    // incompatible for its file.
    [[nodiscard]] static Result<GroupMember> join(const std::string& stream,
                                                  const GroupOptions& options);

    GroupMember(GroupMember&& other) noexcept;
    GroupMember& operator=(GroupMember&& other) noexcept;
    GroupMember(const GroupMember&) = delete;
    GroupMember& operator=(const GroupMember&) = delete;
    // Leaves: what it still holds is handed out again.
    ~GroupMember();

    // Hands up to `limit` events to `handler(const Delivery&)`, which returns a Verdict. So many
    // are in its hands at once, first those that are handed out again, each of these alone. Never
    // waits. If the handler throws, that event is handed out again, and the rest of what was in its
    // hands by the next call.
    template <typename Handler>
    GroupPoll poll(Handler&& handler, std::uint64_t limit) {
        return poll_until(handler, limit, bus::Deadline::at_once());
    }
    // The same, waiting for the first event.
    template <typename Handler>
    GroupPoll poll_until(Handler&& handler, std::uint64_t limit, bus::Deadline deadline) {
        const auto calling = [&handler](const Delivery& delivery) -> Verdict {
            return handler(delivery);
        };
        return poll_erased(erased(calling), limit, deadline);
    }
    // "I am at work": for handlers that take longer than stall_ns. From inside a handler too.
    void alive() noexcept;

    // Everything below is done, by all members.
    [[nodiscard]] Sequence floor() const noexcept;
    // [first, first + count) of the last `lost`.
    [[nodiscard]] bus::Gap last_lost() const noexcept;
    // Events that it had in its hands and that were taken away from it.
    [[nodiscard]] std::uint64_t lost_leases() const noexcept;
    [[nodiscard]] const Error& error() const noexcept;
    [[nodiscard]] bool is_dead() const noexcept;
    // Its seat in the group, as `tailrace group show` numbers them. Requires: not dead.
    [[nodiscard]] std::uint32_t seat() const noexcept;

private:
    explicit GroupMember(std::unique_ptr<GroupCore> core) noexcept;

    template <typename Handler>
    [[nodiscard]] static detail::GroupHandler erased(Handler& handler) noexcept {
        return {const_cast<void*>(static_cast<const void*>(&handler)),
                [](void* context, const Delivery& delivery) -> Verdict {
                    return (*static_cast<Handler*>(context))(delivery);
                }};
    }
    GroupPoll poll_erased(detail::GroupHandler handler,
                          std::uint64_t limit,
                          bus::Deadline deadline);

    std::unique_ptr<GroupCore> core_;
};

}  // namespace tailrace::stream
