#include "text_flow.hpp"

#include <catch2/catch.hpp>

namespace text_flow_test {

using namespace tailrace::tool;

TEST_CASE("text flow: lines are broken between words, and a long word where it must be.") {
    CHECK(wrapped("one two three", 0, 2, 20) == "one two three\n");
    CHECK(wrapped("one two three", 0, 2, 8) == "one two\n  three\n");
    CHECK(wrapped("one   two   three", 0, 2, 11) == "one   two\n  three\n");
    CHECK(wrapped("one two", 6, 2, 10) == "one\n  two\n");
    CHECK(wrapped("0123456789abcdef", 4, 2, 10) == "012345\n  6789abcd\n  ef\n");
    CHECK(wrapped("", 0, 2, 10) == "\n");
}

TEST_CASE("text flow: a character is a column whatever its bytes, and a colour is none.") {
    CHECK(width_of("µs") == 2);
    CHECK(width_of("\033[31mred\033[0m") == 3);
    CHECK(cut_to("aµb", 2) == "aµ");
    CHECK(wrapped("\033[31mone\033[0m two", 0, 0, 7) == "\033[31mone\033[0m two\n");
}

TEST_CASE("text flow: what wraps takes several lines, and a screen is filled with whole ones.") {
    CHECK(lines_of("", 10) == 0);
    CHECK(lines_of("\n\n", 10) == 2);
    CHECK(lines_of("0123456789\n0123456789a\n", 10) == 3);
    CHECK(lines_of("\033[31m0123456789\033[0m\n", 10) == 1);
    CHECK(first_lines("one\ntwo\nthree\n", 2, 10) == "one\ntwo\n");
    CHECK(first_lines("one\n0123456789a\nthree\n", 2, 10) == "one\n");
    CHECK(first_lines("one\ntwo\n", 5, 10) == "one\ntwo\n");
    CHECK(first_lines("one\n", 0, 10).empty());
}

TEST_CASE("text flow: a name that is too long keeps its begin and its end.") {
    CHECK(shortened("orders", 6) == "orders");
    CHECK(shortened("orders-of-europe", 9) == "orde..ope");
    CHECK(shortened("orders-of-europe", 8) == "ord..ope");
    CHECK(shortened("orders", 2) == "or");
    CHECK(shortened("µµµµµµµµ", 6) == "µµ..µµ");
}

}  // namespace text_flow_test
