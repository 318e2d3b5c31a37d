#include "position.hpp"

#include "units.hpp"

#include <fmt/format.h>

namespace tailrace::tool {

namespace {

Error not_a_position(std::string_view text) {
    return make_error(
        ErrorCode::invalid_argument,
        fmt::format("'{}' is not a position", text),
        "start, end, N, +N, -N, @-10m, @2026-11-22T14:00:06Z or @1796002160 (s, ms, us or ns)");
}

// What `date +%s` and its kin print: the unit is told by the size, since of any year from 1973 to
// 5138 seconds, milliseconds, microseconds and nanoseconds are three digits apart.
std::uint64_t since_epoch_ns(std::uint64_t number) {
    constexpr std::uint64_t kSecondsEnd = 100'000'000'000;
    std::uint64_t per_unit = 1'000'000'000;
    for (std::uint64_t end = kSecondsEnd; number >= end && per_unit > 1; end *= 1000)
        per_unit /= 1000;
    return number * per_unit;
}

Result<Position> parse_time_position(std::string_view text) {
    const std::string_view time = text.substr(1);
    if (time.starts_with('-')) {
        auto duration = parse_duration_ns(time.substr(1));
        if (!duration) return not_a_position(text);
        return Position{Position::Kind::before_now, *duration};
    }
    if (const auto time_ns = parse_time_ns(time)) return Position{Position::Kind::time, *time_ns};
    auto number = parse_count(time);
    if (!number) return not_a_position(text);
    return Position{Position::Kind::time, since_epoch_ns(*number)};
}

}  // namespace

Result<Position> parse_position(std::string_view text) {
    if (text == "start") return Position{Position::Kind::start, 0};
    if (text == "end") return Position{Position::Kind::end, 0};
    if (text.starts_with('@')) return parse_time_position(text);
    Position position{Position::Kind::sequence, 0};
    std::string_view digits = text;
    if (text.starts_with('+')) position.kind = Position::Kind::after_start;
    if (text.starts_with('-')) position.kind = Position::Kind::before_end;
    if (text.starts_with('#')) digits.remove_prefix(1);  // as it is printed
    if (position.kind != Position::Kind::sequence) digits.remove_prefix(1);
    auto number = parse_count(digits);
    if (!number) return not_a_position(text);
    position.value = *number;
    return position;
}

}  // namespace tailrace::tool
