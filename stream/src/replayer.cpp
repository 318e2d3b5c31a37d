#include "pacing.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/deadline.hpp>
#include <tailrace/stream/replayer.hpp>

#include <algorithm>
#include <array>
#include <cstdio>

namespace tailrace::stream {

namespace {

class Replay {
public:
    Replay(journal::Reader& reader,
           ReplaySink& sink,
           const ReplayOptions& options,
           const std::atomic<bool>& stop) noexcept
        : reader_(reader),
          sink_(sink),
          options_(options),
          pacing_(options, stop),
          end_(options.to_sequence.value_or(kNoSequence)),
          awaits_time_(options.to_time_ns.has_value()) {}

    Result<ReplayReport> run() {
        const std::uint64_t begin_ns = monotonic_ns();
        if (auto found = find_end(); !found) return found.error();
        report_.next_sequence = reader_.next_sequence();
        for (bool more = true; more;) {
            if (pacing_.is_stopped()) {
                report_.stopped = true;
                break;
            }
            auto step = reader_.next_batch();
            if (!step) return step.error();
            auto went_on = take(*step);
            if (!went_on) return went_on.error();
            more = *went_on;
        }
        if (!pacing_.is_stopped()) {
            if (auto ended = sink_.on_end(); !ended) return ended.error();
        }
        report_.pace = pacing_.report();
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
            return pacing_.idle(report_.next_sequence) ? Result<bool>(true) : stopped();
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
            if (!pacing_.wait_for(time_ns, event.sequence())) return stopped();
            auto answer = sink_.on_event(event);
            if (!answer) return answer.error();
            if (*answer == SinkAnswer::refused) return stopped();
            if (report_.events == 0) report_.first_sequence = event.sequence();
            if (report_.first_time_ns == 0) report_.first_time_ns = time_ns;
            report_.last_time_ns = std::max(report_.last_time_ns, time_ns);
            ++report_.events;
            report_.bytes += event.size_bytes();
            report_.next_sequence = event.sequence() + 1;
            if (*answer == SinkAnswer::enough) return stopped();
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
    Pacing pacing_;
    Sequence end_;
    bool awaits_time_;
    ReplayReport report_;
};

}  // namespace

bool StreamSink::is_told_to_stop(Sequence next) const {
    if (stop_ != nullptr && is_set(*stop_)) return true;
    return pilot_ != nullptr && pilot_->course(next).turn == ReplayPilot::Turn::end;
}

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
        if (status == bus::PublishStatus::duplicate) {
            known_events_ += count;
            return true;
        }
        if (status == bus::PublishStatus::timed_out) {
            if (is_told_to_stop(first)) return false;
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
        if (status == bus::PublishStatus::no_identity) {
            return make_error(ErrorCode::invalid_argument,
                              "this replayer into stream '" + target +
                                  "' is to number its events, and has no identity",
                              "attach its publisher with PublisherOptions::identity");
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
    if (numbers_events_) fields.own_sequence = event.sequence() + 1;
    if (times_ == ReplayTimes::original) {
        fields.event_time_ns =
            event.event_time_ns() != 0 ? event.event_time_ns() : event.publish_time_ns();
        if (fields.event_time_ns != 0) fields.event_time_ns += shift_ns_;
    }
    fields.has_key = event.has_key();
    fields.key = event.key();
    return fields;
}

namespace {

Result<SinkAnswer> answer_of(const Result<bool>& published) {
    if (!published) return published.error();
    return *published ? SinkAnswer::more : SinkAnswer::refused;
}

}  // namespace

Result<SinkAnswer> StreamSink::on_event(const Event& event) {
    const bool continues = event.continues_batch();
    if (!continues && kept_.empty()) {
        const bus::EventFields fields = fields_of(event);
        return answer_of(wait_for_room(
            [&](bus::Deadline turn) { return publisher_.publish(event.payload(), fields, turn); },
            event.sequence(),
            1,
            event.size_bytes()));
    }
    if (auto kept = keep(event); !kept) return kept.error();
    return continues ? Result<SinkAnswer>(SinkAnswer::more) : answer_of(publish_kept());
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
    // Of a batch that an earlier replay published in part, since its range ended there, the bus
    // drops that part.
    std::uint64_t known = 0;
    std::vector<bus::BatchEvent> events;
    events.reserve(kept_.size());
    for (const Kept& kept : kept_) {
        events.push_back(
            {std::span(kept_bytes_).subspan(kept.offset, kept.size_bytes), kept.fields});
        if (numbers_events_ && kept.fields.own_sequence <= publisher_.last_published()) ++known;
    }
    known_events_ += known;
    auto published = wait_for_room(
        [&](bus::Deadline turn) { return publisher_.publish_mixed_batch(events, turn); },
        first_kept_,
        kept_.size() - known,
        kept_bytes_.size());
    kept_.clear();
    kept_bytes_.clear();
    return published;
}

Result<SinkAnswer> StreamSink::pass_over(const Event& event) {
    if (event.continues_batch()) return SinkAnswer::more;
    return answer_of(publish_kept());
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

std::string replay_identity(const std::string& name, const journal::Reader& journal) {
    // Eight digits of what was made at random: enough to tell a host's journals apart.
    std::array<char, 16> digits{};
    std::snprintf(digits.data(),
                  digits.size(),
                  ".%08x",
                  static_cast<unsigned>(journal.journal_id().front() >> 32U));
    return name + digits.data();
}

Result<ReplayReport> replay(journal::Reader& reader,
                            ReplaySink& sink,
                            const ReplayOptions& options,
                            const std::atomic<bool>& stop) {
    return Replay(reader, sink, options, stop).run();
}

}  // namespace tailrace::stream
