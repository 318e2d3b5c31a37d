#include "field_text.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

namespace field_text_test {

using namespace tailrace;
using namespace tailrace::tool;

namespace {

struct Sample {
    double price = 0.1;
    float ratio = 0.1F;
    std::int8_t small = -1;
    std::uint8_t flags[2] = {1, 255};
    bool is_open = true;
    char side = 'B';
    char symbol[8] = "A \"B\"";
    char raw[4] = {'\x01', '\xFF', '\0', '\0'};
    std::uint64_t sent_ns = UINT64_MAX;
    std::uint32_t short_ns = 7;
};

using Append = void (*)(std::string&,
                        std::span<const schema::NamedPlace>,
                        std::span<const std::byte>);

std::string text_of(const Sample& sample, Append append) {
    schema::StreamSchema types;
    types.add<Sample>(1);
    std::string line;
    append(line,
           schema::places_of(*types.find(1)),
           std::as_bytes(std::span<const Sample, 1>(&sample, 1)));
    return line;
}

}  // namespace

TEST_CASE("field text: each kind as text and as JSON", "[fields]") {
    CHECK(text_of({}, append_fields_text) ==
          "price=0.1 ratio=0.1 small=-1 flags=[1,255] is_open=true side=B symbol=\"A \\\"B\\\"\" "
          "raw=0x01ff sent_ns=18446744073709551615 short_ns=7");
    CHECK(text_of({}, append_fields_json) ==
          R"({"price":0.1,"ratio":0.1,"small":-1,"flags":[1,255],"is_open":true,"side":"B",)"
          R"("symbol":"A \"B\"","raw":{"b64":"Af8="},"sent_ns":"18446744073709551615",)"
          R"("short_ns":7})");
}

TEST_CASE("field text: what is no number in JSON is a string", "[fields]") {
    Sample odd;
    odd.price = std::numeric_limits<double>::quiet_NaN();
    odd.ratio = -std::numeric_limits<float>::infinity();
    const std::string json = text_of(odd, append_fields_json);
    CHECK(json.starts_with(R"({"price":"NaN","ratio":"-Infinity",)"));
    odd.price = std::numeric_limits<double>::infinity();
    CHECK(text_of(odd, append_fields_json).starts_with(R"({"price":"Infinity",)"));
    odd.price = std::numeric_limits<double>::max();
    CHECK(text_of(odd, append_fields_json).starts_with(R"({"price":1.7976931348623157e+308,)"));
}

TEST_CASE("field text: a table's cell has quotes where it needs them", "[fields]") {
    const auto cell = [](std::string_view text) {
        std::string line;
        append_csv(line, text);
        return line;
    };
    CHECK(cell("plain text") == "plain text");
    CHECK(cell("").empty());
    CHECK(cell("a,b") == "\"a,b\"");
    CHECK(cell("say \"b\"") == "\"say \"\"b\"\"\"");
    CHECK(cell("two\nlines") == "\"two\nlines\"");
}

}  // namespace field_text_test
