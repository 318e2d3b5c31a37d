// EventDiff: where two runs of events part. Old output against new, a backup against its original,
// a stream against its copy.
//
//     DiffInput a{StreamReader::attach("old", observing), end_of_old};
//     DiffInput b{StreamReader::open_journal(directory), end_of_new};
//     const auto counts = compare(a, b, {}, sink);     // sink is told each difference
//
// The i-th event of A is compared with the i-th of B: payload, type, key, event time. Sequences and
// publish times are not, and tombstones don't count. Events are compared by fingerprints (XXH3-64).
// Where two differ it looks up to a window ahead for where both go on alike, and tells the cheapest
// way from A to B: what it tells, applied to A, always gives B. A run that only one side has and
// that is longer than the window is told as changed events from there on.
// Law: docs/decisions/0037-diff-by-order-or-by-key.md.
//
// DiffPairing::by_key compares the events of each key by themselves, for runs whose interleaving
// differs. It keeps what has no partner yet, up to a bound.
//
// One thread. Memory: some windows of fingerprints, whatever the runs' length and their events'
// size; by key, 16 bytes for each event that waits.
#pragma once

#include <tailrace/base/event.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/stream/stream_reader.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <cstdint>
#include <memory>

namespace tailrace::stream {

enum class DiffSide : std::uint8_t { a, b };

enum class DiffPairing : std::uint8_t {
    by_order,  // the i-th with the i-th
    by_key,    // the i-th of a key with the i-th of that key; those without a key are one run
};

struct DiffOptions {
    DiffPairing pairing = DiffPairing::by_order;
    bool compares_type = true;
    bool compares_key = true;
    bool compares_event_time = true;
    std::uint32_t window_events = 1024;  // of each side; from 1 to 4096
    // By key: how many events may wait for their partner, of both sides together.
    std::uint64_t max_waiting_events = std::uint64_t{1} << 22U;
};

enum class DifferenceKind : std::uint8_t { changed, only_in_a, only_in_b };

// Of what only one side has, the other side's sequence is that of the event before which it would
// stand (by key: of the same key); kNoSequence: behind all of them.
struct Difference {
    DifferenceKind kind;
    Sequence a;
    Sequence b;
    friend bool operator==(const Difference&, const Difference&) = default;
};

struct DiffCounts {
    std::uint64_t same = 0;
    std::uint64_t changed = 0;
    std::uint64_t only_in_a = 0;
    std::uint64_t only_in_b = 0;
    std::uint64_t lost_in_a = 0;  // in gaps
    std::uint64_t lost_in_b = 0;

    [[nodiscard]] bool are_equal() const noexcept {
        return (changed | only_in_a | only_in_b | lost_in_a | lost_in_b) == 0;
    }
};

// Who is told. Each returns false to stop.
class DiffSink {
public:
    DiffSink() = default;
    DiffSink(const DiffSink&) = delete;
    DiffSink& operator=(const DiffSink&) = delete;
    virtual ~DiffSink() = default;

    // In the order of both sides; by key in the order in which they are decided.
    [[nodiscard]] virtual bool on_difference(const Difference& difference) = 0;
    // What a side can't give. Told when it is read, which is a little before its place.
    [[nodiscard]] virtual bool on_gap(DiffSide side, bus::Gap gap) = 0;
    // Now and then, for progress and stop signals.
    [[nodiscard]] virtual bool on_turn(const DiffCounts& /*counts*/) { return true; }
};

// For events from anywhere: add() what wanted() asks for, settle(), until is_finished().
class EventDiff {
public:
    // Requires: the sink outlives it.
    EventDiff(const DiffOptions& options, DiffSink& sink);
    EventDiff(EventDiff&&) noexcept;
    EventDiff& operator=(EventDiff&&) noexcept;
    EventDiff(const EventDiff&) = delete;
    EventDiff& operator=(const EventDiff&) = delete;
    ~EventDiff();

    // Requires: that side hasn't ended. The event isn't needed any more when add() returns.
    void add(DiffSide side, const Event& event);
    void add_gap(DiffSide side, bus::Gap gap);
    void end(DiffSide side);

    // Compares as far as it can be decided. Error too_large: by key, more than the bound wait.
    [[nodiscard]] Result<void> settle();

    // The side of which it needs more. Requires: not finished.
    [[nodiscard]] DiffSide wanted() const noexcept;
    // Both sides have ended and were settled, or the sink has stopped it.
    [[nodiscard]] bool is_finished() const noexcept;
    [[nodiscard]] const DiffCounts& counts() const noexcept;

private:
    class State;
    std::unique_ptr<State> state_;
};

// One side: from where the reader stands to `end`.
struct DiffInput {
    StreamReader reader;
    Sequence end;
};

// Compares what is there and never waits for more; for an event that its publisher hasn't finished
// it waits a second. Errors: those of the readers, too_large, timed_out for such an event, closed
// for a stream that was removed meanwhile.
[[nodiscard]] Result<DiffCounts> compare(DiffInput& a,
                                         DiffInput& b,
                                         const DiffOptions& options,
                                         DiffSink& sink);

// What two events differ in, whatever the options say.
struct EventDifference {
    bool type = false;
    bool key = false;
    bool event_time = false;
    bool payload = false;
    std::uint64_t first_byte = 0;  // of the payloads, that differs, or that only one has
};

[[nodiscard]] EventDifference difference_of(const Event& a, const Event& b) noexcept;

}  // namespace tailrace::stream
