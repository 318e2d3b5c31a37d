#include "event_line.hpp"

#include "event_key.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <string_view>

namespace event_line_test {

using namespace tailrace;
using namespace tailrace::tool;
using namespace std::string_view_literals;

namespace {

std::string problem_of(std::string_view line) {
    const auto event = parse_json_event(line, {});
    if (event) return "none";
    CHECK(event.error().code == ErrorCode::invalid_argument);
    return event.error().message;
}

}  // namespace

TEST_CASE("event_line: an object of JSON is an event, whatever the order of its fields.") {
    const auto event = parse_json_event(
        R"({"stream":"s","seq":9,"time":"2026-11-22T14:00:06Z","time_ns":"1","event_time_ns":"12",)"
        R"("key":"18446744073709551615","type":65535,"size_bytes":4,"data":"a\n\"\u20ac"})",
        {});
    REQUIRE(event);
    CHECK(event->payload == "a\n\"\xE2\x82\xAC");
    CHECK(event->fields.type == 65535);
    CHECK(event->fields.has_key);
    CHECK(event->fields.key == UINT64_MAX);
    CHECK(event->fields.event_time_ns == 12);
    CHECK(event->gap_count == 0);
    const auto bytes = parse_json_event(R"( { "key" : 7 , "data_b64" : "AP8=" } )", {});
    REQUIRE(bytes);
    CHECK(bytes->payload == "\0\xFF"sv);
    CHECK(bytes->fields.key == 7);
}

TEST_CASE("event_line: what an object doesn't say is as usual, and null says there is none.") {
    const bus::EventFields usual{.type = 3, .event_time_ns = 5, .key = 8, .has_key = true};
    const auto said_nothing = parse_json_event(R"({"data":""})", usual);
    REQUIRE(said_nothing);
    CHECK(said_nothing->payload.empty());
    CHECK(said_nothing->fields.type == 3);
    CHECK(said_nothing->fields.key == 8);
    CHECK(said_nothing->fields.event_time_ns == 5);
    const auto said_none =
        parse_json_event(R"({"data":"","key":null,"event_time_ns":null,"time":null})", usual);
    REQUIRE(said_none);
    CHECK_FALSE(said_none->fields.has_key);
    CHECK(said_none->fields.event_time_ns == 0);
    CHECK(parse_json_event(R"({"data":"","key":"a name"})", usual)->fields.key ==
          event_key("a name"));
}

TEST_CASE("event_line: a gap is told apart from an event.") {
    const auto gap = parse_json_event(
        R"({"stream":"s","gap_first_seq":3,"gap_events":2,"gap_kind":"lost"})", {});
    REQUIRE(gap);
    CHECK(gap->gap_first == 3);
    CHECK(gap->gap_count == 2);
}

TEST_CASE("event_line: JSON that is no event names its column, in characters.") {
    CHECK(problem_of(R"({"data":"x","tpye":3})") ==
          "column 13: an event has no field 'tpye'; did you mean 'type'?");
    CHECK(problem_of("{\"data\":\"\xC3\xBC\",\"type\":65536}") ==
          "column 13: 'type' is to be a number, 0 to 65535");
    CHECK(problem_of(R"({"data":"x","type":"7"})") ==
          "column 13: 'type' is to be a number, 0 to 65535");
    CHECK(problem_of(R"({"data":3})") == "column 2: 'data' is to be a string");
    CHECK(problem_of(R"({"data":null})") == "column 2: 'data' is to be a string");
    CHECK(problem_of(R"({"data":{"data":"x"}})") == "column 2: 'data' is to be a string");
    CHECK(problem_of(R"({"data_b64":"QQ"})") == "column 2: 'data_b64' is to be a string in base64");
    CHECK(problem_of(R"({"data":"x","data_b64":""})") ==
          "column 13: two of 'data', 'data_b64' and 'fields' are there");
    CHECK(problem_of(R"({"data":"x","data":"y"})") == "column 13: 'data' is there twice");
    CHECK(problem_of(R"({"data":"x","key":-1})") ==
          "column 13: 'key' is to be a string, or a number from 0 on");
    CHECK(problem_of(R"({"data":"x","event_time_ns":1.5})") ==
          "column 13: 'event_time_ns' is to be a whole number from 0 on");
    CHECK(problem_of(R"({"data":"x","event_time_ns":"18446744073709551616"})") ==
          "column 13: 'event_time_ns' is to be a whole number from 0 on");
    CHECK(problem_of(R"({"data":"x","stream":{"data":"y"}})") ==
          "column 13: 'stream' holds something nested");
    CHECK(problem_of(R"({"seq":[1],"data":"x"})") == "column 2: 'seq' holds something nested");
    CHECK(problem_of(R"({"type":1})") ==
          "column 11: the event has neither 'data' nor 'data_b64' nor 'fields'");
    CHECK(problem_of("{}") == "column 3: the event has neither 'data' nor 'data_b64' nor 'fields'");
    for (const char* const line : {"[\"x\"]", "3", "\"x\"", "null", "true"})
        CHECK(problem_of(line) == "column 1: the line is no object");
}

TEST_CASE("event_line: what isn't JSON says where, and not what the parser is called.") {
    for (const std::string_view line : {""sv,
                                        "{"sv,
                                        "nix"sv,
                                        R"({"data":"x"} y)"sv,
                                        R"({"data":"x",})"sv,
                                        "{\"data\":\"\xFF\"}"sv,
                                        "{\"data\":\"a\0b\"}"sv,
                                        R"({'data':'x'})"sv,
                                        R"({"data":"\ud800"})"sv}) {
        const std::string problem = problem_of(line);
        INFO(problem);
        CHECK(problem.starts_with("column "));
        CHECK(problem.find(": no JSON: ") != std::string::npos);
        CHECK(problem.find("json.exception") == std::string::npos);
    }
    CHECK(problem_of(R"({"data":"x"} y)").starts_with("column 14: "));
}

TEST_CASE("event_line: a key stands before its delimiter.") {
    const bus::EventFields usual{.type = 4};
    const auto event = parse_keyed_event("7::a::b", "::", usual);
    REQUIRE(event);
    CHECK(event->payload == "a::b");
    CHECK(event->fields.has_key);
    CHECK(event->fields.key == 7);
    CHECK(event->fields.type == 4);
    const auto keyless = parse_keyed_event("\tx", "\t", usual);
    REQUIRE(keyless);
    CHECK(keyless->payload == "x");
    CHECK_FALSE(keyless->fields.has_key);
    CHECK(parse_keyed_event("7:", ":", usual)->payload.empty());
    CHECK(parse_keyed_event("\xC3\xBC"
                            "a",
                            ":",
                            usual)
              .error()
              .message == "column 3: the line ends without a ':' behind its key");
}

TEST_CASE("event_line: a delimiter is typed as in templates.") {
    CHECK(*parse_delimiter("\\t") == "\t");
    CHECK(*parse_delimiter("|\\x41\\0") == "|A\0"sv);
    CHECK_FALSE(parse_delimiter(""));
    CHECK_FALSE(parse_delimiter("a\\n"));
    CHECK(parse_delimiter("a\\q").error().message == "'a\\q', column 2: no such byte");
}

}  // namespace event_line_test
