// Writes histograms and the values that are in them, for the readers that check the files.
//
//     histogram_samples DIRECTORY      sample.hlog, TAG.hgrm, and TAG.values: "value count" a line
//
// Small ones and large ones, none at all, runs of empty places of every length, and so many values
// that counts need several bytes.

#include "histogram_files.hpp"
#include "latency_series.hpp"

#include <cstdint>
#include <cstdio>
#include <fmt/format.h>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace {

using tailrace::bench::LatencyHistogram;
using tailrace::bench::LatencyRecord;
using tailrace::bench::LatencySeries;

using Values = std::map<std::uint64_t, std::uint64_t>;  // value, how often

constexpr std::uint64_t kSecond = 1'000'000'000;

Values some_values() {
    Values values = {{0, 3}, {1, 1}, {2, 200}, {4, 70'000}, {2047, 5}, {2048, 1}, {2050, 9}};
    for (std::uint64_t value = 5000; value < 20 * kSecond; value = value * 5 / 4 + 1)
        values[value] = 1 + value % 300;
    return values;
}

// A count at each second place.
Values wide_values() {
    Values values;
    for (std::uint64_t value = 0; value < 2'000'000'000; value += 1 + value / 300)
        values[value] = 1 + value % 70;
    return values;
}

std::unique_ptr<LatencyHistogram> histogram_of(const Values& values) {
    auto histogram = std::make_unique<LatencyHistogram>();
    for (const auto& [value, count] : values) {
        for (std::uint64_t nth = 0; nth < count; ++nth)
            histogram->record(value);
    }
    return histogram;
}

bool write_file(const std::string& path, const std::string& text) {
    std::FILE* const file = std::fopen(path.c_str(), "w");
    if (file == nullptr) return false;
    const bool is_written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
    return std::fclose(file) == 0 && is_written;
}

}  // namespace

int main(int count, char** words) {
    if (count != 2) return 2;
    const std::string directory = words[1];
    const std::map<std::string, Values> samples = {
        {"some", some_values()}, {"wide", wide_values()}, {"none", {}}, {"one", {{123'456, 1}}}};
    LatencyRecord record;
    record.begin_ns = 1'700'000'000 * kSecond + 250'000'000;
    bool is_written = true;
    std::uint64_t begin_ns = 0;
    for (const auto& [tag, values] : samples) {
        const auto histogram = histogram_of(values);
        std::string lines;
        for (const auto& [value, times] : values)
            lines += fmt::format("{} {}\n", value, times);
        is_written = is_written && write_file(directory + "/" + tag + ".values", lines) &&
                     write_file(directory + "/" + tag + ".hgrm", hgrm_text(*histogram));
        LatencySeries series;
        series.name = tag;
        series.intervals.push_back(
            {begin_ns, kSecond / 2, std::make_unique<LatencyHistogram>(*histogram)});
        record.series.push_back(std::move(series));
        begin_ns += kSecond;
    }
    is_written = is_written && write_file(directory + "/sample.hlog", record.hlog_text());
    return is_written ? 0 : 1;
}
