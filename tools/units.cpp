#include "units.hpp"

#include <tailrace/base/clock.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <fmt/format.h>

namespace tailrace::tool {

namespace {

struct Unit {
    std::string_view name;
    double factor;
};

constexpr std::array<Unit, 8> kDurationUnits = {{
    {"ns", 1.0},
    {"us", 1e3},
    {"µs", 1e3},
    {"ms", 1e6},
    {"s", 1e9},
    {"m", 60e9},
    {"h", 3600e9},
    {"d", 86400e9},
}};

constexpr std::array<Unit, 14> kSizeUnits = {{
    {"", 1.0},
    {"B", 1.0},
    {"K", 1024.0},
    {"KiB", 1024.0},
    {"M", 1048576.0},
    {"MiB", 1048576.0},
    {"G", 1073741824.0},
    {"GiB", 1073741824.0},
    {"T", 1099511627776.0},
    {"TiB", 1099511627776.0},
    {"kB", 1e3},
    {"KB", 1e3},
    {"MB", 1e6},
    {"GB", 1e9},
}};

constexpr std::array<Unit, 5> kRateUnits = {{
    {"", 1.0},
    {"k", 1e3},
    {"K", 1e3},
    {"M", 1e6},
    {"G", 1e9},
}};

constexpr std::array<Unit, 4> kRatePeriods = {{
    {"", 1.0},
    {"/s", 1.0},
    {"/m", 1.0 / 60},
    {"/h", 1.0 / 3600},
}};

// The number at the front of `text`, which is shortened by it. No sign, no exponent, no "inf".
std::optional<double> take_number(std::string_view& text) {
    const std::size_t size = std::min(text.find_first_not_of("0123456789."), text.size());
    double value = 0;
    const auto [end, status] =
        std::from_chars(text.data(), text.data() + size, value, std::chars_format::fixed);
    if (status != std::errc() || end != text.data() + size) return std::nullopt;
    text.remove_prefix(size);
    return value;
}

template <std::size_t N>
std::optional<double> factor_of(const std::array<Unit, N>& units, std::string_view name) {
    for (const Unit& unit : units) {
        if (unit.name == name) return unit.factor;
    }
    return std::nullopt;
}

std::optional<std::uint64_t> to_whole(double value) {
    constexpr double kLimit = 18e18;
    if (!(value >= 0) || value > kLimit) return std::nullopt;
    return static_cast<std::uint64_t>(std::llround(std::min(value, 9e18)));
}

// Two digits at `at`, or -1.
int two_digits(std::string_view text, std::size_t at) {
    if (at + 2 > text.size() || text[at] < '0' || text[at] > '9' || text[at + 1] < '0' ||
        text[at + 1] > '9') {
        return -1;
    }
    return (text[at] - '0') * 10 + (text[at + 1] - '0');
}

// Seconds east of UTC for "Z", "+01:00", "-05:30".
std::optional<std::int64_t> zone_offset_s(std::string_view text) {
    if (text == "Z" || text == "z") return 0;
    if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') {
        return std::nullopt;
    }
    const int hours = two_digits(text, 1);
    const int minutes = two_digits(text, 4);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return std::nullopt;
    const std::int64_t seconds = std::int64_t{hours} * 3600 + std::int64_t{minutes} * 60;
    return text[0] == '-' ? -seconds : seconds;
}

}  // namespace

Result<std::uint64_t> parse_duration_ns(std::string_view text) {
    const Error error = invalid_argument(fmt::format("'{}' is not a duration", text),
                                         "250us, 10ms, 1.5s, 1h30m (units: ns us ms s m h d)");
    if (text == "0") return std::uint64_t{0};
    if (text.empty()) return error;
    double total_ns = 0;
    while (!text.empty()) {
        const auto number = take_number(text);
        const std::size_t unit_size = std::min(text.find_first_of("0123456789."), text.size());
        const auto factor = factor_of(kDurationUnits, text.substr(0, unit_size));
        if (!number || !factor) return error;
        text.remove_prefix(unit_size);
        total_ns += *number * *factor;
    }
    const auto whole = to_whole(total_ns);
    if (!whole) return error;
    return *whole;
}

