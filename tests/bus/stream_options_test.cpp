#include <tailrace/bus/stream_options.hpp>

#include <catch2/catch.hpp>

#include <cstdlib>
#include <string>
#include <string_view>

namespace stream_options_test {

using namespace tailrace;
using namespace tailrace::bus;

namespace {

std::string refusal(const StreamOptions& options) {
    const auto checked = check_stream_options(options);
    if (checked) return "accepted";
    return checked.error().code == ErrorCode::invalid_argument ? checked.error().message
                                                               : "another code";
}

bool mentions(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("stream options: names", "[bus][stream_options]") {
    for (const std::string& name :
         {std::string("a"), std::string("trades.eu-1_x"), std::string(63, 'z'), std::string("0")}) {
        CAPTURE(name);
        CHECK(check_stream_name(name));
    }
    for (const std::string& name : {std::string(),
                                    std::string(64, 'z'),
                                    std::string(".hidden"),
                                    std::string(".."),
                                    std::string("-x"),
                                    std::string("--all"),
                                    std::string("-"),
                                    std::string("a/b"),
                                    std::string("/a"),
                                    std::string("a b"),
                                    std::string("a\nb"),
                                    std::string("gr\xc3\xbc\xc3\x9f"),
                                    std::string("a:b")}) {
        CAPTURE(name);
        const auto checked = check_stream_name(name);
        REQUIRE_FALSE(checked);
        CHECK(checked.error().code == ErrorCode::invalid_argument);
        CHECK_FALSE(checked.error().hint.empty());
    }
    CHECK(mentions(check_stream_name("a/b").error().message, "a slash"));
    CHECK(mentions(check_stream_name("a:b").error().message, "':'"));
    CHECK(mentions(check_stream_name("a/b").error().hint, "--dir"));
}

TEST_CASE("stream options: capacities", "[bus][stream_options]") {
    StreamOptions options;
    for (const std::uint64_t capacity :
         {kMinCapacityBytes, kMinCapacityBytes * 2, kMaxCapacityBytes}) {
        options.capacity_bytes = capacity;
        CHECK(refusal(options) == "accepted");
    }
    for (const std::uint64_t capacity : {std::uint64_t{0},
                                         kMinCapacityBytes / 2,
                                         kMinCapacityBytes + 1,
                                         kMinCapacityBytes * 3,
                                         kMaxCapacityBytes * 2}) {
        options.capacity_bytes = capacity;
        CHECK(mentions(refusal(options), std::to_string(capacity)));
    }
}

TEST_CASE("stream options: the largest event fits the ring", "[bus][stream_options]") {
    StreamOptions options;
    options.capacity_bytes = kMinCapacityBytes;
    options.max_payload_bytes = kMinCapacityBytes / 4 - 128;
    CHECK(refusal(options) == "accepted");
    options.max_payload_bytes += 1;
    CHECK(mentions(refusal(options), "too large"));
    // What stands for 0 is itself allowed, in every ring.
    for (std::uint64_t capacity = kMinCapacityBytes; capacity <= kMaxCapacityBytes; capacity *= 2) {
        options.capacity_bytes = capacity;
        options.max_payload_bytes = static_cast<std::uint32_t>(default_max_payload_bytes(capacity));
        CHECK(options.max_payload_bytes == default_max_payload_bytes(capacity));
        CHECK(refusal(options) == "accepted");
    }
}

TEST_CASE("stream options: alignment, slots and the journal's path", "[bus][stream_options]") {
    StreamOptions options;
    for (const std::uint32_t alignment : {0U, 8U, 32U, 128U}) {
        options.alignment_bytes = alignment;
        CHECK(mentions(refusal(options), "alignment"));
    }
    options.alignment_bytes = 64;
    CHECK(refusal(options) == "accepted");
    for (const std::uint32_t slots : {0U, 1025U}) {
        options.publisher_slots = slots;
        CHECK(mentions(refusal(options), "slots"));
        options.publisher_slots = 1024;
        options.subscriber_slots = slots;
        CHECK(mentions(refusal(options), "slots"));
        options.subscriber_slots = 1;
    }
    CHECK(refusal(options) == "accepted");
    options.journal_directory = std::string(511, 'j');
    CHECK(refusal(options) == "accepted");
    options.journal_directory += 'j';
    CHECK(mentions(refusal(options), "longer than 511"));
}

TEST_CASE("stream options: the directory comes from the environment", "[bus][stream_options]") {
    const char* const before = std::getenv("TAILRACE_DIR");
    const std::string saved = before == nullptr ? "" : before;

    ::setenv("TAILRACE_DIR", "/somewhere/else", 1);
    CHECK(default_directory() == "/somewhere/else");
    ::setenv("TAILRACE_DIR", "", 1);
    CHECK(default_directory() == "/dev/shm/tailrace");
    ::unsetenv("TAILRACE_DIR");
    CHECK(default_directory() == "/dev/shm/tailrace");

    if (before != nullptr) ::setenv("TAILRACE_DIR", saved.c_str(), 1);
}

}  // namespace stream_options_test
