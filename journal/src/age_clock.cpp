#include "age_clock.hpp"

#include <algorithm>

namespace tailrace::journal {

namespace {

// A clock that is drawn to the right time goes wrong by less within any minute.
constexpr std::uint64_t kStepNs = 5'000'000'000;

// Both wrap; so does their difference.
std::uint64_t distance_between(std::uint64_t one, std::uint64_t other) noexcept {
    return std::min(one - other, other - one);
}

}  // namespace

std::uint64_t AgeClock::estimate_ns(const Mark& mark,
                                    std::uint64_t age_ns,
                                    std::uint64_t limit_ns,
                                    std::uint64_t wall_ns) noexcept {
    const std::uint64_t known_ns = std::max(mark.age_ns, age_ns);
    if (mark.wall_ns == 0 || wall_ns <= mark.wall_ns) return known_ns;
    const std::uint64_t since_mark_ns = wall_ns - mark.wall_ns;
    const std::uint64_t counted_ns = known_ns - mark.age_ns;
    if (since_mark_ns <= counted_ns) return known_ns;
    return known_ns + std::min(since_mark_ns - counted_ns, limit_ns / 2);
}

void AgeClock::begin(const Mark& mark,
                     std::uint64_t age_ns,
                     std::uint64_t limit_ns,
                     std::uint64_t elapsed_ns,
                     std::uint64_t wall_ns) noexcept {
    age_ns_ = std::max({age_ns, mark.age_ns, std::uint64_t{1}});
    began_ns_ = elapsed_ns;
    limit_ns_ = limit_ns;
    mark_ = mark.wall_ns != 0 ? mark : Mark{age_ns_, wall_ns};
    distance_ns_ = wall_ns - elapsed_ns;
    steady_since_ns_ = elapsed_ns;
}

void AgeClock::look(std::uint64_t elapsed_ns, std::uint64_t wall_ns) noexcept {
    const std::uint64_t distance_ns = wall_ns - elapsed_ns;
    if (distance_between(distance_ns, distance_ns_) > kStepNs) {
        distance_ns_ = distance_ns;
        steady_since_ns_ = elapsed_ns;
    }
    if (elapsed_ns - steady_since_ns_ < kSteadyNs) return;
    const std::uint64_t age_ns = now_ns(elapsed_ns);
    const std::uint64_t since_mark_ns = wall_ns > mark_.wall_ns ? wall_ns - mark_.wall_ns : 0;
    const std::uint64_t counted_ns = age_ns - mark_.age_ns;
    if (since_mark_ns > counted_ns + kStepNs)
        age_ns_ += std::min(since_mark_ns - counted_ns, limit_ns_ / 2);
    mark_ = {now_ns(elapsed_ns), wall_ns};
    // A drift, however slow, isn't a step.
    distance_ns_ = distance_ns;
}

}  // namespace tailrace::journal
