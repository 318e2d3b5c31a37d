#include <tailrace/schema/field_place.hpp>

#include <catch2/catch.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace field_place_test {

using namespace tailrace;
using namespace tailrace::schema;
using Catch::Matchers::Contains;

namespace {

struct Sample {
    std::int8_t a = -1;
    std::uint8_t b = 200;
    std::int16_t c = -300;
    std::uint16_t d = 60000;
    std::int32_t e = -70000;
    std::uint32_t f = 4000000000U;
    std::int64_t g = -5000000000;
    std::uint64_t h = UINT64_MAX;
    float i = 0.5F;
    double j = -0.25;
    bool k = true;
    char l = 'x';
    char m[6] = {'a', 'b', '\0', 'c', '\0', '\0'};
    std::int16_t n[3] = {-1, 0, 1};
};

struct Small {
    std::uint32_t first = 1;
};
struct Middle {
    std::uint32_t first = 1;
    std::uint16_t second = 2;
};
struct Large {
    std::uint32_t first = 1;
    std::uint16_t second = 2;
    std::uint16_t padded = 0;  // it lay in Middle's padding
    std::uint64_t third = 3;
};

template <typename T>
std::span<const std::byte> bytes_of(const T& value) {
    return std::as_bytes(std::span<const T, 1>(&value, 1));
}

}  // namespace

TEST_CASE("field place: each kind of field is read as it is", "[place]") {
    StreamSchema schema;
    schema.add<Sample>(1);
    const Sample sample;
    const auto value = [&](std::string_view path, std::uint32_t index = 0) {
        return find_place(*schema.find(1), path).value().value(bytes_of(sample), index);
    };
    CHECK(value("a") == FieldValue(std::int64_t{-1}));
    CHECK(value("b") == FieldValue(std::uint64_t{200}));
    CHECK(value("c") == FieldValue(std::int64_t{-300}));
    CHECK(value("d") == FieldValue(std::uint64_t{60000}));
    CHECK(value("e") == FieldValue(std::int64_t{-70000}));
    CHECK(value("f") == FieldValue(std::uint64_t{4000000000U}));
    CHECK(value("g") == FieldValue(std::int64_t{-5000000000}));
    CHECK(value("h") == FieldValue(UINT64_MAX));
    CHECK(value("i") == FieldValue(0.5F));
    CHECK(value("j") == FieldValue(-0.25));
    CHECK(value("k") == FieldValue(true));
    CHECK(value("l") == FieldValue(std::string_view("x")));
    CHECK(value("m") == FieldValue(std::string_view("ab")));
    CHECK(value("m[3]") == FieldValue(std::string_view("c")));
    CHECK(value("n", 2) == FieldValue(std::int64_t{1}));
    CHECK(value("n[0]") == FieldValue(std::int64_t{-1}));
    const auto places = places_of(*schema.find(1));
    REQUIRE(places.size() == 14);
    CHECK(places[13].name == "n");
    CHECK(places[13].place == find_place(*schema.find(1), "n").value());
    CHECK(places[13].place.is_array());
    CHECK_FALSE(places[12].place.is_array());
}

TEST_CASE("field place: a field is in those versions that have it", "[place]") {
    StreamSchema schema;
    schema.add<Large>(1, "T").add<Small>(1, "T");
    REQUIRE_FALSE(schema.problem());
    const EventSchema& type = *schema.find(1);
    CHECK(find_place(type, "first").value().needed_bytes == sizeof(Small));
    CHECK(find_place(type, "second").value().needed_bytes == sizeof(Large));
    CHECK(find_place(type, "third").value().needed_bytes == sizeof(Large));
    CHECK(find_place(type, "first").value().is_in(bytes_of(Small{})));
    CHECK_FALSE(find_place(type, "second").value().is_in(bytes_of(Small{})));
    CHECK(find_place(type, "second").value().is_in(bytes_of(Large{})));
    StreamSchema other;
    other.add<Small>(1, "T").add<Middle>(1, "T");
    CHECK(find_place(*other.find(1), "second").value().needed_bytes == sizeof(Middle));
}

TEST_CASE("field place: what isn't there is named", "[place]") {
    StreamSchema schema;
    schema.add<Sample>(1).add_opaque(2, "Note", "json");
    const EventSchema& type = *schema.find(1);
    for (const char* const path : {"", "z", "n[", "n[]", "n[x]", "n[1]x", "[1]", "a[0]", "n[-1]"}) {
        INFO(path);
        CHECK(find_place(type, path).error().code == ErrorCode::not_found);
    }
    CHECK(find_place(type, "n[3]").error().code == ErrorCode::invalid_argument);
    CHECK_THAT(find_place(type, "n[3]").error().message, Contains("'n' is i16[3]"));
    CHECK(find_place(type, "n[99999999999]").error().code == ErrorCode::not_found);
    CHECK(find_place(*schema.find(2), "a").error().code == ErrorCode::not_found);
    CHECK(places_of(*schema.find(2)).empty());
}

}  // namespace field_place_test
