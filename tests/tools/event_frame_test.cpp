#include "event_frame.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace event_frame_test {

using namespace tailrace;
using namespace tailrace::tool;
using namespace std::string_view_literals;

TEST_CASE("event_frame: a header is 24 bytes, little endian.") {
    const std::string_view header =
        "\x03\x02\x01\x00\x02\x01\x01\x00\x08\x07\x06\x05\x04\x03\x02\x01\xFF\x00\x00\x00\x00\x00"
        "\x00\x80"sv;
    REQUIRE(header.size() == EventFrame::kHeaderBytes);
    const auto frame = parse_frame(header);
    REQUIRE(frame);
    CHECK(frame->size_bytes == 0x010203);
    CHECK(frame->fields.type == 0x0102);
    CHECK(frame->fields.has_key);
    CHECK(frame->fields.key == 0x0102030405060708);
    CHECK(frame->fields.event_time_ns == 0x80000000000000FF);
}

TEST_CASE("event_frame: flags that nobody knows are no frame's.") {
    std::string header(EventFrame::kHeaderBytes, '\0');
    CHECK_FALSE(parse_frame(header)->fields.has_key);
    header[6] = 2;
    CHECK(parse_frame(header).error().message == "no frame begins here: its flags would be 0x0002");
    header[6] = 1;
    header[7] = 1;
    CHECK_FALSE(parse_frame(header));
}

TEST_CASE("event_frame: of an event without payload, key and time all is 0.") {
    static const std::array<std::byte, sizeof(EventHeader)> record{};
    std::string bytes = "x";
    append_frame(bytes, Event(0, EventHeader{}, record.data()));
    CHECK(bytes == "x" + std::string(EventFrame::kHeaderBytes, '\0'));
}

}  // namespace event_frame_test
