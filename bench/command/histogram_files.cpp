#include "histogram_files.hpp"

#include <array>
#include <bit>
#include <ctime>
#include <fmt/format.h>
#include <utility>

namespace tailrace::bench {

namespace {

// What the log's column of largest values is in.
constexpr double kNsPerLoggedUnit = 1e6;
constexpr double kNsPerSecond = 1e9;

// Both with the hint that words are of varying length.
constexpr std::uint32_t kEncodingCookie = 0x1c849303U | 0x10U;
constexpr std::uint32_t kCompressedCookie = 0x1c849304U | 0x10U;

void put_big_endian(std::string& bytes, std::uint64_t value, unsigned size_bytes) {
    for (unsigned left = size_bytes; left-- > 0;)
        bytes += static_cast<char>(value >> (8 * left));
}

// ZigZag, then seven bits a byte; a ninth byte has eight.
void put_count(std::string& bytes, std::int64_t count) {
    auto rest = (static_cast<std::uint64_t>(count) << 1U) ^ static_cast<std::uint64_t>(count >> 63);
    constexpr std::uint64_t kMore = 0x80;
    for (int byte = 0; byte < 8 && rest >= kMore; ++byte) {
        bytes += static_cast<char>((rest & (kMore - 1)) | kMore);
        rest >>= 7U;
    }
    bytes += static_cast<char>(rest);
}

// Up to the largest value's; a run of zeroes is one negative number.
std::string counts_of(const LatencyHistogram& histogram) {
    std::string bytes;
    if (histogram.count() == 0) return bytes;
    const std::size_t end = LatencyHistogram::index_of(histogram.max_ns()) + 1;
    for (std::size_t index = 0; index < end;) {
        std::size_t zeroes = 0;
        while (index < end && histogram.count_at(index) == 0) {
            ++zeroes;
            ++index;
        }
        if (zeroes != 0) put_count(bytes, zeroes == 1 ? 0 : -static_cast<std::int64_t>(zeroes));
        if (index < end) put_count(bytes, static_cast<std::int64_t>(histogram.count_at(index++)));
    }
    return bytes;
}

std::string plain_encoding(const LatencyHistogram& histogram) {
    const std::string counts = counts_of(histogram);
    std::string bytes;
    put_big_endian(bytes, kEncodingCookie, 4);
    put_big_endian(bytes, counts.size(), 4);
    put_big_endian(bytes, 0, 4);  // the offset of a histogram whose values were shifted
    put_big_endian(bytes, LatencyHistogram::kSignificantDigits, 4);
    put_big_endian(bytes, LatencyHistogram::kLowestNs, 8);
    put_big_endian(bytes, LatencyHistogram::kHighestNs, 8);
    put_big_endian(bytes, std::bit_cast<std::uint64_t>(1.0), 8);
    return bytes + counts;
}

// RFC 1950 and 1951: blocks that are stored as they are, and the sum of all bytes.
std::string as_zlib(std::string_view bytes) {
    constexpr std::size_t kStoredBytes = 65535;
    constexpr std::uint32_t kAdlerModulus = 65521;
    std::string result = "\x78\x01";
    for (std::size_t begin = 0; begin == 0 || begin < bytes.size(); begin += kStoredBytes) {
        const std::string_view block = bytes.substr(begin, kStoredBytes);
        const auto size = static_cast<std::uint32_t>(block.size());
        result += static_cast<char>(begin + kStoredBytes >= bytes.size() ? 1 : 0);
        for (const std::uint32_t word : {size, ~size}) {
            result += static_cast<char>(word & 0xFFU);
            result += static_cast<char>((word >> 8U) & 0xFFU);
        }
        result += block;
    }
    std::uint32_t low = 1;
    std::uint32_t high = 0;
    for (const char byte : bytes) {
        low = (low + static_cast<unsigned char>(byte)) % kAdlerModulus;
        high = (high + low) % kAdlerModulus;
    }
    put_big_endian(result, (high << 16U) | low, 4);
    return result;
}

std::string as_base64(std::string_view bytes) {
    constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t begin = 0; begin < bytes.size(); begin += 3) {
        const std::string_view three = bytes.substr(begin, 3);
        std::uint32_t bits = 0;
        for (std::size_t nth = 0; nth < 3; ++nth)
            bits =
                (bits << 8U) | (nth < three.size() ? static_cast<unsigned char>(three[nth]) : 0U);
        for (std::size_t nth = 0; nth < 4; ++nth)
            text += nth <= three.size() ? kDigits[(bits >> (18 - 6 * nth)) & 63U] : '=';
    }
    return text;
}

std::string utc_text(std::time_t seconds) {
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 64> text{};
    return {text.data(),
            std::strftime(text.data(), text.size(), "%a %b %d %H:%M:%S UTC %Y", &parts)};
}

}  // namespace

std::string hgrm_text(const LatencyHistogram& histogram) {
    constexpr std::uint32_t kTicksPerHalf = 5;
    std::string text = fmt::format(
        "{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    for (const CurvePoint& point : histogram.curve(kTicksPerHalf)) {
        text += fmt::format("{:12.3f} {:2.12f} {:10d}",
                            static_cast<double>(point.value_ns),
                            point.share,
                            point.count);
        if (point.share < 1) text += fmt::format(" {:14.2f}", 1 / (1 - point.share));
        text += '\n';
    }
    text += fmt::format("#[Mean    = {:12.3f}, StdDeviation   = {:12.3f}]\n",
                        histogram.mean_ns(),
                        histogram.deviation_ns());
    text += fmt::format("#[Max     = {:12.3f}, Total count    = {:12d}]\n",
                        static_cast<double>(histogram.max_ns()),
                        histogram.count());
    return text + fmt::format("#[Buckets = {:12d}, SubBuckets     = {:12d}]\n",
                              LatencyHistogram::kBuckets,
                              LatencyHistogram::kSubBuckets);
}

std::string encoded_histogram(const LatencyHistogram& histogram) {
    const std::string squeezed = as_zlib(plain_encoding(histogram));
    std::string bytes;
    put_big_endian(bytes, kCompressedCookie, 4);
    put_big_endian(bytes, squeezed.size(), 4);
    return as_base64(bytes + squeezed);
}

HistogramLog::HistogramLog(std::uint64_t begin_ns) {
    const double begin_s = static_cast<double>(begin_ns) / kNsPerSecond;
    text_ = fmt::format(
        "#[Histogram log format version 1.3]\n"
        "#[StartTime: {:.3f} (seconds since epoch), {}]\n"
        "#[BaseTime: {:.3f} (seconds since epoch)]\n"
        "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_"
        "Histogram\"\n",
        begin_s,
        utc_text(static_cast<std::time_t>(begin_s)),
        begin_s);
}

void HistogramLog::add(std::string_view tag,
                       std::uint64_t interval_begin_ns,
                       std::uint64_t interval_ns,
                       const LatencyHistogram& histogram) {
    text_ += fmt::format("Tag={},{:.3f},{:.3f},{:.3f},{}\n",
                         tag,
                         static_cast<double>(interval_begin_ns) / kNsPerSecond,
                         static_cast<double>(interval_ns) / kNsPerSecond,
                         static_cast<double>(histogram.max_ns()) / kNsPerLoggedUnit,
                         encoded_histogram(histogram));
}

}  // namespace tailrace::bench
