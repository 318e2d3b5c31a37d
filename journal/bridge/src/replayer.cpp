#include <tailrace/base/clock.hpp>
#include <tailrace/bridge/replayer.hpp>
#include <tailrace/bus/deadline.hpp>
#include <tailrace/bus/latency_recorder.hpp>
#include <tailrace/bus/stream_status.hpp>

#include <algorithm>
#include <ctime>

namespace tailrace::bridge {

namespace {

// Sleeping is late by some 50 µs, and by more than 100 on a virtual machine; what is left after a
// sleep is waited for with open eyes.
constexpr std::uint64_t kSleepMarginNs = 250'000;
// So that `stop` is seen within a pause.
constexpr std::uint64_t kLongestNapNs = 50'000'000;
constexpr std::uint64_t kFollowNapNs = 1'000'000;

void nap(std::uint64_t duration_ns) noexcept {
    const timespec duration{static_cast<time_t>(duration_ns / kNsPerSecond),
                            static_cast<long>(duration_ns % kNsPerSecond)};
    ::nanosleep(&duration, nullptr);
}

bool is_set(const std::atomic<bool>& stop) noexcept {
    return stop.load(std::memory_order_relaxed);  // a flag that carries nothing
}

// Turns publish times into due times. Pauses that are cut short move everything after them forward.
class Pace {
public:
    Pace(double speed, std::uint64_t longest_pause_ns) noexcept
        : speed_(speed),
          longest_pause_ns_(longest_pause_ns) {}

    // Waits until an event of that time is due, and counts how late it is by then.
    void wait_for(std::uint64_t time_ns, const std::atomic<bool>& stop) noexcept {
        if (speed_ <= 0 || time_ns == 0) return;
        if (last_time_ns_ == 0) {
            last_time_ns_ = time_ns;
            due_ns_ = monotonic_ns();
            return;
        }
        if (time_ns > last_time_ns_) {
            const double pause = static_cast<double>(time_ns - last_time_ns_) / speed_;
            const auto longest = static_cast<double>(longest_pause_ns_);
            due_ns_ += static_cast<std::uint64_t>(std::min(pause, longest));
            last_time_ns_ = time_ns;
        }
        std::uint64_t now_ns = monotonic_ns();
        while (now_ns < due_ns_ && !is_set(stop)) {
            const std::uint64_t left_ns = due_ns_ - now_ns;
            if (left_ns > kSleepMarginNs) {
                nap(std::min(left_ns - kSleepMarginNs, kLongestNapNs));
            } else {
                bus::cpu_relax();
            }
            now_ns = monotonic_ns();
        }
        if (now_ns >= due_ns_) bus::note_latency(late_, now_ns - due_ns_);
    }

    [[nodiscard]] PaceReport report() const noexcept {
        const bus::LatencyStatus late = bus::latency_status(late_);
        return {late.samples, late.p50_ns, late.p99_ns, late.max_ns};
    }

private:
    double speed_;
    std::uint64_t longest_pause_ns_;
    std::uint64_t last_time_ns_ = 0;
    std::uint64_t due_ns_ = 0;
    bus::LatencyHistogram late_{};
};

class Replay {
public:
    Replay(journal::Reader& reader,
           ReplaySink& sink,
           const ReplayOptions& options,
           const std::atomic<bool>& stop) noexcept
        : reader_(reader),
          sink_(sink),
          options_(options),
          stop_(stop),
          pace_(options.speed, options.longest_pause_ns),
          end_(options.to_sequence.value_or(kNoSequence)),
          awaits_time_(options.to_time_ns.has_value()) {}

