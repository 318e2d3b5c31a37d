#include "support/seeded_random.hpp"

#include <tailrace/schema/condition.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace condition_test {

using namespace tailrace;
using namespace tailrace::schema;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

struct Level {
    double price;
    std::uint32_t size;
};

struct Trade {
    double price = 101.5;
    float ratio = 0.1F;
    std::int32_t quantity = -4;
    std::uint64_t instrument = 7;
    std::int64_t account = std::numeric_limits<std::int64_t>::min();
    std::uint8_t flags = 255;
    std::int16_t shift = -300;
    bool is_buy = true;
    char side = 'B';
    char symbol[8] = "ABC";
    std::int32_t sizes[3] = {10, 20, 30};
    Level levels[2] = {{1.5, 1}, {2.5, 2}};
};

// One that shares fields with it, and has one of the same name that is something else.
struct Quote {
    double price = 99;
    double bid = 1;
    double ask = 2;
    char instrument[4] = "X";
};

struct OldTrade {
    std::int32_t quantity = 5;
};
struct NewTrade {
    std::int32_t quantity = 5;
    std::int32_t order = 6;
};

StreamSchema types() {
    StreamSchema types;
    types.add<Trade>(1).add<Quote>(2).add_opaque(3, "Note", "json");
    REQUIRE_FALSE(types.problem());
    return types;
}

template <typename T>
std::span<const std::byte> bytes_of(const T& value) {
    return std::as_bytes(std::span<const T, 1>(&value, 1));
}

template <typename T>
bool holds(const std::string& text, const T& event, EventType type = 1) {
    const auto condition = Condition::compile(text, types());
    INFO(text);
    if (!condition) FAIL(condition.error().message);
    return condition->holds(type, bytes_of(event));
}

std::string refusal(const std::string& text) {
    const auto condition = Condition::compile(text, types());
    INFO(text);
    REQUIRE_FALSE(condition);
    CHECK(condition.error().code == ErrorCode::invalid_argument);
    CHECK_FALSE(condition.error().hint.empty());
    return condition.error().message;
}

}  // namespace

TEST_CASE("condition: each relation is true of what it says", "[condition]") {
    const Trade trade;
    for (const char* const text : {"price == 101.5",
                                   "price = 101.5",
                                   "price != 101",
                                   "price <> 1",
                                   "price > 101",
                                   "price >= 101.5",
                                   "price < 102",
                                   "price <= 101.5",
                                   "101 < price",
                                   "101.5 == price",
                                   "102 > price",
                                   "1e2 <= price",
                                   "price<102",
                                   "  price\t>\n+1.0e+2  ",
                                   "quantity == -4",
                                   "flags == 0xFF",
                                   "shift < -299",
                                   "instrument == 7",
                                   "account == -9223372036854775808",
                                   ".5 < price"})
        CHECK(holds(text, trade));
    for (const char* const text : {"price == 101",
                                   "price != 101.5",
                                   "price > 101.5",
                                   "price >= 102",
                                   "price < 101.5",
                                   "price <= 101",
                                   "101.5 < price",
                                   "102 <= price",
                                   "account == -9223372036854775807"})
        CHECK_FALSE(holds(text, trade));
}

TEST_CASE("condition: 'and' binds closer than 'or', 'not' closer than both, brackets closest",
          "[condition]") {
    const Trade trade;
    CHECK(holds("price > 1 or price > 1000 and price > 2000", trade));
    CHECK_FALSE(holds("(price > 1 or price > 1000) and price > 2000", trade));
    CHECK(holds("not price > 1000 and quantity < 0", trade));
    CHECK_FALSE(holds("not (price > 1000 or quantity < 0)", trade));
    CHECK(holds("not not price > 100", trade));
    CHECK(holds("price > 1000 || !(quantity > 0) && side == 'B'", trade));
    CHECK(holds("price > 1000 OR price > 1 AND NOT is_buy = FALSE", trade));
}

