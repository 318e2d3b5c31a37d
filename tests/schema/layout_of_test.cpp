#include <tailrace/schema/layout_of.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace layout_of_test {

using namespace tailrace::schema;

namespace {

// "name type offset", one for each field.
template <typename T>
std::vector<std::string> fields_of() {
    const EventLayout layout = layout_of<T>();
    CHECK(layout.size_bytes == sizeof(T));
    CHECK(check_layout(layout));
    std::vector<std::string> lines;
    for (const Field& field : layout.fields) {
        lines.push_back(field.name + " " + type_text(field) + " " +
                        std::to_string(field.offset_bytes));
    }
    return lines;
}

using Lines = std::vector<std::string>;

struct Empty {};
struct One {
    double only;
};
struct Numbers {
    std::int8_t i8;
    std::uint8_t u8;
    std::int16_t i16;
    std::uint16_t u16;
    std::int32_t i32;
    std::uint32_t u32;
    std::int64_t i64;
    std::uint64_t u64;
    float f32;
    double f64;
    bool boolean;
    char character;
    std::byte byte;
    long long longest;
};

enum class Side : std::uint8_t { buy, sell };
enum Old { first, second };
struct Mixed {
    Side side;
    Old old;
    char symbol[8];
    std::array<char, 4> venue;
    std::int32_t counts[3];
    std::array<float, 2> rates;
};

struct Price {
    std::int64_t mantissa;
    std::int8_t exponent;
};
struct Level {
    Price price;
    std::uint32_t quantity;
};
struct Book {
    std::uint32_t instrument;
    Level best;
    Level others[2];
    std::array<Price, 1> last;
};
struct Grid {
    std::int16_t cells[2][3];
    char names[2][4];
    std::int16_t end;
};

// What could be taken for a C array of as many.
struct Pair {
    std::int32_t a;
    std::int32_t b;
};
struct PairsAndArrays {
    Pair pair;
    std::int32_t array[2];
    Pair again;
    std::int32_t last;
};
struct ArrayLast {
    std::int32_t number;
    char text[32];
};
struct ArrayOfOne {
    char only[1];
    std::int32_t behind;
};

struct WithDefaults {
    static constexpr tailrace::EventType kEventType = 9;
    double price = 1.5;
    std::int32_t quantity{7};
    [[nodiscard]] double total() const { return price * quantity; }
};

struct Thirty {
    std::uint8_t a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z;
    std::uint16_t aa, bb, cc, dd, ee, last_of_them;
};
struct Long {
    char text[4096];
    std::uint64_t end;
};
template <typename T>
struct Boxed {
    T in_it;
};

}  // namespace

TEST_CASE("layout: every kind of number has its name, type and place", "[schema]") {
    CHECK(fields_of<Empty>().empty());
    CHECK(fields_of<One>() == Lines{"only f64 0"});
    CHECK(fields_of<Numbers>() == Lines{"i8 i8 0",
                                        "u8 u8 1",
                                        "i16 i16 2",
                                        "u16 u16 4",
                                        "i32 i32 8",
                                        "u32 u32 12",
                                        "i64 i64 16",
                                        "u64 u64 24",
                                        "f32 f32 32",
                                        "f64 f64 40",
                                        "boolean bool 48",
                                        "character char 49",
                                        "byte u8 50",
                                        "longest i64 56"});
}

TEST_CASE("layout: enums are their numbers, arrays have their sizes", "[schema]") {
    CHECK(fields_of<Mixed>() == Lines{"side u8 0",
                                      "old u32 4",
                                      "symbol char[8] 8",
                                      "venue char[4] 16",
                                      "counts i32[3] 20",
                                      "rates f32[2] 32"});
}

TEST_CASE("layout: structs inside, and arrays of them, are flat", "[schema]") {
    CHECK(fields_of<Book>() == Lines{"instrument u32 0",
                                     "best.price.mantissa i64 8",
                                     "best.price.exponent i8 16",
                                     "best.quantity u32 24",
                                     "others[0].price.mantissa i64 32",
                                     "others[0].price.exponent i8 40",
                                     "others[0].quantity u32 48",
                                     "others[1].price.mantissa i64 56",
                                     "others[1].price.exponent i8 64",
                                     "others[1].quantity u32 72",
                                     "last[0].mantissa i64 80",
                                     "last[0].exponent i8 88"});
    CHECK(fields_of<Grid>() == Lines{"cells[0] i16[3] 0",
                                     "cells[1] i16[3] 6",
                                     "names[0] char[4] 12",
                                     "names[1] char[4] 16",
                                     "end i16 20"});
}

TEST_CASE("layout: a C array is told from a struct of as many members", "[schema]") {
    CHECK(fields_of<PairsAndArrays>() == Lines{"pair.a i32 0",
                                               "pair.b i32 4",
                                               "array i32[2] 8",
                                               "again.a i32 16",
                                               "again.b i32 20",
                                               "last i32 24"});
    CHECK(fields_of<ArrayLast>() == Lines{"number i32 0", "text char[32] 4"});
    CHECK(fields_of<ArrayOfOne>() == Lines{"only char[1] 0", "behind i32 4"});
}

TEST_CASE("layout: default values, functions and constants of a struct don't matter", "[schema]") {
    CHECK(fields_of<WithDefaults>() == Lines{"price f64 0", "quantity i32 8"});
    CHECK(tailrace::kEventTypeOf<WithDefaults> == 9);
    CHECK(tailrace::kEventTypeOf<One> == 0);
}

TEST_CASE("layout: thirty-two members, and a text of pages", "[schema]") {
    const Lines fields = fields_of<Thirty>();
    REQUIRE(fields.size() == 32);
    CHECK(fields.front() == "a u8 0");
    CHECK(fields[25] == "z u8 25");
    CHECK(fields.back() == "last_of_them u16 36");
    CHECK(fields_of<Long>() == Lines{"text char[4096] 0", "end u64 4096"});
}

TEST_CASE("layout: a type's name is its own alone", "[schema]") {
    CHECK(type_name_of<Book>() == "Book");
    CHECK(type_name_of<tailrace::EventHeader>() == "EventHeader");
    CHECK(type_name_of<Boxed<Price>>() == "Boxed");
    CHECK(fields_of<Boxed<Price>>() == Lines{"in_it.mantissa i64 0", "in_it.exponent i8 8"});
}

TEST_CASE("layout: what means nothing elsewhere has none", "[schema]") {
    CHECK(DescribableEvent<Book>);
    CHECK_FALSE(DescribableEvent<double>);
    CHECK_FALSE(DescribableEvent<std::string>);
    CHECK_FALSE(DescribableEvent<const One*>);
}

}  // namespace layout_of_test
