// ReaderHealth: how one reader of a stream is doing, its journal included: where it stands, how far
// behind it is in events, bytes and seconds, what it has lost, and what can be done about it.
//
// Copies; they hold nothing of the stream. Pure functions, any thread. How they are got:
// stream_health.hpp.
#pragma once

#include <tailrace/observe/figure.hpp>
#include <tailrace/observe/reader_state.hpp>
#include <tailrace/observe/trouble.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tailrace::observe {

// What a journal's row has beside.
struct JournalHealth {
    std::string directory;
    int os_errno = 0;                     // of a journal that failed, or that finds no room
    std::uint64_t unrecorded_events = 0;  // lost already, because nobody records
    bool holds = false;                   // publishers wait while nobody records
};

struct ReaderHealth {
    std::string stream;
    std::string reader;     // its name; the journal's is "journal", a cursor's is the cursor's
    std::uint32_t pid = 0;  // 0: nobody's
    std::string policy;     // "gate", "skip", "spill", "evict"; "durable" (journal), "cursor"
    Sequence end_sequence = 0;
    ReaderPicture picture;
    bus::LatencyStatus latency;
    std::string filter;  // empty: all events
    bool is_evicted = false;
    std::optional<std::uint64_t> read_events;  // since it attached; of subscribers only
    std::optional<JournalHealth> journal;
    // The verdict: of one look, until a Trend judges it by two (trend.hpp).
    ReaderState state = ReaderState::ok;
    std::optional<double> trend_events_per_s;  // how fast it falls behind; negative: it catches up

    // The journal of a stream that should be recorded, and isn't, with events that no journal has.
    [[nodiscard]] bool is_unrecorded() const noexcept {
        return journal && !picture.is_alive && picture.lag.events != 0;
    }
};

// All that `tailrace lag` tells of a reader, in the order of its JSON.
[[nodiscard]] std::span<const Figure<ReaderHealth>> reader_figures() noexcept;

// What is wrong with it, and what helps; empty when nothing is that its figures don't say.
[[nodiscard]] std::optional<Trouble> trouble_of(const ReaderHealth& health);

// How far behind a reader may be.
struct LagLimit {
    std::optional<std::uint64_t> events;
    std::optional<std::uint64_t> age_ns;  // of the oldest unread event
};

// In which way it is further behind, a line each; empty: it isn't. What nobody records is beyond
// any limit, and so is, by age, what has left the ring.
[[nodiscard]] std::vector<std::string> excesses_of(const ReaderHealth& health,
                                                   const LagLimit& limit);

}  // namespace tailrace::observe
