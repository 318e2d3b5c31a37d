#include "position.hpp"

#include <catch2/catch.hpp>

namespace position_test {

using namespace tailrace;
using namespace tailrace::tool;
using Kind = Position::Kind;

namespace {

Position position_of(std::string_view text) {
    const auto position = parse_position(text);
    INFO(text);
    REQUIRE(position);
    return *position;
}

}  // namespace

TEST_CASE("position: every form of the grammar is understood.") {
    CHECK(position_of("start") == Position{Kind::start, 0});
    CHECK(position_of("end") == Position{Kind::end, 0});
    CHECK(position_of("0") == Position{Kind::sequence, 0});
    CHECK(position_of("1041") == Position{Kind::sequence, 1041});
    CHECK(position_of("1,482,990") == Position{Kind::sequence, 1482990});
    CHECK(position_of("#1041") == Position{Kind::sequence, 1041});
    CHECK(position_of("+5") == Position{Kind::after_start, 5});
    CHECK(position_of("-5") == Position{Kind::before_end, 5});
    CHECK(position_of("@-10m") == Position{Kind::before_now, 600'000'000'000});
    CHECK(position_of("@2026-11-22T14:00:06.000000001Z") ==
          Position{Kind::time, 1795356006000000001});
    CHECK(position_of("@1795384806000000001") == Position{Kind::time, 1795384806000000001});
    CHECK(position_of("@1795384806000001") == Position{Kind::time, 1795384806000001000});
    CHECK(position_of("@1795384806001") == Position{Kind::time, 1795384806001000000});
    CHECK(position_of("@1795384806") == Position{Kind::time, 1795384806000000000});
    CHECK(position_of("@100000000") == Position{Kind::time, 100000000000000000});  // of 1973
    CHECK(position_of("@0") == Position{Kind::time, 0});
}

TEST_CASE("position: anything else is refused, with the grammar as a hint.") {
    for (const char* text : {"",
                             "+",
                             "-",
                             "#",
                             "@",
                             "@-",
                             "@-10",
                             "@-10x",
                             "Start",
                             "5.",
                             "0x10",
                             "@2026-11-22",
                             "1 2",
                             "--5",
                             "+-5",
                             "99999999999999999999"}) {
        const auto position = parse_position(text);
        INFO(text);
        REQUIRE_FALSE(position);
        CHECK(position.error().code == tailrace::ErrorCode::invalid_argument);
        CHECK(position.error().hint.find("@-10m") != std::string::npos);
    }
}

}  // namespace position_test
