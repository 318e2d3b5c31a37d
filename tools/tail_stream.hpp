// TailStream: one of the streams that `tailrace tail` reads: its reader, and where its end is.
#pragma once

#include "tail_flags.hpp"

#include <tailrace/base/event.hpp>
#include <tailrace/base/position.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/bridge/stream_reader.hpp>

#include <cstdint>
#include <string>

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

struct TailStream {
    std::string name;
    bridge::StreamReader reader;
    TailEnd end;
    bool has_ring = true;  // false: a journal is read, up to what is its end now
};

// As the flags say. Errors: those of StreamReader::attach, and of flags that contradict each other.
[[nodiscard]] Result<TailStream> open_tail(const TailFlags& flags, const std::string& stream);

// The same of a journal alone; of the flags the place, the end and the filter count.
[[nodiscard]] Result<TailStream> open_journal_tail(const TailFlags& flags,
                                                   const std::string& directory);

// Where the flags begin.
[[nodiscard]] Position start_of(const TailFlags& flags) noexcept;

// What to tell when a reader of policy evict has lost its gate.
void tell_eviction(const TailFlags& flags, const std::string& stream, Sequence first);

// Why reading ended, with how to go on behind damage.
[[nodiscard]] Error reading_error(const TailFlags& flags, const TailStream& stream);

}  // namespace tailrace::tool
