#include <tailrace/base/clock.hpp>
#include <tailrace/observe/quantity_text.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <ctime>

namespace tailrace::observe {

namespace {

constexpr std::uint64_t kSecondsPerMinute = 60;
constexpr std::uint64_t kSecondsPerHour = 3600;
constexpr std::uint64_t kSecondsPerDay = 86400;
constexpr std::size_t kDateSize = 11;     // "2026-11-22T"
constexpr std::size_t kSecondsSize = 19;  // "2026-11-22T14:00:06"

// `value` with so many digits behind its point.
std::string decimals(double value, int digits) {
    std::array<char, 400> text{};  // the largest double has 309 digits before its point
    const auto [end, status] = std::to_chars(
        text.data(), text.data() + text.size(), value, std::chars_format::fixed, digits);
    return status == std::errc() ? std::string(text.data(), end) : std::string("?");
}

// At least so many digits.
std::string padded(std::uint64_t value, std::size_t digits) {
    std::string text = std::to_string(value);
    if (text.size() < digits) text.insert(0, digits - text.size(), '0');
    return text;
}

}  // namespace

std::string count_text(std::uint64_t count) {
    std::string text = std::to_string(count);
    for (std::size_t at = text.size(); at > 3; at -= 3)
        text.insert(at - 3, 1, ',');
    return text;
}

std::string counted(std::uint64_t count, std::string_view noun) {
    std::string text = count_text(count) + " ";
    text += noun;
    return count == 1 ? text : text + "s";
}

std::string size_text(std::uint64_t size_bytes) {
    constexpr std::array<std::string_view, 5> kNames = {" B", " KiB", " MiB", " GiB", " TiB"};
    auto value = static_cast<double>(size_bytes);
    std::size_t name = 0;
    // 1023.95 would be printed as 1024.0.
    while (value >= 1023.95 && name + 1 < kNames.size()) {
        value /= 1024;
        ++name;
    }
    const bool whole = name == 0 || value == std::floor(value);
    return decimals(value, whole ? 0 : 1).append(kNames.at(name));
}

std::string duration_text(std::uint64_t duration_ns) {
    const auto value = static_cast<double>(duration_ns);
    if (duration_ns < kNsPerUs) return std::to_string(duration_ns) + " ns";
    if (value < 999.95e3) return decimals(value / 1e3, 1) + " us";
    if (value < 999.95e6) return decimals(value / 1e6, 1) + " ms";
    const std::uint64_t seconds = duration_ns / kNsPerSecond;
    if (seconds < kSecondsPerMinute) return decimals(value / 1e9, 1) + " s";
    if (seconds < kSecondsPerHour) {
        return std::to_string(seconds / kSecondsPerMinute) + "m" +
               padded(seconds % kSecondsPerMinute, 2) + "s";
    }
    if (seconds < 2 * kSecondsPerDay) {
        return std::to_string(seconds / kSecondsPerHour) + "h" +
               padded(seconds % kSecondsPerHour / kSecondsPerMinute, 2) + "m";
    }
    return std::to_string(seconds / kSecondsPerDay) + "d" +
           padded(seconds % kSecondsPerDay / kSecondsPerHour, 2) + "h";
}

std::string rate_text(double per_s) {
    if (per_s >= 999.5e6) return decimals(per_s / 1e9, 2) + "G/s";
    if (per_s >= 999.5e3) return decimals(per_s / 1e6, 2) + "M/s";
    if (per_s >= 9999.5) return decimals(per_s / 1e3, 1) + "k/s";
    return decimals(per_s, 0) + "/s";
}

std::string share_text(double ratio) {
    return decimals(ratio * 100, 1) + "%";
}

std::string time_text(std::uint64_t time_ns) {
    const auto seconds = static_cast<std::time_t>(time_ns / kNsPerSecond);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    const auto field = [](int value, std::size_t digits) {
        return padded(static_cast<std::uint64_t>(value), digits);
    };
    return field(parts.tm_year + 1900, 4) + "-" + field(parts.tm_mon + 1, 2) + "-" +
           field(parts.tm_mday, 2) + "T" + field(parts.tm_hour, 2) + ":" + field(parts.tm_min, 2) +
           ":" + field(parts.tm_sec, 2) + "." + padded(time_ns % kNsPerSecond, 9) + "Z";
}

std::string clock_text(std::uint64_t time_ns, std::uint64_t now_ns) {
    constexpr std::uint64_t kDayNs = kSecondsPerDay * kNsPerSecond;
    const std::string text = time_text(time_ns).substr(0, kSecondsSize) + "Z";
    return time_ns / kDayNs == now_ns / kDayNs ? text.substr(kDateSize) : text;
}

}  // namespace tailrace::observe
