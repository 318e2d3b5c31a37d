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

TEST_CASE("text flow: a name that is too long keeps its begin and its end.") {
    CHECK(shortened("orders", 6) == "orders");
    CHECK(shortened("orders-of-europe", 9) == "orde..ope");
    CHECK(shortened("orders-of-europe", 8) == "ord..ope");
    CHECK(shortened("orders", 2) == "or");
    CHECK(shortened("µµµµµµµµ", 6) == "µµ..µµ");
}

}  // namespace text_flow_test