    Result<ReplayReport> run() {
        const std::uint64_t begin_ns = monotonic_ns();
        if (auto found = find_end(); !found) return found.error();
        report_.next_sequence = reader_.next_sequence();
        for (bool more = true; more;) {
            if (is_set(stop_)) {
                report_.stopped = true;
                break;
            }
            auto step = reader_.next_batch();
            if (!step) return step.error();
            auto went_on = take(*step);
            if (!went_on) return went_on.error();
            more = *went_on;
        }
        if (!is_set(stop_)) {
            if (auto ended = sink_.on_end(); !ended) return ended.error();
        }
        report_.pace = pace_.report();
        report_.elapsed_ns = monotonic_ns() - begin_ns;
        return report_;
    }

private:
    // The end by time is a sequence: the one that a seek to that time finds. Unless the journal
    // hasn't come so far; then the batches to come show it.
    Result<void> find_end() {
        if (!options_.to_time_ns) return {};
        const Sequence begin = reader_.next_sequence();
        auto end = reader_.end_sequence();
        if (!end) return end.error();
        if (auto sought = reader_.seek_time(*options_.to_time_ns); !sought) return sought.error();
        const Sequence reached = reader_.next_sequence();
        if (auto back = reader_.seek_sequence(begin); !back) return back.error();
        if (reached >= *end) return {};
        end_ = std::min(end_, reached);
        awaits_time_ = false;
        return {};
    }

    // False: the replay is over.
    Result<bool> take(const journal::BatchStep& step) {
        if (step.kind == journal::ReadKind::end) {
            if (!options_.follow) return false;
            sink_.on_idle();
            nap(kFollowNapNs);
            return true;
        }
        if (step.kind == journal::ReadKind::gap) return take_gap(step.gap);
        if (awaits_time_) {
            const Sequence reached = step.batch.sequence_at(*options_.to_time_ns);
            if (reached != step.batch.end_sequence()) end_ = std::min(end_, reached);
        }
        for (const Event& event : step.batch) {
            if (event.sequence() >= end_) return false;
            if (event.is_tombstone()) {
                report_.next_sequence = event.sequence() + 1;
                continue;
            }
            // A time ahead of the recorder's clock would be waited for as long as it is ahead.
            const std::uint64_t time_ns = std::min(event.publish_time_ns(), step.batch.max_time_ns);
            pace_.wait_for(time_ns, stop_);
            if (is_set(stop_)) return stopped();
            auto wanted = sink_.on_event(event);
            if (!wanted) return wanted.error();
            if (!*wanted) return stopped();
            if (report_.events == 0) report_.first_sequence = event.sequence();
            if (report_.first_time_ns == 0) report_.first_time_ns = time_ns;
            report_.last_time_ns = std::max(report_.last_time_ns, time_ns);
            ++report_.events;
            report_.bytes += event.size_bytes();
            report_.next_sequence = event.sequence() + 1;
        }
        return true;
    }

    Result<bool> take_gap(journal::Gap gap) {
        if (gap.first >= end_) return false;
        gap.count = std::min(gap.count, end_ - gap.first);
        report_.lost_events += gap.count;
        if (gap.kind == journal::GapKind::lost) report_.damaged_events += gap.count;
        report_.next_sequence = gap.first + gap.count;
        auto wanted = sink_.on_gap(gap);
        if (!wanted) return wanted.error();
        return *wanted ? Result<bool>(true) : stopped();
    }

    Result<bool> stopped() noexcept {
        report_.stopped = true;
        return false;
    }

