#include "latency_series.hpp"

#include "histogram_files.hpp"

#include <algorithm>
#include <utility>

namespace tailrace::bench {

std::unique_ptr<LatencyHistogram> LatencySeries::whole() const {
    auto sum = std::make_unique<LatencyHistogram>();
    for (const Interval& interval : intervals)
        sum->add(*interval.histogram);
    return sum;
}

std::string LatencyRecord::hlog_text() const {
    std::vector<std::pair<const LatencySeries*, const LatencySeries::Interval*>> lines;
    for (const LatencySeries& one : series) {
        for (const LatencySeries::Interval& interval : one.intervals)
            lines.emplace_back(&one, &interval);
    }
    std::stable_sort(lines.begin(), lines.end(), [](const auto& left, const auto& right) {
        return left.second->begin_ns < right.second->begin_ns;
    });
    HistogramLog log(begin_ns);
    for (const auto& [one, interval] : lines)
        log.add(one->name, interval->begin_ns, interval->length_ns, *interval->histogram);
    return log.text();
}

nlohmann::json percentiles_json(const LatencyHistogram& histogram) {
    return {{"p50", histogram.percentile_ns(0.5)},
            {"p90", histogram.percentile_ns(0.9)},
            {"p99", histogram.percentile_ns(0.99)},
            {"p99_9", histogram.percentile_ns(0.999)},
            {"p99_99", histogram.percentile_ns(0.9999)},
            {"max", histogram.max_ns()},
            {"mean", histogram.mean_ns()}};
}

nlohmann::json curve_json(const LatencyHistogram& histogram) {
    constexpr std::uint32_t kTicksPerHalf = 4;
    nlohmann::json points = nlohmann::json::array();
    for (const CurvePoint& point : histogram.curve(kTicksPerHalf))
        points.push_back({point.share, point.value_ns});
    return points;
}

}  // namespace tailrace::bench
