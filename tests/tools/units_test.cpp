#include "units.hpp"

#include <catch2/catch.hpp>

namespace units_test {

using namespace tailrace::tool;

TEST_CASE("units: durations have units and may be put together.") {
    CHECK(*parse_duration_ns("250us") == 250'000);
    CHECK(*parse_duration_ns("10s") == 10'000'000'000);
    CHECK(*parse_duration_ns("1h30m") == 5'400'000'000'000);
    CHECK(*parse_duration_ns("1.5s") == 1'500'000'000);
    CHECK(*parse_duration_ns("3ns") == 3);
    CHECK(*parse_duration_ns("2d") == 172'800'000'000'000);
    CHECK(*parse_duration_ns("0") == 0);
    for (const char* text :
         {"", "10", "s", "-1s", "1x", "1s ", "1 s", "1.2.3s", "1e3s", "9999999d"}) {
        INFO(text);
        CHECK_FALSE(parse_duration_ns(text));
    }
}

TEST_CASE("units: sizes know powers of two and of ten.") {
    CHECK(*parse_size_bytes("4096") == 4096);
    CHECK(*parse_size_bytes("64KiB") == 65536);
    CHECK(*parse_size_bytes("64K") == 65536);
    CHECK(*parse_size_bytes("1GiB") == 1073741824);
    CHECK(*parse_size_bytes("1.5MiB") == 1572864);
    CHECK(*parse_size_bytes("10MB") == 10'000'000);
    CHECK(*parse_size_bytes("64B") == 64);
    for (const char* text : {"", "KiB", "64Kb", "-1", "1 GiB", "0x10", "99999999999TiB"}) {
        INFO(text);
        CHECK_FALSE(parse_size_bytes(text));
    }
}

TEST_CASE("units: rates are per second unless they say otherwise.") {
    CHECK(*parse_rate_per_s("100k/s") == Approx(100'000));
    CHECK(*parse_rate_per_s("1000/s") == Approx(1000));
    CHECK(*parse_rate_per_s("1.5M") == Approx(1'500'000));
    CHECK(*parse_rate_per_s("60/m") == Approx(1));
    CHECK(*parse_rate_per_s("max") == 0);
    for (const char* text : {"", "0", "0/s", "-5/s", "5/d", "k/s", "5 /s", "fast"}) {
        INFO(text);
        CHECK_FALSE(parse_rate_per_s(text));
    }
}

TEST_CASE("units: a speed of 10x is ten times as fast.") {
    CHECK(*parse_speed("1x") == Approx(1));
    CHECK(*parse_speed("10x") == Approx(10));
    CHECK(*parse_speed("0.5x") == Approx(0.5));
    CHECK(*parse_speed("2") == Approx(2));
    CHECK(*parse_speed("max") == 0);
    for (const char* text : {"", "0", "0x", "-1x", "x", "10X", "fast"}) {
        INFO(text);
        CHECK_FALSE(parse_speed(text));
    }
}

TEST_CASE("units: times are RFC 3339, to the nanosecond, and come back as they went.") {
    CHECK(time_text(1795356006000000001) == "2026-11-22T14:00:06.000000001Z");
    CHECK(parse_time_ns(time_text(1795356006000000001)) == 1795356006000000001U);
    CHECK(parse_time_ns("2026-11-22T14:00:06Z") == 1795356006000000000U);
    CHECK(parse_time_ns("2026-11-22T15:00:06+01:00") == 1795356006000000000U);
    CHECK(parse_time_ns("2026-11-22T14:00:06.5Z") == 1795356006500000000U);
    CHECK(parse_time_ns("2024-02-29T00:00:00Z") == 1709164800000000000U);
    for (const char* text : {"",
                             "2026-11-22",
                             "2026-11-22T14:00:06",
                             "2026-02-30T14:00:06Z",
                             "2026-11-22T24:00:06Z",
                             "2026-11-22T14:60:06Z",
                             "2026-11-22T14:00:06.Z",
                             "2026-11-22T14:00:06.1234567890Z",
                             "2026-11-22T14:00:06Zx",
                             "1926-11-22T14:00:06Z"}) {
        INFO(text);
        CHECK_FALSE(parse_time_ns(text));
    }
}

}  // namespace units_test
