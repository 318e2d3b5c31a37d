#include "event_template.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace event_template_test {

using namespace tailrace;
using namespace tailrace::tool;
using namespace std::string_view_literals;

namespace {

Event empty_event() {
    static const std::array<std::byte, sizeof(EventHeader)> record{};
    return {0, EventHeader{}, record.data()};
}

}  // namespace

TEST_CASE("template: bytes, and what is around fields, stand as they are written") {
    const auto lines = EventTemplate::parse("a%%\\t\\x41\\0%o%o\\\\\\n");
    REQUIRE(lines);
    std::string line = "before ";
    lines->append_to(line, empty_event(), "s");
    CHECK(line == "before a%\tA\00000\\\n"sv);
}

TEST_CASE("template: of an event without key and times") {
    const auto lines = EventTemplate::parse("%s|%k|%v|%V|%t|%y|%d|%T|%E|%x|%b|");
    REQUIRE(lines);
    std::string line;
    lines->append_to(line, empty_event(), "orders");
    CHECK(line == "0|||0|orders|0||0|0|||");
}

TEST_CASE("template: what isn't understood is named with its column") {
    const auto what = [](std::string_view text) {
        const auto lines = EventTemplate::parse(text);
        return lines ? std::string("ok") : lines.error().message;
    };
    CHECK(what("%s %q") == "'%s %q', column 4: there is no field %q");
    CHECK(what("%s %") == "'%s %', column 4: a field without its letter");
    CHECK(what("%s\\") == "'%s\\', column 3: no such byte");
    CHECK(what("%s\\q") == "'%s\\q', column 3: no such byte");
    CHECK(what("%s\\x4") == "'%s\\x4', column 3: no such byte");
    CHECK(what("%s\\xg0") == "'%s\\xg0', column 3: no such byte");
    CHECK(what("orders") == "'orders', column 1: it names no field of the event");
    CHECK(what("") == "'', column 1: it names no field of the event");
    CHECK(what("100%%") == "'100%%', column 1: it names no field of the event");
}

}  // namespace event_template_test
