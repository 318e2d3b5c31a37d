// TailStream: one of the streams that `tailrace tail` reads: its reader, and where its end is.
#pragma once

#include "tail_flags.hpp"

#include <tailrace/base/event.hpp>
#include <tailrace/base/position.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/stream/stream_reader.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace tailrace::tool {

// Where reading ends: before a sequence, or before the first event of a time that nothing had
// reached when it began. One thread.
class TailEnd {
public:
    explicit TailEnd(Boundary boundary) noexcept : boundary_(boundary) {}

    // Whether this event, and so each one after it, lies behind the end.
    [[nodiscard]] bool is_behind(const Event& event) noexcept;
    // Whether nothing that comes next can lie before it. A time also ends when it has come and
    // nothing more was published: `is_idle`.
    [[nodiscard]] bool is_reached(Sequence next, bool is_idle) const noexcept;

private:
    Boundary boundary_;
    std::uint64_t latest_ns_ = 0;  // times beyond it are of a wrong clock
};

// Sequences that won't come, as a reader is told of them.
struct TailGap {
    bus::Gap range{kNoSequence, 0};
    bool is_damage = false;  // they were journaled, and damage took them

    // As EventPrinter::print_gap has it.
    [[nodiscard]] std::string_view kind() const noexcept { return is_damage ? "lost" : ""; }
};

struct TailStream {
    std::string name;
    stream::StreamReader reader;
    TailEnd end;
    std::shared_ptr<TypedView> view;  // never null
    bool has_ring = true;             // false: a journal is read, up to what is its end now
    TailGap gap_before = {};          // what it lacks before its first event; none: nothing
    bool was_evicted = false;
    bool is_stalled = false;

    // What the state of a poll means for its reader. Tells once why nothing more comes: somebody
    // has removed the stream, or nothing becomes durable. False: it is over. The flags are those it
    // was opened with. Errors: nothing more can be read.
    [[nodiscard]] Result<bool> heed(const TailFlags& flags, bus::PollState state);
    // Behind the state `gap`: which. Nothing: it was evicted, which is told, and has lost nothing.
    [[nodiscard]] std::optional<TailGap> take_gap(const TailFlags& flags);
};

// As the flags say. Errors: those of StreamReader::attach, and of flags that contradict each other.
[[nodiscard]] Result<TailStream> open_tail(const TailFlags& flags,
                                           const std::string& stream,
                                           TypesDue types_due = TypesDue::now);

// The same of a stream that has come while others were read: from its first event on.
[[nodiscard]] Result<TailStream> open_late_tail(const TailFlags& flags, const std::string& stream);

// The same of a journal alone; of the flags the place, the end and the filter count.
[[nodiscard]] Result<TailStream> open_journal_tail(const TailFlags& flags,
                                                   const std::string& directory);

// Which events the flags want. Error: a partition that is none.
[[nodiscard]] Result<bus::EventFilter> filter_of(const TailFlags& flags);
// Types that are named: by these.
[[nodiscard]] Result<bus::EventFilter> filter_of(const TailFlags& flags,
                                                 const schema::StreamSchema& types);

// Where the flags begin.
[[nodiscard]] Position start_of(const TailFlags& flags) noexcept;

}  // namespace tailrace::tool
