#include <tailrace/base/event.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <cstring>
#include <string>
#include <vector>

namespace event_test {

using namespace tailrace;

namespace {

// A record with the words that the flags ask for, numbered from 101, then `unknown_words` more,
// then the payload.
std::vector<std::byte> make_record(std::uint8_t flags,
                                   unsigned unknown_words,
                                   const std::string& payload) {
    const unsigned words = extension_words_of(flags) + unknown_words;
    const EventHeader header{
        0, static_cast<std::uint32_t>(payload.size()), 5, flags, static_cast<std::uint8_t>(words)};
    std::vector<std::byte> record(event_size_bytes(payload.size(), words, 16));
    std::memcpy(record.data(), &header, sizeof(header));
    for (std::uint64_t word = 0; word < words; ++word) {
        const std::uint64_t value = 101 + word;
        std::memcpy(record.data() + sizeof(header) + word * 8, &value, sizeof(value));
    }
    if (!payload.empty()) {
        std::memcpy(record.data() + sizeof(header) + words * std::size_t{8},
                    payload.data(),
                    payload.size());
    }
    return record;
}

Event view(const std::vector<std::byte>& record) {
    EventHeader header{};
    std::memcpy(&header, record.data(), sizeof(header));
    return Event(77, header, record.data());
}

struct Pair {
    std::uint32_t a;
    std::uint32_t b;
};

}  // namespace

TEST_CASE("event: every combination of extension words is read back", "[base][event]") {
    for (unsigned flags = 0; flags < 64; ++flags) {
        for (const unsigned unknown_words : {0U, 3U}) {
            CAPTURE(flags, unknown_words);
            const auto record =
                make_record(static_cast<std::uint8_t>(flags), unknown_words, "payload");
            const Event event = view(record);

            std::uint64_t next = 101;
            const auto expect_word = [&](unsigned flag) {
                return (flags & flag) != 0 ? next++ : std::uint64_t{0};
            };
            CHECK(event.publish_time_ns() == expect_word(kHasPublishTime));
            CHECK(event.event_time_ns() == expect_word(kHasEventTime));
            CHECK(event.publisher_id() == expect_word(kHasPublisherId));
            CHECK(event.publisher_sequence() == expect_word(kHasPublisherId));
            CHECK(event.key() == expect_word(kHasKey));
            CHECK(event.payload().size() == 7);
            CHECK(std::memcmp(event.payload().data(), "payload", 7) == 0);
            CHECK(event.is_tombstone() == ((flags & kTombstone) != 0));
        }
    }
}

TEST_CASE("event: flags that promise more words than there are give zeros", "[base][event]") {
    auto record = make_record(0, 1, "x");
    auto header = EventHeader{};
    std::memcpy(&header, record.data(), sizeof(header));
    header.flags = kHasPublishTime | kHasEventTime | kHasPublisherId | kHasKey;
    std::memcpy(record.data(), &header, sizeof(header));
    const Event event = view(record);

    CHECK(event.publish_time_ns() == 101);
    CHECK(event.event_time_ns() == 0);
    CHECK(event.publisher_id() == 0);
    CHECK(event.publisher_sequence() == 0);
    CHECK(event.key() == 0);
    CHECK(event.payload().size() == 1);
}

TEST_CASE("event: typed access checks type and size", "[base][event]") {
    const auto record = make_record(kHasPublishTime, 0, std::string("\1\0\0\0\2\0\0\0", 8));
    const Event event = view(record);

    CHECK(event.sequence() == 77);
    CHECK(event.type() == 5);
    REQUIRE(event.is<Pair>(5));
    CHECK(event.as<Pair>().a == 1);
    CHECK(event.as<Pair>().b == 2);
    CHECK_FALSE(event.is<Pair>(6));
    CHECK_FALSE(event.is<std::array<char, 9>>(5));
}

TEST_CASE("event: only plain bytes may be typed events", "[base][event]") {
    CHECK(PlainEvent<Pair>);
    CHECK(PlainEvent<double>);
    CHECK_FALSE(PlainEvent<std::string>);
    CHECK_FALSE(PlainEvent<const char*>);
    CHECK_FALSE(PlainEvent<std::span<const std::byte>>);
    CHECK_FALSE(PlainEvent<std::string_view>);
}

TEST_CASE("event: sizes are aligned and never overflow", "[base][event]") {
    CHECK(event_size_bytes(0, 0, 16) == 16);
    CHECK(event_size_bytes(1, 0, 16) == 32);
    CHECK(event_size_bytes(8, 1, 16) == 32);
    CHECK(event_size_bytes(8, 1, 64) == 64);
    CHECK(event_size_bytes(UINT32_MAX, 255, 64) == (std::uint64_t{1} << 32U) + 2112);
}

TEST_CASE("event: a stamp differs by sequence and by salt", "[base][event]") {
    CHECK(stamp_of(5, 99) != stamp_of(6, 99));
    CHECK(stamp_of(5, 99) != stamp_of(5, 98));
    CHECK((stamp_of(5, 99) ^ 99U) == 5);
}

TEST_CASE("event: the header's second word is what the struct looks like in memory",
          "[base][event]") {
    const EventHeader header{0, 0x01234567, 0x89ab, 0xcd, 0xef};
    std::uint64_t in_memory = 0;
    std::memcpy(&in_memory, &header.payload_size_bytes, sizeof(in_memory));

    CHECK(
        header_word(header.payload_size_bytes, header.type, header.flags, header.extension_words) ==
        in_memory);
}

}  // namespace event_test
