#include "name_pattern.hpp"

#include <catch2/catch.hpp>

namespace tailrace::tool::name_pattern_test {

TEST_CASE("name pattern: what has one of * ? [ and no slash is one", "[tool][pattern]") {
    CHECK(is_pattern("orders*"));
    CHECK(is_pattern("?"));
    CHECK(is_pattern("[ab]c"));
    CHECK_FALSE(is_pattern("orders"));
    CHECK_FALSE(is_pattern("./a*"));
    CHECK_FALSE(is_pattern(""));
}

TEST_CASE("name pattern: stands for each name once, in order; a name stands for itself",
          "[tool][pattern]") {
    const std::vector<std::string> names = {"eu-a", "eu-b", "us", "us.x"};
    using Names = std::vector<std::string>;
    CHECK(*expand_patterns({"*"}, names) == names);
    CHECK(*expand_patterns({"eu-?"}, names) == Names{"eu-a", "eu-b"});
    CHECK(*expand_patterns({"us*", "eu-b", "eu-*", "gone"}, names) ==
          Names{"us", "us.x", "eu-b", "eu-a", "gone"});
    CHECK(*expand_patterns({"[!e]*"}, names) == Names{"us", "us.x"});
    CHECK(matches_of({"x*", "us*", "gone"}, names) == Names{"us", "us.x", "gone"});
    const auto none = expand_patterns({"us", "x*"}, names);
    REQUIRE_FALSE(none);
    CHECK(none.error().code == ErrorCode::not_found);
    CHECK(none.error().message.find("'x*'") != std::string::npos);
}

}  // namespace tailrace::tool::name_pattern_test
