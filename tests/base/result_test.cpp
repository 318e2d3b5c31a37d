#include "support/child_process.hpp"

#include <tailrace/base/align.hpp>
#include <tailrace/base/checksum.hpp>
#include <tailrace/base/event.hpp>
#include <tailrace/base/result.hpp>

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string>

namespace result_test {

using namespace tailrace;

namespace {

Result<std::unique_ptr<int>> halve(int value) {
    if (value % 2 != 0) return make_error(ErrorCode::invalid_argument, "odd", "give an even one");
    return std::make_unique<int>(value / 2);
}

Result<void> check_even(int value) {
    if (auto halved = halve(value); !halved) return halved.error();
    return {};
}

// What a program says before `misuse` aborts it; empty when it doesn't.
std::string last_words(void (*misuse)()) {
    std::array<int, 2> pipe{};
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return {};
    test::ChildProcess child([&] {
        ::dup2(pipe[1], STDERR_FILENO);
        ::signal(SIGABRT, SIG_DFL);
        misuse();
        return 0;
    });
    ::close(pipe[1]);
    std::string said;
    std::array<char, 256> part{};
    for (ssize_t size = 0; (size = ::read(pipe[0], part.data(), part.size())) > 0;)
        said.append(part.data(), static_cast<std::size_t>(size));
    ::close(pipe[0]);
    return child.wait().signal == SIGABRT ? said : "";
}

}  // namespace

TEST_CASE("result: a value is there and may be moved out", "[base][result]") {
    auto halved = halve(8);

    REQUIRE(halved);
    CHECK(halved.has_value());
    CHECK(**halved == 4);
    const std::unique_ptr<int> taken = std::move(*halved);
    CHECK(*taken == 4);
}

TEST_CASE("result: an error carries code, message and hint", "[base][result]") {
    const auto halved = halve(7);

    REQUIRE_FALSE(halved);
    CHECK(halved.error().code == ErrorCode::invalid_argument);
    CHECK(halved.error().message == "odd");
    CHECK(halved.error().hint == "give an even one");
}

TEST_CASE("result: of nothing is either done or an error", "[base][result]") {
    CHECK(check_even(2));
    const auto refused = check_even(3);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message == "odd");
}

TEST_CASE("result: a move carries whichever is there", "[base][result]") {
    auto value = halve(8);
    auto error = halve(7);

    auto other = std::move(value);
    other = std::move(error);
    auto none = check_even(3);
    none = check_even(2);

    REQUIRE_FALSE(other);
    CHECK(other.error().message == "odd");
    CHECK(none);
}

TEST_CASE("result: to take what isn't there is a bug and ends the program", "[base][result]") {
    const auto value_of_error = [] {
        static_cast<void>(halve(7).value());
    };
    const auto error_of_value = [] {
        static_cast<void>(halve(8).error());
    };
    const auto error_of_done = [] {
        static_cast<void>(check_even(2).error());
    };

    // The reason, as the command would say it.
    CHECK(last_words(value_of_error) == "tailrace: odd\n  try: give an even one\n");
    CHECK_THAT(last_words(error_of_value), Catch::Contains("check failed"));
    CHECK_THAT(last_words(error_of_done), Catch::Contains("check failed"));
}

TEST_CASE("event: to take one for a larger type is a bug and ends the program", "[base][event]") {
    const std::string said = last_words([] {
        EventHeader header{};
        header.payload_size_bytes = 5;
        alignas(16) std::array<std::byte, 32> record{};
        const Event event(41, header, record.data());
        static_cast<void>(event.as<std::uint64_t>());
    });
    CHECK(said ==
          "tailrace: event 41 has 5 bytes, and was taken for a type of 8\n"
          "  try: ask event.is<T>(type) before event.as<T>()\n");
}

TEST_CASE("align: up and down to powers of two", "[base][align]") {
    CHECK(align_up(0, 16) == 0);
    CHECK(align_up(1, 16) == 16);
    CHECK(align_up(16, 16) == 16);
    CHECK(align_up(65, 64) == 128);
    CHECK(align_down(63, 64) == 0);
    CHECK(align_down(128, 64) == 128);
    CHECK(is_power_of_two(1));
    CHECK(is_power_of_two(std::uint64_t{1} << 63U));
    CHECK_FALSE(is_power_of_two(0));
    CHECK_FALSE(is_power_of_two(48));
}

TEST_CASE("checksum: depends on every byte and on the seed", "[base][checksum]") {
    std::array<std::byte, 300> bytes{};
    const std::uint64_t of_zeros = checksum64(bytes, 0);

    CHECK(checksum64(bytes, 1) != of_zeros);
    for (std::byte& byte : bytes) {
        byte = std::byte{1};
        CHECK(checksum64(bytes, 0) != of_zeros);
        byte = std::byte{0};
    }
    CHECK(checksum64(bytes, 0) == of_zeros);
    // The algorithm is part of the formats: this is XXH3-64 of nothing.
    CHECK(checksum64({}, 0) == 0x2D06800538D394C2U);
}

}  // namespace result_test
