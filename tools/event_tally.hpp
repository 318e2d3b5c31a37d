// EventTally: counts the events of a stream instead of printing them (--count-only), with rates.
//
// On a terminal a line shows what has come so far, and the rates of the last second; report() says
// it all at the end. The published rates are those by the events' own publish times. One thread.
#pragma once

#include "look_pace.hpp"

#include <tailrace/base/event.hpp>

#include <cstdint>
#include <string>

namespace tailrace::tool {

// What is counted of an event.
struct CountedEvent {
    Sequence sequence = 0;
    std::uint64_t size_bytes = 0;
    std::uint64_t publish_time_ns = 0;  // 0: it has none

    [[nodiscard]] static CountedEvent of(const Event& event) noexcept {
        return {event.sequence(), event.size_bytes(), event.publish_time_ns()};
    }
};

class EventTally {
public:
    explicit EventTally(std::string stream);

    void add(const Event& event) noexcept { add(CountedEvent::of(event)); }
    void add(const CountedEvent& event) noexcept;
    void add_gap(std::uint64_t lost_events) noexcept { lost_events_ += lost_events; }
    // Now and then, also when nothing comes: shows the line on the terminal.
    void look() noexcept;
    // The last word, on stdout: a line of text, or a JSON object.
    void report() const;

    [[nodiscard]] std::uint64_t lost_events() const noexcept { return lost_events_; }
    [[nodiscard]] const std::string& stream() const noexcept { return stream_; }

private:
    std::string stream_;
    std::uint64_t events_ = 0;
    std::uint64_t payload_bytes_ = 0;
    std::uint64_t lost_events_ = 0;
    Sequence first_sequence_ = kNoSequence;
    Sequence next_sequence_ = 0;
    std::uint64_t first_time_ns_ = 0;  // of publication; 0: no event had one
    std::uint64_t last_time_ns_ = 0;
    LookPace looks_;
    std::uint64_t start_ns_;
    std::uint64_t shown_ns_;  // when the line was written, and what was there then
    std::uint64_t shown_events_ = 0;
    std::uint64_t shown_bytes_ = 0;
};

}  // namespace tailrace::tool
