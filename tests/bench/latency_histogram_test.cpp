#include "latency_histogram.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <vector>

namespace latency_histogram_test {

using tailrace::bench::LatencyHistogram;

TEST_CASE("latency histogram: a value is told within a thousandth of itself", "[bench]") {
    const auto check = [](std::uint64_t value_ns) {
        const std::size_t index = LatencyHistogram::index_of(value_ns);
        REQUIRE(index < LatencyHistogram::kCounts);
        const std::uint64_t highest = LatencyHistogram::highest_at(index);
        REQUIRE(highest >= value_ns);
        REQUIRE(highest - value_ns <= value_ns / 1000);
        // Whoever is next to it has the next place, or the same.
        REQUIRE(LatencyHistogram::index_of(highest) == index);
        REQUIRE(LatencyHistogram::index_of(highest + 1) == index + 1);
    };
    for (std::uint64_t value_ns = 0; value_ns < 10'000; ++value_ns)
        check(value_ns);
    for (std::uint64_t power = 4096; power < LatencyHistogram::kHighestNs / 2; power *= 2) {
        check(power - 1);
        check(power);
        check(power + 1);
    }
}

TEST_CASE("latency histogram: its percentiles are those of the sorted values", "[bench]") {
    std::mt19937_64 random(7);
    std::vector<std::uint64_t> values;
    const auto histogram = std::make_unique<LatencyHistogram>();
    const auto other = std::make_unique<LatencyHistogram>();
    for (int nth = 0; nth < 50'000; ++nth) {
        const std::uint64_t value = (random() % 4000) << (random() % 16);
        values.push_back(value);
        (nth % 2 == 0 ? histogram : other)->record(value);
    }
    histogram->add(*other);
    std::sort(values.begin(), values.end());
    REQUIRE(histogram->count() == values.size());
    REQUIRE(histogram->max_ns() == values.back());
    for (const double share : {0.0, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
        const auto rank = static_cast<std::size_t>(
            std::max(1.0, std::ceil(share * static_cast<double>(values.size()))));
        const std::uint64_t exact = values[rank - 1];
        const std::uint64_t told = histogram->percentile_ns(share);
        REQUIRE(told >= exact);
        REQUIRE(told - exact <= exact / 1000);
    }
}

TEST_CASE("latency histogram: a curve rises to the largest value, and misses no event", "[bench]") {
    const auto histogram = std::make_unique<LatencyHistogram>();
    REQUIRE(histogram->curve(5).empty());
    for (std::uint64_t nth = 1; nth <= 100'000; ++nth)
        histogram->record(nth * 17);
    const auto curve = histogram->curve(5);
    REQUIRE(curve.size() > 50);
    for (std::size_t nth = 1; nth < curve.size(); ++nth) {
        REQUIRE(curve[nth].share > curve[nth - 1].share);
        REQUIRE(curve[nth].value_ns >= curve[nth - 1].value_ns);
        const double reached = static_cast<double>(curve[nth].count) / 100'000;
        REQUIRE(reached >= curve[nth].share);
    }
    REQUIRE(curve.back().share == 1);
    REQUIRE(curve.back().value_ns == 1'700'000);
    REQUIRE(curve.back().count == 100'000);
}

TEST_CASE("latency histogram: what takes longer than a minute counts as a minute", "[bench]") {
    const auto histogram = std::make_unique<LatencyHistogram>();
    histogram->record(LatencyHistogram::kHighestNs * 3);
    histogram->record(5);
    REQUIRE(histogram->count() == 2);
    REQUIRE(histogram->max_ns() == LatencyHistogram::kHighestNs);
    REQUIRE(histogram->percentile_ns(0.5) == 5);
}

}  // namespace latency_histogram_test
