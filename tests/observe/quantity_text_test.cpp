#include <tailrace/observe/quantity_text.hpp>

#include <catch2/catch.hpp>

#include <limits>

namespace quantity_text_test {

using namespace tailrace::observe;

TEST_CASE("quantity text: what is printed is short and has its unit.") {
    CHECK(count_text(0) == "0");
    CHECK(count_text(999) == "999");
    CHECK(count_text(1482990) == "1,482,990");
    CHECK(counted(1, "segment") == "1 segment");
    CHECK(counted(1024, "segment") == "1,024 segments");
    CHECK(size_text(64) == "64 B");
    CHECK(size_text(65536) == "64 KiB");
    CHECK(size_text(2621440) == "2.5 MiB");
    CHECK(size_text(1048575) == "1.0 MiB");
    CHECK(duration_text(812) == "812 ns");
    CHECK(duration_text(3'100) == "3.1 us");
    CHECK(duration_text(98'400'000) == "98.4 ms");
    CHECK(duration_text(12'500'000'000) == "12.5 s");
    CHECK(duration_text(461'000'000'000) == "7m41s");
    CHECK(duration_text(11'100'000'000'000) == "3h05m");
    CHECK(duration_text(180'000'000'000'000) == "2d02h");
    CHECK(rate_text(120) == "120/s");
    CHECK(rate_text(1'200'000) == "1.20M/s");
    CHECK(rate_text(12'345) == "12.3k/s");
    CHECK(rate_text(std::numeric_limits<double>::max()).ends_with("G/s"));
    CHECK(share_text(0.999) == "99.9%");
}

TEST_CASE("quantity text: a time has its date, but that of today where it is only shown.") {
    constexpr std::uint64_t kTime = 1795356006000000001;
    constexpr std::uint64_t kHour = 3'600'000'000'000;
    CHECK(time_text(kTime) == "2026-11-22T14:00:06.000000001Z");
    CHECK(clock_text(kTime, kTime + kHour) == "14:00:06Z");
    CHECK(clock_text(kTime, kTime + 10 * kHour) == "2026-11-22T14:00:06Z");
    CHECK(clock_text(kTime, kTime - 15 * kHour) == "2026-11-22T14:00:06Z");
}

}  // namespace quantity_text_test
