// Samples: every single measurement of a benchmark, so that percentiles are exact and the maximum
// is never lost.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tailrace::bench {

class Samples {
public:
    void reserve(std::size_t count) { ticks_.reserve(count); }
    void add(std::uint64_t ticks) { ticks_.push_back(ticks); }
    [[nodiscard]] std::size_t count() const noexcept { return ticks_.size(); }

    [[nodiscard]] const std::vector<std::uint64_t>& ticks() const noexcept { return ticks_; }

    void sort() { std::sort(ticks_.begin(), ticks_.end()); }
    // The smallest sample that at least `share` of all samples don't exceed. Requires: sort() since
    // the last add().
    [[nodiscard]] double percentile_ns(double share, double ns_per_tick) const noexcept {
        if (ticks_.empty()) return 0;
        const auto rank =
            static_cast<std::size_t>(share * static_cast<double>(ticks_.size() - 1) + 0.5);
        return static_cast<double>(ticks_[std::min(rank, ticks_.size() - 1)]) * ns_per_tick;
    }

private:
    std::vector<std::uint64_t> ticks_;
};

struct Spread {
    double min;
    double median;
    double max;
};

[[nodiscard]] inline Spread spread_of(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    if (values.empty()) return {0, 0, 0};
    return {values.front(), values[values.size() / 2], values.back()};
}

}  // namespace tailrace::bench
