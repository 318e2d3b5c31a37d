#include "event_tally.hpp"

#include "command.hpp"
#include "output.hpp"
#include "units.hpp"

#include <tailrace/base/clock.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace tailrace::tool {

namespace {

constexpr std::uint64_t kTallyShownEveryNs = 500 * kNsPerMs;

double per_second(std::uint64_t count, std::uint64_t span_ns) {
    return span_ns == 0 ? 0 : static_cast<double>(count) * 1e9 / static_cast<double>(span_ns);
}

std::string rates_text(std::uint64_t events, std::uint64_t bytes, std::uint64_t span_ns) {
    return fmt::format("{}  {}/s",
                       rate_text(per_second(events, span_ns)),
                       size_text(static_cast<std::uint64_t>(per_second(bytes, span_ns))));
}

}  // namespace

EventTally::EventTally(std::string stream)
    : stream_(std::move(stream)),
      start_ns_(monotonic_ns()),
      shown_ns_(start_ns_) {}

void EventTally::add(const CountedEvent& event) noexcept {
    ++events_;
    payload_bytes_ += event.size_bytes;
    if (first_sequence_ == kNoSequence) first_sequence_ = event.sequence;
    next_sequence_ = event.sequence + 1;
    const std::uint64_t time_ns = event.publish_time_ns;
    if (time_ns != 0) {
        if (first_time_ns_ == 0) first_time_ns_ = time_ns;
        last_time_ns_ = std::max(last_time_ns_, time_ns);
    }
    if (looks_.is_due()) look();
}

void EventTally::look() noexcept {
    const std::uint64_t now_ns = looks_.look();
    if (now_ns - shown_ns_ < kTallyShownEveryNs) return;
    show_status_line(fmt::format(
        "{}  {}  {}  {}",
        stream_,
        counted(events_, "event"),
        size_text(payload_bytes_),
        rates_text(events_ - shown_events_, payload_bytes_ - shown_bytes_, now_ns - shown_ns_)));
    shown_ns_ = now_ns;
    shown_events_ = events_;
    shown_bytes_ = payload_bytes_;
}

void EventTally::report() const {
    const std::uint64_t elapsed_ns = monotonic_ns() - start_ns_;
    // Of one event nobody knows a rate.
    const std::uint64_t span_ns = events_ > 1 ? last_time_ns_ - first_time_ns_ : 0;
    if (settings().json()) {
        Json document;
        document["stream"] = stream_;
        document["events"] = events_;
        document["payload_bytes"] = payload_bytes_;
        document["lost_events"] = lost_events_;
        document["first_seq"] = events_ != 0 ? Json(first_sequence_) : Json();
        document["next_seq"] = events_ != 0 ? Json(next_sequence_) : Json();
        document["elapsed_ns"] = ns_string(elapsed_ns);
        document["events_per_s"] = per_second(events_, elapsed_ns);
        document["payload_bytes_per_s"] = per_second(payload_bytes_, elapsed_ns);
        document["published_ns"] = span_ns != 0 ? Json(ns_string(span_ns)) : Json();
        document["published_per_s"] = span_ns != 0 ? Json(per_second(events_, span_ns)) : Json();
        document["published_bytes_per_s"] =
            span_ns != 0 ? Json(per_second(payload_bytes_, span_ns)) : Json();
        out().write_json(document);
        return;
    }
    std::string line =
        fmt::format("{}  {}  {}", stream_, counted(events_, "event"), size_text(payload_bytes_));
    if (lost_events_ != 0) line += fmt::format("  {} lost", count_text(lost_events_));
    const bool is_published = span_ns != 0;
    const std::uint64_t over_ns = is_published ? span_ns : elapsed_ns;
    line += fmt::format("  {} {}  {}",
                        is_published ? "published over" : "in",
                        duration_text(over_ns),
                        rates_text(events_, payload_bytes_, over_ns));
    out().write(line + "\n");
}

}  // namespace tailrace::tool
