#include "support/seeded_random.hpp"

#include <tailrace/schema/stream_schema.hpp>

#include <catch2/catch.hpp>

#include <cstdint>
#include <string>

namespace schema_text_test {

using namespace tailrace;
using namespace tailrace::schema;
using Catch::Matchers::Contains;

namespace {

struct Quote {
    double bid;
    double ask;
    char symbol[8];
};

constexpr const char* kText =
    "tailrace-schema 1\n"
    "type 1 Quote struct\n"
    "version 24 395a6d19611d76cc\n"
    "field bid f64 0\n"
    "field ask f64 8\n"
    "field symbol char[8] 16\n"
    "type 2 Note json\n";

StreamSchema sample() {
    StreamSchema schema;
    schema.add<Quote>(1).add_opaque(2, "Note", "json");
    return schema;
}

std::string refusal(const std::string& text, ErrorCode code = ErrorCode::corrupt) {
    const auto schema = parse_schema(text, "/somewhere/schema");
    REQUIRE_FALSE(schema);
    CHECK(schema.error().code == code);
    CHECK_FALSE(schema.error().hint.empty());
    CHECK_THAT(schema.error().message, Contains("/somewhere/schema"));
    return schema.error().message;
}

}  // namespace

TEST_CASE("schema text: it is as the law has it, and is read again", "[schema]") {
    CHECK(sample().text() == kText);
    CHECK(parse_schema(kText, "").value() == sample());
    CHECK(parse_schema("tailrace-schema 1", "").value().is_empty());
}

TEST_CASE("schema text: comments, blanks, hashes left out and words of later versions are fine",
          "[schema]") {
    const auto schema = parse_schema(
        "tailrace-schema 1\n# by hand\n\n  type 1 Quote struct later\r\nversion 24\n"
        "field bid f64 0 unit=USD\n\tfield ask f64 8\nfield symbol char[8] 16\n"
        "type 2 Note json",
        "");
    CHECK(schema.value() == sample());
}

TEST_CASE("schema text: each line that isn't sound is named", "[schema]") {
    const std::string opening = "tailrace-schema 1\n";
    CHECK_THAT(refusal("", ErrorCode::not_tailrace), Contains("is no schema"));
    CHECK_THAT(refusal("{\"types\": []}\n", ErrorCode::not_tailrace), Contains("is no schema"));
    CHECK_THAT(refusal("tailrace-schema 2\n", ErrorCode::incompatible),
               Contains("version '2', and this program knows 1"));
    CHECK_THAT(refusal(opening + "types 1 A struct\n"), Contains("line 2"));
    CHECK_THAT(refusal(opening + "type 65536 A struct\n"), Contains("up to 65535"));
    CHECK_THAT(refusal(opening + "type 1 A\n"), Contains("an encoding"));
    CHECK_THAT(refusal(opening + "type 1 A struct\n"), Contains("no version"));
    CHECK_THAT(refusal(opening + "version 8\n"), Contains("belongs to a struct"));
    CHECK_THAT(refusal(opening + "type 1 A json\nversion 8\n"), Contains("line 3"));
    CHECK_THAT(refusal(opening + "field a u8 0\n"), Contains("belongs to a version"));
    const std::string type = opening + "type 1 A struct\nversion 8\n";
    CHECK_THAT(refusal(type + "field a u9 0\n"), Contains("line 4"));
    CHECK_THAT(refusal(type + "field a u8[0] 0\n"), Contains("line 4"));
    CHECK_THAT(refusal(type + "field a u8[2 0\n"), Contains("line 4"));
    CHECK_THAT(refusal(type + "field a u8 -1\n"), Contains("line 4"));
    CHECK_THAT(refusal(type + "field a u64 1\n"), Contains("ends behind the event"));
    CHECK_THAT(refusal(opening + "type 1 A struct\nversion 8 0000000000000000\n"),
               Contains("another hash"));
    CHECK_THAT(refusal(type + "type 1 B json\n"), Contains("it is 'B', and was 'A'"));
    CHECK_THAT(refusal(std::string(kMostSchemaBytes + 1, 'x'), ErrorCode::too_large),
               Contains("mebibyte"));
}

TEST_CASE("schema text: whatever bytes stand there, it is read or refused", "[schema]") {
    test::SeededRandom random("schema text");
    for (int round = 0; round < 3000; ++round) {
        std::string text = kText;
        for (std::uint64_t change = random.below(4) + 1; change > 0; --change) {
            const std::size_t at = random.below(text.size());
            switch (random.below(3)) {
                case 0:
                    text[at] = static_cast<char>(random.below(256));
                    break;
                case 1:
                    text.erase(at, random.below(20));
                    break;
                default:
                    text.insert(at, text.substr(random.below(text.size()), random.below(30)));
            }
            if (text.empty()) text = " ";
        }
        const auto schema = parse_schema(text, "schema");
        // What was read is sound: it is the same again.
        if (schema) CHECK(parse_schema(schema->text(), "schema").value() == *schema);
    }
}

}  // namespace schema_text_test
