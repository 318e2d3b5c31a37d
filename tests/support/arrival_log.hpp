// ArrivalLog: what one subscriber saw, in the order in which it saw it, in memory that outlives it.
//
// Lives in a SharedObject: the subscriber's process writes, the parent reads at any time. An entry
// counts once `count` covers it, so a subscriber that is killed leaves a log that is whole.
#pragma once

#include "support/numbered_event.hpp"

#include <tailrace/base/event.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tailrace::test {

struct Arrival {
    std::uint64_t sequence;
    std::uint64_t number;
    std::uint32_t publisher;
    friend bool operator==(const Arrival&, const Arrival&) = default;
};

template <std::size_t capacity>
struct ArrivalLog {
    std::atomic<std::uint64_t> attached;  // how often a subscriber has begun to write here
    std::atomic<std::uint64_t> count;
    std::atomic<std::uint64_t> torn;      // events whose content was not what their publisher wrote
    std::atomic<std::uint64_t> overflow;  // events that found no room here
    std::atomic<std::uint64_t> next_sequence;  // the subscriber's own, after each poll
    Arrival arrivals[capacity];

    void add(const Event& event) noexcept {
        const auto numbered = read_numbered(event.payload());
        if (!numbered) {
            torn.fetch_add(1);
            return;
        }
        const std::uint64_t index = count.load();
        if (index == capacity) {
            overflow.fetch_add(1);
            return;
        }
        arrivals[index] = {event.sequence(), numbered->number, numbered->publisher};
        count.store(index + 1);
    }
};

}  // namespace tailrace::test