TEST_CASE("condition: text, one character, bools, nested fields and elements", "[condition]") {
    const Trade trade;
    for (const char* const text : {"symbol == 'ABC'",
                                   "symbol == \"ABC\"",
                                   "symbol != 'ABCD'",
                                   "symbol < 'B'",
                                   "symbol == '\\x41B\\x43'",
                                   "side == 'B'",
                                   "symbol[1] == 'B'",
                                   "is_buy",
                                   "is_buy == true",
                                   "is_buy != false",
                                   "not (is_buy == false)",
                                   "levels[1].price == 2.5",
                                   "levels[0].size < levels[1].size",
                                   "sizes[2] == 30",
                                   "sizes[0] < sizes[1]",
                                   "sizes[2] > price or sizes[2] < price",
                                   "Trade.price > 100"})
        CHECK(holds(text, trade));
    Trade odd;
    std::memcpy(odd.symbol, "ABCDEFGH", 8);  // no zero behind it
    CHECK(holds("symbol == 'ABCDEFGH'", odd));
    std::memset(odd.symbol, 0, 8);
    odd.side = '\0';
    CHECK(holds("symbol == '' and side == ''", odd));
    // Not every byte is a bool of C++.
    const std::uint8_t two = 2;
    std::memcpy(&odd.is_buy, &two, 1);
    CHECK(holds("is_buy == true and not is_buy == false", odd));
}

TEST_CASE("condition: a constant beside an f32 is what an f32 makes of it", "[condition]") {
    const Trade trade;
    CHECK(holds("ratio == 0.1", trade));
    CHECK_FALSE(holds("ratio > 0.1", trade));
    CHECK(holds("ratio < 0.100001", trade));
}

TEST_CASE("condition: no number compares with anything, and only != is true of it", "[condition]") {
    Trade trade;
    trade.price = std::numeric_limits<double>::quiet_NaN();
    for (const char* const relation : {"==", "<", "<=", ">", ">="})
        CHECK_FALSE(holds(std::string("price ") + relation + " 1", trade));
    CHECK(holds("price != 1", trade));
    CHECK(holds("not price == 1", trade));
    CHECK(holds("price != quantity", trade));
    CHECK_FALSE(holds("price == price", trade));
}

namespace {

struct Numbers {
    std::int64_t whole;
    std::uint64_t natural;
    double real;
};

std::string text_of(double real) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.17g", real);
    return text.data();
}

// Numbers that are likely to be equal, or nearly so, in one another's types.
template <typename Number>
Number pick(test::SeededRandom& random) {
    constexpr std::array<double, 9> kBases = {
        0.0, -1.0, 2.5, 9007199254740992.0, 1e15, 0x1p63, -0x1p63, 0x1p64, -2.5};
    const double base = kBases.at(random.below(kBases.size()));
    if constexpr (std::is_same_v<Number, double>) {
        return random.below(2) == 0 ? base
                                    : std::nextafter(base, random.below(2) == 0 ? 1e30 : -1e30);
    } else {
        const long double shifted =
            static_cast<long double>(base) + static_cast<long double>(random.below(5)) - 2.0L;
        const long double least = static_cast<long double>(std::numeric_limits<Number>::min());
        const long double most = static_cast<long double>(std::numeric_limits<Number>::max());
        return static_cast<Number>(std::min(most, std::max(least, std::floor(shifted))));
    }
}

}  // namespace

TEST_CASE("condition: numbers are compared as they are, whatever their types", "[condition]") {
    test::SeededRandom random("conditions");
    StreamSchema numbers;
    numbers.add<Numbers>(1);
    constexpr std::array<const char*, 3> kNames = {"whole", "natural", "real"};
    for (int round = 0; round < 20'000; ++round) {
        const Numbers event{
            pick<std::int64_t>(random), pick<std::uint64_t>(random), pick<double>(random)};
        // A long double of x86 holds all three exactly.
        const std::array<long double, 3> values = {static_cast<long double>(event.whole),
                                                   static_cast<long double>(event.natural),
                                                   static_cast<long double>(event.real)};
        const Numbers constant{
            pick<std::int64_t>(random), pick<std::uint64_t>(random), pick<double>(random)};
        const std::size_t left = random.below(3);
        const std::size_t right = random.below(3);
        std::string other = kNames.at(right);
        long double against = values.at(right);
        if (random.below(2) == 0) {
            other = right == 0   ? std::to_string(constant.whole)
                    : right == 1 ? std::to_string(constant.natural)
                                 : text_of(constant.real);
            against = right == 0   ? static_cast<long double>(constant.whole)
                      : right == 1 ? static_cast<long double>(constant.natural)
                                   : static_cast<long double>(constant.real);
            // Beside an f64 a constant is one, too.
            if (left == 2) against = static_cast<long double>(static_cast<double>(against));
        }
        const long double value = values.at(left);
        const std::array<std::pair<const char*, bool>, 6> expected = {{{"<", value < against},
                                                                       {"<=", value <= against},
                                                                       {"==", value == against},
                                                                       {"!=", value != against},
                                                                       {">=", value >= against},
                                                                       {">", value > against}}};
        const auto& [relation, is_true] = expected.at(random.below(6));
        const std::string text = std::string(kNames.at(left)) + " " + relation + " " + other;
        const auto condition = Condition::compile(text, numbers);
        INFO(text << " of " << event.whole << " " << event.natural << " " << text_of(event.real));
        REQUIRE(condition);
        REQUIRE(condition->holds(1, bytes_of(event)) == is_true);
    }
}

