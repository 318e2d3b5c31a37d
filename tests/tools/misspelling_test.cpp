#include "misspelling.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

namespace misspelling_test {

using tailrace::tool::nearest_name;
using Names = std::vector<std::string>;

TEST_CASE("misspelling: a letter more, less, another, or two swapped are one slip.") {
    const Names names = {"create", "replay", "repair", "tail", "lag", "ls", "--from", "--format"};
    CHECK(nearest_name("creat", names) == "create");
    CHECK(nearest_name("ctreate", names) == "create");
    CHECK(nearest_name("replya", names) == "replay");
    CHECK(nearest_name("rapair", names) == "repair");
    CHECK(nearest_name("tial", names) == "tail");
    CHECK(nearest_name("--form", names) == "--from");
    CHECK(nearest_name("--formt", names) == "--format");
}

TEST_CASE("misspelling: what is far from every name, or is one, gets none.") {
    CHECK(nearest_name("publish", {"create", "tail"}).empty());
    CHECK(nearest_name("xyz", {"lag", "tail"}).empty());
    CHECK(nearest_name("ab", {"ls", "rm"}).empty());
    CHECK(nearest_name("", {"tail"}).empty());
    CHECK(nearest_name("tail", {"tail"}).empty());
    CHECK(nearest_name("tail", {}).empty());
}

TEST_CASE("misspelling: of several names the nearest counts.") {
    CHECK(nearest_name("order", {"orders", "border", "older"}) == "orders");
    CHECK(nearest_name("oders", {"others", "orders"}) == "orders");
}

}  // namespace misspelling_test
