#include "alignment.hpp"
#include "keyed_lanes.hpp"

#include <tailrace/base/checksum.hpp>
#include <tailrace/stream/event_diff.hpp>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>

namespace tailrace::stream {

namespace {

constexpr std::uint32_t kLargestWindow = 4096;

// Of all that is compared.
std::uint64_t fingerprint_of(const Event& event, const DiffOptions& options) noexcept {
    const std::uint64_t type = options.compares_type ? event.type() : 0U;
    const bool by_key = options.compares_key && event.has_key();
    const std::array<std::uint64_t, 4> words = {
        checksum64(event.payload(), 0),
        type | (by_key ? std::uint64_t{1} << 32U : 0U),
        by_key ? event.key() : 0U,
        options.compares_event_time ? event.event_time_ns() : 0U,
    };
    return checksum64(std::as_bytes(std::span(words)), 0);
}

Error too_many_wait(std::uint64_t bound) {
    return make_error(ErrorCode::too_large,
                      "more than " + std::to_string(bound) +
                          " events wait for one of the same key on the other side: too many to "
                          "compare by key",
                      "compare a part with --from and --to, or without --by key");
}

}  // namespace

class EventDiff::State {
public:
    State(const DiffOptions& options, DiffSink& sink)
        : options_(options),
          findings_(sink),
          aligner_(std::clamp<std::uint32_t>(options.window_events, 1, kLargestWindow)) {}

    void add(DiffSide side, const Event& event) {
        if (event.is_tombstone()) return;
        const Mark mark{fingerprint_of(event, options_), event.sequence()};
        if (options_.pairing == DiffPairing::by_key) {
            keyed_.add(side, {mark, event.key(), event.has_key()});
        } else {
            (side == DiffSide::a ? lane_.a : lane_.b).push(mark);
        }
        is_settled_ = false;
    }
    void add_gap(DiffSide side, bus::Gap gap) { findings_.gap(side, gap); }
    void end(DiffSide side) {
        (side == DiffSide::a ? ended_.a : ended_.b) = true;
        is_settled_ = false;
    }

    [[nodiscard]] Result<void> settle() {
        is_settled_ = true;
        if (options_.pairing == DiffPairing::by_order) {
            aligner_.settle(lane_, ended_, findings_);
            return {};
        }
        keyed_.settle(aligner_, ended_, findings_);
        const std::uint64_t waiting = keyed_.waiting(DiffSide::a) + keyed_.waiting(DiffSide::b);
        if (waiting <= options_.max_waiting_events || findings_.have_stopped()) return {};
        return too_many_wait(options_.max_waiting_events);
    }

