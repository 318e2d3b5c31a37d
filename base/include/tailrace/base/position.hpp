// Position: where in a stream or journal somebody wants to begin or end. A plain value, any thread.
//
//     Position::start()      the oldest event      Position::after_start(n)  n events behind it
//     Position::end()        behind the newest     Position::before_end(n)   n events before it
//     Position::at(n)        the event with sequence n, exactly
//     Position::at_time(ns)  the first event that was published then or later, ns since the epoch
//     Position::ago(ns)      the same, so long before now
#pragma once

#include <tailrace/base/event_header.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>

namespace tailrace {

struct Position {
    enum class Kind : std::uint8_t {
        start,
        end,
        sequence,
        after_start,
        before_end,
        time,
        before_now
    };

    Kind kind = Kind::start;
    std::uint64_t value = 0;  // a sequence, a count, ns since the epoch or a duration in ns

    [[nodiscard]] static constexpr Position start() noexcept { return {Kind::start, 0}; }
    [[nodiscard]] static constexpr Position end() noexcept { return {Kind::end, 0}; }
    [[nodiscard]] static constexpr Position at(Sequence sequence) noexcept {
        return {Kind::sequence, sequence};
    }
    [[nodiscard]] static constexpr Position after_start(std::uint64_t events) noexcept {
        return {Kind::after_start, events};
    }
    [[nodiscard]] static constexpr Position before_end(std::uint64_t events) noexcept {
        return {Kind::before_end, events};
    }
    [[nodiscard]] static constexpr Position at_time(std::uint64_t time_ns) noexcept {
        return {Kind::time, time_ns};
    }
    [[nodiscard]] static constexpr Position ago(std::uint64_t duration_ns) noexcept {
        return {Kind::before_now, duration_ns};
    }

    friend constexpr bool operator==(const Position&, const Position&) = default;
};

// What a position means for events [first, end) at the time now: a sequence, or a time to look for.
struct Boundary {
    std::optional<Sequence> sequence;
    std::optional<std::uint64_t> time_ns;
};

// Relative positions are cut to the range; an absolute sequence is left as it is, so that whoever
// seeks it can say that it is gone or not there yet.
[[nodiscard]] constexpr Boundary resolve(const Position& position,
                                         Sequence first,
                                         Sequence end,
                                         std::uint64_t now_ns) noexcept {
    const std::uint64_t count = end > first ? end - first : 0;
    switch (position.kind) {
        case Position::Kind::start:
            return {first, {}};
        case Position::Kind::end:
            return {end, {}};
        case Position::Kind::sequence:
            return {position.value, {}};
        case Position::Kind::after_start:
            return {first + std::min(position.value, count), {}};
        case Position::Kind::before_end:
            return {end - std::min(position.value, count), {}};
        case Position::Kind::time:
            return {{}, position.value};
        case Position::Kind::before_now:
            return {{}, now_ns - std::min(position.value, now_ns)};
        default:  // users compile with -Wswitch-default
            return {};
    }
}

}  // namespace tailrace