    journal::Reader& reader_;
    ReplaySink& sink_;
    const ReplayOptions& options_;
    const std::atomic<bool>& stop_;
    Pace pace_;
    Sequence end_;
    bool awaits_time_;
    ReplayReport report_;
};

}  // namespace

template <typename Publish>
Result<bool> StreamSink::wait_for_room(Publish&& publish,
                                       Sequence first,
                                       std::uint64_t count,
                                       std::uint64_t size_bytes) {
    constexpr std::uint64_t kTurnMs = 50;
    for (;;) {
        const auto status = publish(bus::Deadline::in_ms(kTurnMs));
        if (status == bus::PublishStatus::ok) {
            published_events_ += count;
            return true;
        }
        if (status == bus::PublishStatus::timed_out) {
            if (stop_ != nullptr && is_set(*stop_)) return false;
            continue;
        }
        const std::string& target = publisher_.region().name();
        if (status == bus::PublishStatus::closed) {
            return make_error(ErrorCode::closed,
                              publisher_.region().ending() + " during the replay",
                              "tailrace create " + target);
        }
        if (status == bus::PublishStatus::dead_handle) {
            return make_error(ErrorCode::invalid_argument,
                              "this replayer into stream '" + target +
                                  "' belongs to the parent of this forked child",
                              "make one in the child, after fork()");
        }
        if (status == bus::PublishStatus::corrupt) {
            return make_error(ErrorCode::corrupt,
                              "a process wrote over a batch of stream '" + target +
                                  "' while it was being published; none of it is",
                              "tailrace inspect " + target + " shows who uses it");
        }
        const std::string sizes =
            std::to_string(publisher_.region().header().max_payload_bytes) + " in an event, " +
            std::to_string(bus::max_claim_bytes(publisher_.region().capacity_bytes())) +
            " in a batch with its headers";
        const std::string what = count == 1 ? "event " + std::to_string(first)
                                            : "the batch of " + std::to_string(count) +
                                                  " events from sequence " + std::to_string(first);
        return make_error(ErrorCode::too_large,
                          what + " of " + std::to_string(size_bytes) +
                              " bytes is larger than stream '" + target + "' allows (" + sizes +
                              ")",
                          "tailrace create " + target + " with a larger --max-event or --size");
    }
}

bus::EventFields StreamSink::fields_of(const Event& event) const noexcept {
    bus::EventFields fields;
    fields.type = event.type();
    if (times_ == ReplayTimes::original) {
        fields.event_time_ns =
            event.event_time_ns() != 0 ? event.event_time_ns() : event.publish_time_ns();
        if (fields.event_time_ns != 0) fields.event_time_ns += shift_ns_;
    }
    fields.has_key = event.has_key();
    fields.key = event.key();
    return fields;
}

Result<bool> StreamSink::on_event(const Event& event) {
    const bool continues = event.continues_batch();
    if (!continues && kept_.empty()) {
        const bus::EventFields fields = fields_of(event);
        return wait_for_room(
            [&](bus::Deadline turn) { return publisher_.publish(event.payload(), fields, turn); },
            event.sequence(),
            1,
            event.size_bytes());
    }
    if (auto kept = keep(event); !kept) return kept.error();
    return continues ? Result<bool>(true) : publish_kept();
}

Result<void> StreamSink::keep(const Event& event) {
    if (kept_.empty()) first_kept_ = event.sequence();
    const std::span<const std::byte> payload = event.payload();
    kept_.push_back({kept_bytes_.size(), payload.size(), fields_of(event)});
    kept_bytes_.insert(kept_bytes_.end(), payload.begin(), payload.end());
    const std::uint64_t most_bytes = bus::max_claim_bytes(publisher_.region().capacity_bytes());
    if (kept_bytes_.size() <= most_bytes) return {};
    auto refused = wait_for_room([](bus::Deadline) { return bus::PublishStatus::too_large; },
                                 first_kept_,
                                 kept_.size(),
                                 kept_bytes_.size());
    return refused.error();
}

Result<bool> StreamSink::publish_kept() {
    if (kept_.empty()) return true;
    std::vector<bus::BatchEvent> events;
    events.reserve(kept_.size());
    for (const Kept& kept : kept_) {
        events.push_back(
            {std::span(kept_bytes_).subspan(kept.offset, kept.size_bytes), kept.fields});
    }
    auto published = wait_for_room(
        [&](bus::Deadline turn) { return publisher_.publish_mixed_batch(events, turn); },
        first_kept_,
        kept_.size(),
        kept_bytes_.size());
    kept_.clear();
    kept_bytes_.clear();
    return published;
}

Result<bool> StreamSink::pass_over(const Event& event) {
    return event.continues_batch() ? Result<bool>(true) : publish_kept();
}

Result<bool> StreamSink::on_gap(journal::Gap /*gap*/) {
    return publish_kept();
}

Result<void> StreamSink::on_end() {
    auto published = publish_kept();
    if (!published) return published.error();
    return {};
}

Sequence StreamSink::next_sequence() const noexcept {
    return publisher_.region().tail().sequence + kept_.size();
}

Result<ReplayReport> replay(journal::Reader& reader,
                            ReplaySink& sink,
                            const ReplayOptions& options,
                            const std::atomic<bool>& stop) {
    return Replay(reader, sink, options, stop).run();
}

}  // namespace tailrace::bridge
