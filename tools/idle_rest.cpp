#include "idle_rest.hpp"

#include "stop_signal.hpp"

#include <sched.h>

#include <algorithm>
#include <poll.h>
#include <vector>

namespace tailrace::tool {

namespace {

constexpr int kLongestWaitMs = 100;
constexpr std::uint64_t kShortestNapNs = 50'000;
constexpr std::uint64_t kLongestNapNs = 20 * kNsPerMs;
// A nap is the eighth part of the silence before it, so that what comes often is seen at once.
constexpr std::uint64_t kSilencePerNap = 8;

}  // namespace

bool IdleRest::wait_to_be_told(std::span<stream::StreamReader* const> readers) const {
    if (reads_durable_ || readers.empty()) return false;
    std::vector<pollfd> entries;
    for (stream::StreamReader* const reader : readers) {
        if (reader->source() != stream::Source::ring) return false;
        const auto fd = reader->poll_fd();
        if (!fd) return false;
        entries.push_back({*fd, POLLIN, 0});
    }
    for (stream::StreamReader* const reader : readers) {
        if (reader->arm()) return true;
    }
    (void)::poll(entries.data(), entries.size(), kLongestWaitMs);
    return true;
}

void IdleRest::nap() noexcept {
    const std::uint64_t now_ns = monotonic_ns();
    if (idle_since_ns_ == 0) idle_since_ns_ = now_ns;
    const std::uint64_t silence_ns = now_ns - idle_since_ns_;
    (void)sleep_until_ns(now_ns +
                         std::clamp(silence_ns / kSilencePerNap, kShortestNapNs, kLongestNapNs));
}

void IdleRest::rest(std::span<stream::StreamReader* const> readers) {
    if (wait_ == bus::WaitStrategy::busy_spin) return;
    if (wait_ == bus::WaitStrategy::yield) {
        ::sched_yield();
        return;
    }
    if (!wait_to_be_told(readers)) nap();
}

}  // namespace tailrace::tool
