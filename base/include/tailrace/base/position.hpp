// Position: where in a stream or journal somebody wants to begin or end. A plain value, any thread.
//
//     Position::start()      the oldest event      Position::after_start(n)  n events behind it
//     Position::end()        behind the newest     Position::before_end(n)   n events before it
//     Position::at(n)        the event with sequence n, exactly
//     Position::at_time(ns)  the first event that was published then or later, ns since the epoch
//     Position::ago(ns)      the same, so long before now
#pragma once

#include <tailrace/base/event_header.hpp>

#include <cstdint>

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

}  // namespace tailrace
