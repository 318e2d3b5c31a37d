#include "table.hpp"

#include "text_flow.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <sstream>
#include <string>

namespace table_test {

using namespace tailrace::tool;

namespace {

Table lags() {
    Table table({"STREAM", ">PID", ">LAG", "STATE"});
    table.can_do_without({"PID"});
    table.may_shorten({"STREAM"});
    table.add({"orders-of-europe", "4711", "1,234,567", "OK"});
    table.add({"x", "8", "0", "STOPPED"});
    return table;
}

std::size_t widest_line(const std::string& text) {
    std::istringstream lines(text);
    std::size_t widest = 0;
    for (std::string line; std::getline(lines, line);)
        widest = std::max(widest, width_of(line));
    return widest;
}

}  // namespace

TEST_CASE("table: where nothing limits it, all is there and lines up.") {
    const std::string whole =
        "STREAM             PID        LAG  STATE\n"
        "orders-of-europe  4711  1,234,567  OK\n"
        "x                    8          0  STOPPED\n";
    CHECK(lags().text(std::nullopt) == whole);
    CHECK(lags().text(42) == whole);
}

TEST_CASE("table: a narrow one leaves columns out and says which, then shortens names.") {
    CHECK(lags().text(41) ==
          "STREAM                  LAG  STATE\n"
          "orders-of-europe  1,234,567  OK\n"
          "x                         0  STOPPED\n"
          "(without PID: --wide shows all)\n");
    CHECK(lags().text(30) ==
          "STREAM            LAG  STATE\n"
          "orde..rope  1,234,567  OK\n"
          "x                   0  STOPPED\n"
          "(without PID: --wide shows\n"
          " all)\n");
}

TEST_CASE("table: no line is wider than the terminal, whatever stands in it.") {
    Table table({"A", "B", ">C", ">D"});
    table.can_do_without({"D", "C"});
    table.may_shorten({"A", "B"});
    table.add({std::string(63, 'a'),
               std::string(63, 'b'),
               "18,446,744,073,709,551,615",
               "18,446,744,073,709,551,615"});
    for (std::size_t width = 20; width < 200; ++width) {
        INFO(width);
        CHECK(widest_line(table.text(width)) <= width);
    }
}

}  // namespace table_test