TEST_CASE("condition: what an event doesn't have is neither so nor otherwise", "[condition]") {
    StreamSchema grown;
    grown.add<OldTrade>(1, "Trade").add<NewTrade>(1, "Trade").add_opaque(2, "Note", "text");
    const auto order = Condition::compile("order == 6", grown).value();
    const auto contrary = Condition::compile("not order == 6", grown).value();
    const auto either = Condition::compile("order == 1 or quantity == 5", grown).value();
    const auto both = Condition::compile("not (order == 1 and quantity == 4)", grown).value();
    const auto neither = Condition::compile("not (order == 1 or quantity == 4)", grown).value();
    const OldTrade old_one;
    const NewTrade new_one;
    CHECK(order.holds(1, bytes_of(new_one)));
    CHECK_FALSE(order.holds(1, bytes_of(old_one)));
    CHECK_FALSE(contrary.holds(1, bytes_of(new_one)));
    CHECK_FALSE(contrary.holds(1, bytes_of(old_one)));
    const auto twice = Condition::compile("not not order == 7", grown).value();
    CHECK_FALSE(twice.holds(1, bytes_of(old_one)));
    CHECK_FALSE(twice.holds(1, bytes_of(new_one)));
    // The other half decides where it can.
    CHECK(either.holds(1, bytes_of(old_one)));
    CHECK(both.holds(1, bytes_of(old_one)));
    CHECK_FALSE(neither.holds(1, bytes_of(old_one)));
    CHECK(neither.holds(1, bytes_of(new_one)));
    // Other types, opaque ones, and events that are too short for any version.
    CHECK_FALSE(either.holds(2, bytes_of(new_one)));
    CHECK_FALSE(either.holds(7, bytes_of(new_one)));
    CHECK_FALSE(either.holds(1, {}));
    CHECK_FALSE(either.holds(1, bytes_of(old_one).first(3)));
    CHECK(either.concerns(1));
    CHECK_FALSE(either.concerns(2));
}

TEST_CASE("condition: a name holds for each type that has it, and a type's name for that alone",
          "[condition]") {
    const Quote quote;
    CHECK(holds("price > 98", quote, 2));
    CHECK(holds("price > 98", Trade{}));
    CHECK(holds("Quote.price > 98", quote, 2));
    CHECK_FALSE(holds("Quote.price > 98", Trade{}));
    CHECK(holds("bid < ask", quote, 2));
    // A number in one type and a text in another: each is asked as it can be.
    CHECK(holds("instrument == 7", Trade{}));
    CHECK_FALSE(holds("instrument == 7", quote, 2));
    CHECK(holds("instrument == 'X'", quote, 2));
    CHECK(holds("not instrument == 'Y'", quote, 2));
    CHECK_FALSE(holds("not instrument == 'Y'", Trade{}));
}

