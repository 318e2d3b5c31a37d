#include <tailrace/base/clock.hpp>
#include <tailrace/bus/stream_pace.hpp>
#include <tailrace/bus/wait.hpp>

#include <algorithm>

namespace tailrace::bus {

namespace {

// So close to the publisher its next lines are fetched ahead by the reader's core.
constexpr std::uint64_t kDistanceBytes = std::uint64_t{8} << 10U;
// Less than this isn't worth a look at the clock.
constexpr std::uint64_t kFewBytes = 256;
constexpr std::uint64_t kPauseNs = 2'000;
// A publisher streams at a gigabyte a second, headers included: with a reader at its heels it
// couldn't go faster between cores that are far from each other.
constexpr std::uint64_t kStreamBytesPerNs = 1;

// At that pace it is no longer close by then. Somebody who scribbles over the tail can't hold the
// reader up for longer.
constexpr int kMostPauses = 8;

// `next` where nothing is known to be ahead: what the reader has seen stamped may be ahead of the
// tail, and whoever scribbles over it may write anything.
Place read_tail(const std::atomic<std::uint64_t>& tail, Place next) noexcept {
    // Relaxed: a hint; what lies below is told by the stamps.
    const Place found = unpack_tail(tail.load(std::memory_order_relaxed), next);
    const auto events = static_cast<std::int64_t>(found.sequence - next.sequence);
    const auto bytes = static_cast<std::int64_t>(found.position - next.position);
    constexpr std::int64_t kLeastEventBytes = kEventAlignmentBytes;
    return events > 0 && bytes / kLeastEventBytes >= events ? found : next;
}

}  // namespace

void StreamPace::take_all(Place next, Place tail) noexcept {
    bound_ = next.sequence + std::max(tail.sequence - next.sequence, kUnasked);
    streams_ = false;
}

void StreamPace::stay_behind(Place next, Place tail) noexcept {
    const std::uint64_t events = tail.sequence - next.sequence;
    const std::uint64_t event_bytes = (tail.position - next.position) / events;
    const std::uint64_t left = kDistanceBytes / event_bytes + 1;
    bound_ = next.sequence + (events > left ? events - left : 1);
}

#ifdef TAILRACE_STEPS

// A schedule that is played again must not hang on how long it takes.
void StreamPace::ask(Place next, const std::atomic<std::uint64_t>& tail) noexcept {
    take_all(next, read_tail(tail, next));
}

#else

void StreamPace::ask(Place next, const std::atomic<std::uint64_t>& tail) noexcept {
    Place found = read_tail(tail, next);
    if (!streams_) {
        if (found.position - next.position < kFewBytes) return take_all(next, found);
        asked_position_ = found.position;
        asked_ns_ = monotonic_ns();
    }
    for (int pause = 0; found.position - next.position < 2 * kDistanceBytes; ++pause) {
        if (pause == kMostPauses) return take_all(next, found);
        std::uint64_t now_ns = monotonic_ns();
        for (; now_ns - asked_ns_ < kPauseNs; now_ns = monotonic_ns())
            cpu_relax();
        found = read_tail(tail, next);
        streams_ = found.position - asked_position_ >= (now_ns - asked_ns_) * kStreamBytesPerNs;
        asked_position_ = found.position;
        asked_ns_ = now_ns;
        if (!streams_) return take_all(next, found);
    }
    asked_position_ = found.position;
    asked_ns_ = monotonic_ns();
    stay_behind(next, found);
}

#endif

}  // namespace tailrace::bus