Result<std::uint64_t> parse_size_bytes(std::string_view text) {
    const Error error =
        invalid_argument(fmt::format("'{}' is not a size", text), "4096, 64KiB, 16MiB, 1GiB");
    const auto number = take_number(text);
    const auto factor = factor_of(kSizeUnits, text);
    if (!number || !factor) return error;
    const auto whole = to_whole(*number * *factor);
    if (!whole) return error;
    return *whole;
}

Result<double> parse_rate_per_s(std::string_view text) {
    const Error error = invalid_argument(fmt::format("'{}' is not a rate", text),
                                         "1000/s, 100k/s, 1.5M/s, 60/m, max");
    if (text == "max") return 0.0;
    const auto number = take_number(text);
    const std::size_t slash = std::min(text.find('/'), text.size());
    const auto factor = factor_of(kRateUnits, text.substr(0, slash));
    const auto period = factor_of(kRatePeriods, text.substr(slash));
    if (!number || !factor || !period || *number <= 0) return error;
    return *number * *factor * *period;
}

Result<double> parse_speed(std::string_view text) {
    const Error error =
        invalid_argument(fmt::format("'{}' is not a speed", text), "1x, 10x, 0.5x (slower), max");
    if (text == "max") return 0.0;
    const auto number = take_number(text);
    if (!number || *number <= 0 || (text != "x" && !text.empty())) return error;
    return *number;
}

Result<std::uint64_t> parse_count(std::string_view text) {
    const Error error =
        invalid_argument(fmt::format("'{}' is not a number", text), "1482990 or 1,482,990");
    std::string digits;
    for (const char c : text) {
        if (c == ',' || c == '_') continue;
        digits += c;
    }
    const auto value = whole_number<std::uint64_t>(digits);
    if (!value) return error;
    return *value;
}

std::optional<std::uint64_t> parse_time_ns(std::string_view text) {
    // YYYY-MM-DDThh:mm:ss, then a fraction, then the zone.
    constexpr std::size_t kFixedSize = 19;
    if (text.size() < kFixedSize + 1 || text[4] != '-' || text[7] != '-' || text[13] != ':' ||
        text[16] != ':' || (text[10] != 'T' && text[10] != 't' && text[10] != ' ')) {
        return std::nullopt;
    }
    const std::array<int, 7> numbers = {two_digits(text, 0),
                                        two_digits(text, 2),
                                        two_digits(text, 5),
                                        two_digits(text, 8),
                                        two_digits(text, 11),
                                        two_digits(text, 14),
                                        two_digits(text, 17)};
    for (const int number : numbers) {
        if (number < 0) return std::nullopt;
    }
    std::tm parts{};
    parts.tm_year = numbers[0] * 100 + numbers[1] - 1900;
    parts.tm_mon = numbers[2] - 1;
    parts.tm_mday = numbers[3];
    parts.tm_hour = numbers[4];
    parts.tm_min = numbers[5];
    parts.tm_sec = numbers[6];
    const std::tm asked = parts;
    const std::time_t seconds = ::timegm(&parts);
    // timegm carries the 31st of June over into July: not what was asked.
    if (seconds < 0 || parts.tm_mon != asked.tm_mon || parts.tm_mday != asked.tm_mday ||
        asked.tm_hour > 23 || asked.tm_min > 59 || asked.tm_sec > 60) {
        return std::nullopt;
    }
    text.remove_prefix(kFixedSize);
    std::uint64_t fraction_ns = 0;
    if (text.front() == '.') {
        text.remove_prefix(1);
        std::uint64_t unit_ns = kNsPerMs * 100;
        std::size_t digits = 0;
        while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
            fraction_ns += static_cast<std::uint64_t>(text.front() - '0') * unit_ns;
            unit_ns /= 10;
            ++digits;
            text.remove_prefix(1);
        }
        if (digits == 0 || digits > 9) return std::nullopt;
    }
    const auto offset_s = zone_offset_s(text);
    if (!offset_s || seconds < *offset_s) return std::nullopt;
    return static_cast<std::uint64_t>(seconds - *offset_s) * kNsPerSecond + fraction_ns;
}

}  // namespace tailrace::tool
