#include "payload_text.hpp"

#include <catch2/catch.hpp>

#include <span>
#include <string>
#include <string_view>

namespace payload_text_test {

using namespace tailrace::tool;
using namespace std::string_view_literals;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

TEST_CASE("payload_text: UTF-8 without control characters is printable.") {
    CHECK(is_printable(bytes_of("")));
    CHECK(is_printable(bytes_of("price 101.25\t\r\n")));
    CHECK(is_printable(bytes_of("gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x90\x8E")));
    CHECK(text_of(bytes_of("hello")) == "hello");
}

TEST_CASE("payload_text: what a terminal would obey, or what is not UTF-8, is not printable.") {
    CHECK_FALSE(is_printable(bytes_of("\033[2J")));
    CHECK_FALSE(is_printable(bytes_of("a\0b"sv)));
    CHECK_FALSE(is_printable(bytes_of("\x7F")));
    CHECK_FALSE(
        is_printable(bytes_of("\xC2\x9B"
                              "2J")));                        // CSI as a C1 control
    CHECK_FALSE(is_printable(bytes_of("\xC0\xAF")));          // overlong
    CHECK_FALSE(is_printable(bytes_of("\xE0\x80\x80")));      // overlong
    CHECK_FALSE(is_printable(bytes_of("\xED\xA0\x80")));      // a surrogate
    CHECK_FALSE(is_printable(bytes_of("\xF4\x90\x80\x80")));  // beyond the last code point
    CHECK_FALSE(is_printable(bytes_of("\xE2\x82")));          // cut off
    CHECK_FALSE(is_printable(bytes_of("\x80")));
    CHECK_FALSE(is_printable(bytes_of("\xFF")));
}

TEST_CASE("payload_text: base64 pads as RFC 4648 says.") {
    CHECK(base64(bytes_of("")).empty());
    CHECK(base64(bytes_of("f")) == "Zg==");
    CHECK(base64(bytes_of("fo")) == "Zm8=");
    CHECK(base64(bytes_of("foo")) == "Zm9v");
    CHECK(base64(bytes_of("foobar")) == "Zm9vYmFy");
    CHECK(base64(bytes_of("\xFF\xFE\xFD")) == "//79");
}

TEST_CASE("payload_text: hexadecimal shows all bytes, or how many were left out.") {
    CHECK(hex_word(bytes_of("\x01\xAB"), 8) == "0x01ab");
    CHECK(hex_word(bytes_of("\x01\x02\x03"), 2) == "0x0102… (3 bytes)");
    CHECK(hex_dump(bytes_of("")).empty());
    CHECK(hex_dump(bytes_of("0123456789abcdef\n")) ==
          "0000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\n"
          "0010  0a                                                |.|\n");
}

TEST_CASE("payload_text: what was written in base64 is read again.") {
    std::string bytes;
    for (int byte = 0; byte < 256; ++byte) {
        CHECK(from_base64(base64(bytes_of(bytes))) == bytes);
        bytes += static_cast<char>(255 - byte);
    }
    CHECK(from_base64("") == "");
    CHECK(from_base64("QQ==") == "A");
}

TEST_CASE("payload_text: what isn't base64 is refused, also in its last bits.") {
    for (const char* const text : {"Q",
                                   "QQ",
                                   "QQ=",
                                   "QQQ",
                                   "QR==",
                                   "QUJ=",
                                   "=QQQ",
                                   "Q===",
                                   "====",
                                   "QQ=Q",
                                   "QQ==QQ==",
                                   "Q-_Q",
                                   "Q Q=",
                                   "QQ==\n"}) {
        INFO(text);
        CHECK_FALSE(from_base64(text));
    }
}

}  // namespace payload_text_test
