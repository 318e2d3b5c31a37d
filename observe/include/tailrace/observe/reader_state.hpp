// ReaderState: one word for how a reader is doing, from one look or from two.
//
//     OK        nothing unread, or only what is on its way
//     LAGGING   it reads, but is behind: by more than 100 ms, or by more than half of the ring
//     STALLED   behind, and it hasn't moved between two looks (only a Trend can tell)
//     BLOCKING  it is a whole ring behind, and publishers wait for it; nothing is lost
//     STOPPED   its process has ended
//     FAILED    the journal: a write or a flush failed, durability is frozen until it is opened
//               anew
//     OVERRUN   events were lost to it, or what it wants has left the ring
//     SPILLING  what it reads has left the ring, so it reads in the journal; nothing is lost
//     CATCHING-UP  the same, and it is less far behind than at the last look
//     LOW-SPACE the journal's disk has no room behind what is being filled
//     DISK-FULL that is full too
//     AWAY      a cursor that nobody reads by at the moment
//     OPENING   the journal is being recovered: how far it is durable isn't known yet
// Pure functions.
#pragma once

#include <tailrace/bus/stream_status.hpp>

#include <cstdint>
#include <optional>
#include <string_view>

namespace tailrace::observe {

enum class ReaderState : std::uint8_t {
    ok,
    lagging,
    stalled,
    blocking,
    stopped,
    failed,
    overrun,
    spilling,
    catching_up,
    low_space,
    disk_full,
    opening,
    away
};

[[nodiscard]] std::string_view reader_state_name(ReaderState state) noexcept;

// How urgent a state is to whoever watches.
enum class Urgency : std::uint8_t { none, watch, act };
[[nodiscard]] Urgency urgency_of(ReaderState state) noexcept;
// "none", "watch", "act"
[[nodiscard]] std::string_view urgency_name(Urgency urgency) noexcept;

// What is known of a reader, whatever it is: a subscriber, the journal, or a cursor without one.
struct ReaderPicture {
    bool is_alive = false;
    Sequence sequence = 0;
    bus::Lag lag;
    std::uint64_t lost_events = 0;
    double room_ratio = 1.0;
    bus::JournalState journal = bus::JournalState::none;  // for the journal's row
    bus::ReadSource source = bus::ReadSource::ring;
    bool is_away = false;      // a cursor without a reader
    bool is_gate = false;      // publishers wait for it rather than overwrite what it hasn't read
    bool is_blocking = false;  // a publisher waits for it now
};

// `before`: the same reader some time ago, if it was seen.
[[nodiscard]] ReaderState reader_state(const ReaderPicture& now,
                                       const std::optional<ReaderPicture>& before) noexcept;

}  // namespace tailrace::observe
