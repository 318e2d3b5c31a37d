#include "typed_payload.hpp"

#include "support/seeded_random.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>

namespace typed_payload_test {

using namespace tailrace;
using namespace tailrace::tool;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

struct Leg {
    double price = 0;
    std::int16_t sizes[2] = {0, 0};
};
struct Order {
    std::int64_t account = 0;
    std::uint64_t number = 0;
    float ratio = 0;
    bool is_open = false;
    char side = 0;
    char symbol[5] = "";
    Leg legs[2];
};

const schema::EventSchema& type() {
    static const schema::StreamSchema types = [] {
        schema::StreamSchema made;
        made.add<Order>(1);
        return made;
    }();
    return *types.find(1);
}

Order made_of(const std::string& line) {
    const auto payload = parse_typed_payload(line, type());
    INFO(line);
    if (!payload) FAIL(payload.error().message);
    REQUIRE(payload->size() == sizeof(Order));
    Order order;
    std::memcpy(&order, payload->data(), sizeof(order));
    return order;
}

std::string refusal(const std::string& line) {
    const auto payload = parse_typed_payload(line, type());
    INFO(line);
    REQUIRE_FALSE(payload);
    CHECK(payload.error().code == ErrorCode::invalid_argument);
    return payload.error().message;
}

}  // namespace

TEST_CASE("typed payload: flat and nested names mean the same", "[payload]") {
    const Order flat = made_of(
        R"({"legs[0].price":1.5,"legs[1].sizes":[3,-4],"legs[0].sizes[1]":2,"symbol":"ABCDE"})");
    const Order nested =
        made_of(R"({"symbol":"ABCDE","legs":[{"price":1.5,"sizes":[0,2]},{"sizes":[3,-4]}]})");
    CHECK(std::memcmp(&flat, &nested, sizeof(Order)) == 0);
    CHECK(flat.legs[1].sizes[1] == -4);
    CHECK(std::string(flat.symbol, 5) == "ABCDE");
    const Order empty = made_of("{}");
    CHECK(empty.number == 0);
}

TEST_CASE("typed payload: numbers go to the ends of their types, and not beyond", "[payload]") {
    CHECK(made_of(R"({"account":-9223372036854775808})").account ==
          std::numeric_limits<std::int64_t>::min());
    CHECK(made_of(R"({"account":"-9223372036854775808"})").account ==
          std::numeric_limits<std::int64_t>::min());
    CHECK(made_of(R"({"number":18446744073709551615})").number == UINT64_MAX);
    CHECK(made_of(R"({"number":"18446744073709551615"})").number == UINT64_MAX);
    CHECK(made_of(R"({"number":1e3})").number == 1000);
    CHECK_THAT(refusal(R"({"number":18446744073709551616})"), Contains("more than that holds"));
    CHECK_THAT(refusal(R"({"number":"-1"})"), Contains("wants a number"));
    CHECK_THAT(refusal(R"({"account":9223372036854775808})"), Contains("more than that holds"));
    CHECK_THAT(refusal(R"({"account":1e19})"), Contains("more than that holds"));
    CHECK_THAT(refusal(R"({"legs[0].sizes":[32768]})"), Contains("more than that holds"));
    CHECK_THAT(refusal(R"({"account":0.5})"), Contains("no whole number"));
}

TEST_CASE("typed payload: what isn't closed, is too deep or no object is refused", "[payload]") {
    CHECK_THAT(refusal(""), Contains("no JSON"));
    CHECK_THAT(refusal("{"), Contains("no JSON"));
    CHECK_THAT(refusal("{} {}"), Contains("no JSON"));
    CHECK_THAT(refusal("[]"), StartsWith("column 1: the fields are to be an object"));
    CHECK_THAT(refusal("1"), Contains("the fields are to be an object"));
    std::string deep = R"({"legs":)";
    for (int level = 0; level < 1000; ++level)
        deep += "[";
    CHECK_THAT(refusal(deep), StartsWith("column 2: "));
    CHECK_THAT(refusal(R"({"legs":[{},{},{"price":1}]})"), Contains("'legs[2]'"));
    CHECK_THAT(refusal(R"({"symbol":{"b64":1}})"), Contains("no field 'symbol.b64'"));
    CHECK_THAT(refusal(R"({"side":"BS"})"), Contains("'side' is char, and the text has 2 bytes"));
}

TEST_CASE("typed payload: whatever the line is, it is understood or refused", "[payload]") {
    test::SeededRandom random("typed payloads");
    constexpr std::array<const char*, 22> kPieces = {
        "{",           "}",         "[",          "]",        ":",         ",",
        "\"legs\"",    "\"price\"", "\"symbol\"", "\"b64\"",  "\"sizes\"", "1",
        "-7",          "2.5",       "\"A\"",      "true",     "null",      "\"legs[0].price\"",
        "\"\\u00e9\"", "1e400",     "\"QQ==\"",   "\"ratio\""};
    for (int round = 0; round < 20'000; ++round) {
        std::string line = random.one_in(4) ? "" : "{\"legs\":[{";
        for (std::uint64_t pieces = random.below(12); pieces != 0; --pieces)
            line += kPieces.at(random.below(kPieces.size()));
        const auto payload = parse_typed_payload(line, type());
        INFO(line);
        REQUIRE((payload ? payload->size() == sizeof(Order)
                         : payload.error().message.starts_with("column ")));
    }
}

}  // namespace typed_payload_test