    [[nodiscard]] DiffSide wanted() const noexcept {
        if (ended_.a || ended_.b) return ended_.a ? DiffSide::b : DiffSide::a;
        if (options_.pairing == DiffPairing::by_order)
            return lane_.a.size() <= lane_.b.size() ? DiffSide::a : DiffSide::b;
        return keyed_.waiting(DiffSide::a) <= keyed_.waiting(DiffSide::b) ? DiffSide::a
                                                                          : DiffSide::b;
    }
    [[nodiscard]] bool is_finished() const noexcept {
        return findings_.have_stopped() || (ended_.a && ended_.b && is_settled_);
    }
    [[nodiscard]] const DiffCounts& counts() const noexcept { return findings_.counts(); }

private:
    DiffOptions options_;
    Findings findings_;
    Aligner aligner_;
    Lane lane_;         // by order
    KeyedLanes keyed_;  // by key
    Ended ended_;
    bool is_settled_ = true;
};

EventDiff::EventDiff(const DiffOptions& options, DiffSink& sink)
    : state_(std::make_unique<State>(options, sink)) {}
EventDiff::EventDiff(EventDiff&&) noexcept = default;
EventDiff& EventDiff::operator=(EventDiff&&) noexcept = default;
EventDiff::~EventDiff() = default;

void EventDiff::add(DiffSide side, const Event& event) {
    state_->add(side, event);
}

void EventDiff::add_gap(DiffSide side, bus::Gap gap) {
    state_->add_gap(side, gap);
}

void EventDiff::end(DiffSide side) {
    state_->end(side);
}

Result<void> EventDiff::settle() {
    return state_->settle();
}

DiffSide EventDiff::wanted() const noexcept {
    return state_->wanted();
}

bool EventDiff::is_finished() const noexcept {
    return state_->is_finished();
}

const DiffCounts& EventDiff::counts() const noexcept {
    return state_->counts();
}

// --- reading both sides

namespace {

constexpr std::uint64_t kReadAtOnce = 512;
constexpr std::uint64_t kPatienceMs = 1000;

Error unfinished(const StreamReader& reader) {
    const std::string& stream = reader.region().name();
    return make_error(ErrorCode::timed_out,
                      "the publisher of event " + std::to_string(reader.next_sequence()) +
                          " of stream '" + stream + "' has begun it and doesn't finish it",
                      "tailrace inspect " + stream + " shows who; or end before it with --to");
}

Error removed(const StreamReader& reader) {
    return make_error(ErrorCode::closed, reader.region().ending(), "tailrace ls");
}

// Hands on a gap, as far as it lies before the end.
void add_gap(EventDiff& diff, DiffSide side, bus::Gap gap, Sequence end) {
    if (gap.first >= end) return;
    gap.count = std::min(gap.count, end - gap.first);
    if (gap.count != 0) diff.add_gap(side, gap);
}

// Some events, or a gap. False: that was all.
Result<bool> read_some(DiffInput& input, DiffSide side, EventDiff& diff) {
    StreamReader& reader = input.reader;
    const auto take = [&](const Event& event) {
        if (event.sequence() < input.end) diff.add(side, event);
    };
    while (reader.next_sequence() < input.end) {
        const bus::PollResult result =
            reader.poll_until(take, kReadAtOnce, bus::Deadline::in_ms(kPatienceMs));
        switch (result.state) {
            case bus::PollState::ok:
                if (result.events != 0) return true;
                break;
            case bus::PollState::gap:
                add_gap(diff, side, reader.last_gap(), input.end);
                return true;
            case bus::PollState::failed:
            case bus::PollState::corrupt:
                return reader.error();
            case bus::PollState::closed:
                // Of a journal alone: its end has come back a little, behind a writer that died.
                if (reader.source() == Source::journal) return false;
                return removed(reader);
            case bus::PollState::idle:
                return unfinished(reader);
            case bus::PollState::behind:
            case bus::PollState::in_handler:
            case bus::PollState::dead_handle:
            case bus::PollState::stalled:
            case bus::PollState::moved:
                return invalid_argument("a side's reader can't be used here: " +
                                        std::string(bus::poll_state_name(result.state)));
        }
    }
    return false;
}

}  // namespace

Result<DiffCounts> compare(DiffInput& a, DiffInput& b, const DiffOptions& options, DiffSink& sink) {
    EventDiff diff(options, sink);
    while (!diff.is_finished()) {
        const DiffSide side = diff.wanted();
        auto goes_on = read_some(side == DiffSide::a ? a : b, side, diff);
        if (!goes_on) return goes_on.error();
        if (!*goes_on) diff.end(side);
        if (auto settled = diff.settle(); !settled) return settled.error();
        if (!sink.on_turn(diff.counts())) break;
    }
    return diff.counts();
}

EventDifference difference_of(const Event& a, const Event& b) noexcept {
    EventDifference difference;
    difference.type = a.type() != b.type();
    difference.key = a.has_key() != b.has_key() || a.key() != b.key();
    difference.event_time = a.event_time_ns() != b.event_time_ns();
    const auto in_a = a.payload();
    const auto in_b = b.payload();
    const auto parted = std::mismatch(in_a.begin(), in_a.end(), in_b.begin(), in_b.end());
    difference.payload = parted.first != in_a.end() || parted.second != in_b.end();
    if (difference.payload)
        difference.first_byte = static_cast<std::uint64_t>(parted.first - in_a.begin());
    return difference;
}

}  // namespace tailrace::stream
