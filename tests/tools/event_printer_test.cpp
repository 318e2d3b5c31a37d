#include "event_printer.hpp"

#include <tailrace/base/clock.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <cstring>
#include <string>

namespace event_printer_test {

using namespace tailrace;
using namespace tailrace::tool;

namespace {

constexpr std::uint64_t kDayNs = std::uint64_t{86'400} * kNsPerSecond;

// The line of an event without payload that was published then.
std::string line_of(EventPrinter& printer, std::uint64_t time_ns) {
    EventHeader header{};
    header.flags = kHasPublishTime;
    header.extension_words = 1;
    std::array<std::byte, sizeof(EventHeader) + sizeof(time_ns)> record{};
    std::memcpy(record.data(), &header, sizeof(header));
    std::memcpy(record.data() + sizeof(header), &time_ns, sizeof(time_ns));
    return std::string(printer.line(Event(7, header, record.data())));
}

bool is_dated(const std::string& line) {
    return line.find('T') != std::string::npos;
}

}  // namespace

TEST_CASE("event printer: a time of today has no date, one of another day has.") {
    EventPrinter printer("s", Format::text);
    const std::uint64_t noon_ns = wall_clock_ns() / kDayNs * kDayNs + kDayNs / 2;
    CHECK(line_of(printer, noon_ns) == "12:00:00.000000000Z  #7  \n");
    CHECK_FALSE(is_dated(line_of(printer, noon_ns + kNsPerSecond)));
    EventPrinter of_yesterday("s", Format::text);
    CHECK(is_dated(line_of(of_yesterday, noon_ns - kDayNs)));
    CHECK(is_dated(line_of(of_yesterday, noon_ns - kDayNs + 1)));
    CHECK(is_dated(line_of(of_yesterday, noon_ns - kDayNs + kNsPerSecond)));
    EventPrinter long_ago("s", Format::text);
    CHECK(line_of(long_ago, 978307200000000001) == "2001-01-01T00:00:00.000000001Z  #7  \n");
}

TEST_CASE("event printer: where a day begins it is said, also when that is today.") {
    EventPrinter printer("s", Format::text);
    const std::uint64_t noon_ns = wall_clock_ns() / kDayNs * kDayNs + kDayNs / 2;
    CHECK(is_dated(line_of(printer, noon_ns - kDayNs)));
    CHECK(is_dated(line_of(printer, noon_ns)));
    CHECK_FALSE(is_dated(line_of(printer, noon_ns + kNsPerSecond)));
}

}  // namespace event_printer_test