TEST_CASE("condition: what makes no sense is refused with its column", "[condition]") {
    CHECK_THAT(refusal("price > 1 and pricee < 2"),
               StartsWith("column 15: there is no field 'pricee'"));
    CHECK_THAT(refusal("Trdae.price > 1"),
               StartsWith("column 1: there is no type 'Trdae', and no"));
    CHECK_THAT(refusal("Trade.pricee > 1"),
               StartsWith("column 1: type 'Trade' has no field 'pricee'"));
    CHECK_THAT(refusal("1 < Note.price"), StartsWith("column 5: type 'Note' is json"));
    CHECK_THAT(refusal("price == 'ABC'"), StartsWith("column 1: 'price' is f64, a number, and"));
    CHECK_THAT(refusal("7 == symbol"), Contains("'symbol' is char[8], a text, and"));
    CHECK_THAT(refusal("is_buy > 1"), Contains("'is_buy' is bool, true or false, and"));
    CHECK_THAT(refusal("symbol == price"), Contains("'symbol' is char[8], and 'price' is f64"));
    CHECK_THAT(refusal("sizes > 1"), Contains("'sizes' is i32[3]: one of its elements"));
    CHECK_THAT(refusal("sizes[3] > 1"), Contains("it has no element 3"));
    CHECK_THAT(refusal("levels[2].price > 1"), Contains("there is no type 'levels[2]', and no"));
    CHECK_THAT(refusal("price and is_buy"), StartsWith("column 1: 'price' is f64: it is to be"));
    CHECK_THAT(refusal("bid < symbol"), StartsWith("column 1: no type has both 'bid' and"));
    CHECK_THAT(refusal("true"), StartsWith("column 1: a constant alone"));
    CHECK_THAT(refusal("1 < 2"), StartsWith("column 1: a field is to stand on one side"));
    CHECK_THAT(refusal(""), StartsWith("column 1: it ends where"));
    CHECK_THAT(refusal("price >"), StartsWith("column 8: it ends where"));
    CHECK_THAT(refusal("price > and"), StartsWith("column 9: a field, a number or a text"));
    CHECK_THAT(refusal("price > 1 instrument"), StartsWith("column 11: 'instrument' is too much"));
    CHECK_THAT(refusal("1 < price < 3"), StartsWith("column 11: '< 3' is too much"));
    CHECK_THAT(refusal("(price > 1"), StartsWith("column 1: this ( isn't closed"));
    CHECK_THAT(refusal("(price > 1 x"), StartsWith("column 12: 'x' is too much"));
    CHECK_THAT(refusal("symbol == 'AB"), StartsWith("column 11: this text has no end"));
    CHECK_THAT(refusal("symbol == 'A\\q'"), StartsWith("column 13: no such byte"));
    CHECK_THAT(refusal("price > 1x"), StartsWith("column 9: '1x' is no number"));
    CHECK_THAT(refusal("price > 1e999"), StartsWith("column 9: '1e999' is no number"));
    CHECK_THAT(refusal("price > 0x"), StartsWith("column 9: '0x' is no number"));
    CHECK_THAT(refusal("symbol == 'é' and $"), StartsWith("column 19: a field"));
    CHECK_THAT(refusal(std::string(100'000, '(')), Contains("too much inside of each other"));
    CHECK_THAT(refusal("not " + std::string(100'000, '!')), Contains("too much inside"));
    std::string chain = "price > 1";
    for (int more = 0; more < 5'000; ++more)
        chain += " or price > 1";
    CHECK_THAT(refusal(chain), Contains("it is too long"));
    CHECK_THAT(Condition::compile("price > 1", StreamSchema{}).error().hint,
               Contains("no type of events has been declared"));
}

TEST_CASE("condition: whatever is typed is understood or refused", "[condition]") {
    test::SeededRandom random("conditions");
    constexpr std::array<const char*, 24> kWords = {"price",
                                                    "sizes[1]",
                                                    "and",
                                                    "or",
                                                    "not",
                                                    "(",
                                                    ")",
                                                    "<",
                                                    "==",
                                                    "!",
                                                    "1",
                                                    "-",
                                                    "'A'",
                                                    "\"",
                                                    "\\",
                                                    "symbol",
                                                    "is_buy",
                                                    "true",
                                                    "levels[0].size",
                                                    "Quote.",
                                                    ".",
                                                    "[",
                                                    "1e",
                                                    " "};
    const StreamSchema schema = types();
    const Trade trade;
    std::size_t understood = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::string text;
        for (std::size_t words = 1 + random.below(9); words != 0; --words)
            text += std::string(kWords.at(random.below(kWords.size()))) +
                    (random.below(4) == 0 ? "" : " ");
        const auto condition = Condition::compile(text, schema);
        if (condition) {
            ++understood;
            (void)condition->holds(1, bytes_of(trade));
            (void)condition->holds(2, bytes_of(trade).first(random.below(sizeof(trade))));
        } else {
            REQUIRE_THAT(condition.error().message, StartsWith("column "));
        }
    }
    CHECK(understood != 0);
}

}  // namespace condition_test
