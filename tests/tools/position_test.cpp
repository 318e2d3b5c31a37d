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

TEST_CASE("position: relative ones stay within the range, absolute ones are left alone.") {
    const auto sequence_at = [](Position position) {
        return resolve(position, 100, 200, 5'000).sequence.value();
    };
    CHECK(sequence_at({Kind::start, 0}) == 100);
    CHECK(sequence_at({Kind::end, 0}) == 200);
    CHECK(sequence_at({Kind::after_start, 30}) == 130);
    CHECK(sequence_at({Kind::after_start, 300}) == 200);
    CHECK(sequence_at({Kind::before_end, 30}) == 170);
    CHECK(sequence_at({Kind::before_end, 300}) == 100);
    CHECK(sequence_at({Kind::sequence, 7}) == 7);
    CHECK(sequence_at({Kind::sequence, 700}) == 700);
    CHECK(resolve({Kind::time, 42}, 100, 200, 5'000).time_ns == 42U);
    CHECK(resolve({Kind::before_now, 1'000}, 100, 200, 5'000).time_ns == 4'000U);
    CHECK(resolve({Kind::before_now, 9'000}, 100, 200, 5'000).time_ns == 0U);
    CHECK_FALSE(resolve({Kind::time, 42}, 100, 200, 5'000).sequence.has_value());
    CHECK(resolve({Kind::before_end, 3}, 100, 100, 5'000).sequence == 100U);
}

}  // namespace position_test
