// Counts, sizes, durations, rates and times as people read them. Pure functions, any thread; each
// allocates its text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tailrace::observe {

// "1,482,990"
[[nodiscard]] std::string count_text(std::uint64_t count);
// "1 segment", "1,024 segments"
[[nodiscard]] std::string counted(std::uint64_t count, std::string_view noun);
// "64 B", "2.5 MiB"
[[nodiscard]] std::string size_text(std::uint64_t size_bytes);
// "812 ns", "3.1 us", "98.4 ms", "12.5 s", "7m41s", "3h05m"
[[nodiscard]] std::string duration_text(std::uint64_t duration_ns);
// "1.20M/s"
[[nodiscard]] std::string rate_text(double per_s);
// "99.9%"
[[nodiscard]] std::string share_text(double ratio);
// "2026-11-22T14:00:06.000000001Z"
[[nodiscard]] std::string time_text(std::uint64_t time_ns);
// To the second, and without its date when that is the day of `now_ns`: "14:00:06Z",
// "2026-11-21T14:00:06Z".
[[nodiscard]] std::string clock_text(std::uint64_t time_ns, std::uint64_t now_ns);

}  // namespace tailrace::observe
