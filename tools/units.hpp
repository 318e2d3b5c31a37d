// Durations, sizes, rates and speeds as people type and read them. Pure functions, any thread.
//
// Parsing is strict: a unit that is missing or misspelt is an error that says what would do.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/observe/quantity_text.hpp>

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tailrace::tool {

// "250us", "10s", "1h30m", "1.5s", "2d"; "0".
[[nodiscard]] Result<std::uint64_t> parse_duration_ns(std::string_view text);

// "4096", "64KiB", "1GiB"; K, M, G are short for KiB, MiB, GiB; kB, MB, GB are powers of ten.
[[nodiscard]] Result<std::uint64_t> parse_size_bytes(std::string_view text);

// "1000/s", "100k/s", "1.5M/s", "60/m"; the /s may be left out. 0 for "max".
[[nodiscard]] Result<double> parse_rate_per_s(std::string_view text);

// "1x", "10x", "0.5x"; the x may be left out. 0 for "max".
[[nodiscard]] Result<double> parse_speed(std::string_view text);

// The whole text as a number of that type; else nothing.
template <std::integral Number>
[[nodiscard]] std::optional<Number> whole_number(std::string_view text) noexcept {
    Number number = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (status != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

// Digits, with , or _ between them as they were printed: "1482990", "1,482,990".
[[nodiscard]] Result<std::uint64_t> parse_count(std::string_view text);

// How they are printed is told beside the figures.
using observe::clock_text;
using observe::count_text;
using observe::counted;
using observe::duration_text;
using observe::rate_text;
using observe::size_text;
using observe::time_text;

// RFC 3339 with Z or an offset; the fraction may have up to nine digits. Empty when it isn't one.
[[nodiscard]] std::optional<std::uint64_t> parse_time_ns(std::string_view text);

}  // namespace tailrace::tool
