#include <tailrace/schema/stream_schema.hpp>

#include <catch2/catch.hpp>

#include <cstdint>
#include <string>

namespace stream_schema_test {

using namespace tailrace;
using namespace tailrace::schema;
using Catch::Matchers::Contains;

namespace {

struct Trade {
    double price;
    std::int32_t quantity;
    std::uint32_t instrument;
};

namespace grown {
struct Trade {
    double price;
    std::int32_t quantity;
    std::uint32_t instrument;
    char venue[8];
};
}  // namespace grown

namespace grown_twice {
struct Trade {
    double price;
    std::int32_t quantity;
    std::uint32_t instrument;
    char venue[8];
    std::uint64_t order;
};
}  // namespace grown_twice

namespace changed {
struct Trade {
    double price;
    std::int64_t quantity;
};
}  // namespace changed

struct Padded {
    std::uint64_t id;
    std::uint8_t flag;
};
namespace filled {
struct Padded {
    std::uint64_t id;
    std::uint8_t flag;
    std::uint8_t other;
};
}  // namespace filled

StreamSchema with_trade() {
    StreamSchema schema;
    schema.add<Trade>(1);
    return schema;
}

// Why the second can't be merged into the first.
std::string refusal(StreamSchema known, const StreamSchema& declared) {
    const StreamSchema before = known;
    const auto merged = known.merge(declared);
    REQUIRE_FALSE(merged);
    CHECK(merged.error().code == ErrorCode::incompatible);
    CHECK_FALSE(merged.error().hint.empty());
    CHECK(known == before);
    return merged.error().message;
}

}  // namespace

TEST_CASE("schema: types are found by number and by name", "[schema]") {
    StreamSchema schema;
    schema.add<Padded>(2).add<Trade>(1).add_opaque(7, "Order", "protobuf");
    REQUIRE_FALSE(schema.problem());
    REQUIRE(schema.types().size() == 3);
    CHECK(schema.types()[0].name == "Trade");
    CHECK(schema.find(2)->name == "Padded");
    CHECK(schema.find("Order")->encoding == "protobuf");
    CHECK_FALSE(schema.find("Order")->is_struct());
    CHECK(schema.find(3) == nullptr);
    CHECK(schema.find("order") == nullptr);
}

TEST_CASE("schema: what is there already is nothing new", "[schema]") {
    StreamSchema schema = with_trade();
    CHECK_FALSE(schema.merge(with_trade()).value());
    CHECK_FALSE(schema.merge({}).value());
    StreamSchema more;
    more.add<Padded>(2);
    CHECK(schema.merge(more).value());
    CHECK(schema.types().size() == 2);
}

TEST_CASE("schema: a type grows at its end, in whatever order its versions come", "[schema]") {
    StreamSchema one = with_trade();
    StreamSchema second;
    second.add<grown::Trade>(1);
    StreamSchema third;
    third.add<grown_twice::Trade>(1);
    CHECK(one.merge(third).value());
    CHECK(one.merge(second).value());
    StreamSchema other = third;
    CHECK(other.merge(second).value());
    CHECK(other.merge(with_trade()).value());
    CHECK(one == other);

    const EventSchema& type = *one.find(1);
    REQUIRE(type.versions.size() == 3);
    CHECK(type.layout_for(15) == nullptr);
    CHECK(type.layout_for(16) == &type.versions[0]);
    CHECK(type.layout_for(23) == &type.versions[0]);
    CHECK(type.layout_for(24) == &type.versions[1]);
    CHECK(type.layout_for(1000) == &type.versions[2]);
}

TEST_CASE("schema: a change that isn't growth is refused, and the difference shown", "[schema]") {
    StreamSchema declared;
    declared.add<changed::Trade>(1);
    const std::string told = refusal(with_trade(), declared);
    CHECK_THAT(told, Contains("type 1 'Trade' differs"));
    CHECK_THAT(told, Contains("'quantity' is i64 at byte 8, not i32 at byte 8"));
    CHECK_THAT(told, Contains("'instrument', u32 at byte 12, is missing"));

    StreamSchema padded;
    padded.add<Padded>(1);
    StreamSchema filled_up;
    filled_up.add<filled::Padded>(1);
    // An event's size couldn't tell whether the byte was written.
    CHECK_THAT(refusal(padded, filled_up),
               Contains("'other', u8 at byte 9, is new, and not behind the 16 bytes"));
    CHECK_THAT(refusal(filled_up, padded), Contains("'other', u8 at byte 9, is missing"));
}

TEST_CASE("schema: between two versions only one that fits both may stand", "[schema]") {
    StreamSchema known = with_trade();
    StreamSchema third;
    third.add<grown_twice::Trade>(1);
    REQUIRE(known.merge(third));
    EventLayout between = layout_of<Trade>();
    between.size_bytes = 24;
    between.fields.push_back({"account", FieldKind::u64, 0, 16});
    StreamSchema declared;
    declared.add(1, "Trade", between);
    CHECK_THAT(refusal(known, declared), Contains("'venue', char[8] at byte 16, is missing"));
}

TEST_CASE("schema: a size alone is no version", "[schema]") {
    EventLayout longer = layout_of<Trade>();
    longer.size_bytes = 64;
    StreamSchema declared;
    declared.add(1, "Trade", longer);
    CHECK_THAT(refusal(with_trade(), declared), Contains("it has 64 bytes, not 16"));
}

TEST_CASE("schema: names, numbers and encodings stand for one thing each", "[schema]") {
    StreamSchema renamed;
    renamed.add<Trade>(1, "Deal");
    CHECK_THAT(refusal(with_trade(), renamed), Contains("it is 'Deal', and was 'Trade'"));
    StreamSchema elsewhere;
    elsewhere.add<Trade>(2);
    CHECK_THAT(refusal(with_trade(), elsewhere), Contains("stands for type 1, and not for type 2"));
    StreamSchema opaque;
    opaque.add_opaque(1, "Trade", "json");
    CHECK_THAT(refusal(with_trade(), opaque), Contains("its encoding is json, and was struct"));
}

TEST_CASE("schema: what contradicts itself is told to whoever takes it", "[schema]") {
    StreamSchema schema;
    schema.add<Trade>(1).add<changed::Trade>(1).add<Padded>(2);
    REQUIRE(schema.problem());
    CHECK_FALSE(schema.is_empty());
    StreamSchema known;
    CHECK(known.merge(schema).error().message == schema.problem()->message);
    CHECK(known.is_empty());

    CHECK(StreamSchema().add<Trade>(1, "two words").problem()->code == ErrorCode::invalid_argument);
    CHECK(StreamSchema().add<Trade>(1, "").problem());
    CHECK(StreamSchema().add<Trade>(1, "1st").problem());
    CHECK(StreamSchema().add_opaque(1, "Note", "").problem());
    CHECK(StreamSchema().add_opaque(1, "Note", "Plain Text").problem());
}

TEST_CASE("schema: a layout that can't be is refused", "[schema]") {
    const auto add = [](EventLayout layout) {
        return StreamSchema().add(1, "T", std::move(layout)).problem();
    };
    const Field number{"a", FieldKind::u32, 0, 0};
    CHECK_FALSE(add({8, {number, {"b", FieldKind::u32, 0, 4}}}));
    CHECK_THAT(add({3, {number}})->message, Contains("'a' ends behind the event"));
    CHECK_THAT(add({8, {number, {"b", FieldKind::u16, 0, 2}}})->message, Contains("lies over"));
    CHECK_THAT(add({8, {number, {"a", FieldKind::u32, 0, 4}}})->message, Contains("twice"));
    CHECK_THAT(add({8, {{"a b", FieldKind::u32, 0, 0}}})->message, Contains("letters"));
    CHECK_THAT(add({8, {{"a", FieldKind::u64, UINT32_MAX, 0}}})->message, Contains("ends behind"));
    CHECK_THAT(add({4096, std::vector<Field>(1025, number)})->message, Contains("too many"));
}

}  // namespace stream_schema_test
