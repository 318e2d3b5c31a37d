// Histogram files: a LatencyHistogram as the tools of HdrHistogram read it.
//
// .hgrm: the percentile distribution as text, which its plotters draw. .hlog: version 1.3 of its
// log, a line for each interval, in which the histogram itself stands: version 2 of its encoding,
// in the zlib format, in base64. The zlib blocks are stored as they are, so that no library is
// needed: a histogram of a second has some thousand bytes.
#pragma once

#include "latency_histogram.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace tailrace::bench {

// Values in nanoseconds.
[[nodiscard]] std::string hgrm_text(const LatencyHistogram& histogram);

// "HISTFAAA…"
[[nodiscard]] std::string encoded_histogram(const LatencyHistogram& histogram);

class HistogramLog {
public:
    // The wall clock when what is measured began: times of intervals count from there.
    explicit HistogramLog(std::uint64_t begin_ns);

    // Requires: `tag` has no comma, blank or line end.
    void add(std::string_view tag,
             std::uint64_t interval_begin_ns,
             std::uint64_t interval_ns,
             const LatencyHistogram& histogram);
    [[nodiscard]] const std::string& text() const noexcept { return text_; }

private:
    std::string text_;
};

}  // namespace tailrace::bench
