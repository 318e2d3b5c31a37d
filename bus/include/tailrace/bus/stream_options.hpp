// What a stream is made of. Chosen once, at create; every process reads it back from the stream.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/bus/huge_pages.hpp>
#include <tailrace/bus/layout.hpp>
#include <tailrace/schema/stream_schema.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace tailrace::bus {

// What publishers do while nobody records a stream that is to be recorded.
enum class JournalMissing : std::uint8_t {
    go,    // they go on: what leaves the ring then is lost to the journal
    hold,  // they wait when the ring is full of it: nothing is ever lost unrecorded
};

struct StreamOptions {
    std::uint64_t capacity_bytes = std::uint64_t{64} << 20U;  // a power of two, 64 KiB … 16 GiB
    std::uint32_t max_payload_bytes = 0;                      // 0: an eighth of the capacity
    Publishing publishing = Publishing::multi;
    PublishTime publish_time = PublishTime::per_event;
    std::uint32_t alignment_bytes = 16;  // or 64
    std::uint32_t publisher_slots = 16;
    std::uint32_t subscriber_slots = 32;
    std::uint32_t mode = 0660;  // permissions of the files; directories get x where there is r
    std::uint32_t group_id = kNoGroup;  // whose files they are; kNoGroup: as the system chooses
    HugePages huge_pages = HugePages::automatic;
    Sequence first_sequence = 0;
    std::string journal_directory = {};                   // empty: not journaled
    JournalMissing journal_missing = JournalMissing::go;  // hold: only with a journal
    // Of the journal that `first_sequence` continues; zeroes: none. Its writer refuses another one.
    std::array<std::uint64_t, 2> journal_id = {0, 0};
    // Of its events. More may be declared by publishers, when they attach.
    schema::StreamSchema types = {};
};

// What max_payload_bytes 0 stands for.
[[nodiscard]] constexpr std::uint64_t default_max_payload_bytes(
    std::uint64_t capacity_bytes) noexcept {
    constexpr std::uint64_t kShare = 8;
    return capacity_bytes / kShare;
}

// 1 to 63 of A-Z a-z 0-9 . _ - and not a dot first. The error says which character is wrong.
[[nodiscard]] Result<void> check_stream_name(std::string_view name);

namespace detail {

// The same of a name of something else.
[[nodiscard]] Result<void> check_name(std::string_view name, const std::string& noun);

}  // namespace detail

// Every limit above, and that the largest event fits the ring.
[[nodiscard]] Result<void> check_stream_options(const StreamOptions& options);

// "hold" or "go".
[[nodiscard]] std::string_view journal_missing_name(const StreamHeader& header) noexcept;

// "off", "event" or "batch".
[[nodiscard]] std::string_view publish_time_name(PublishTime publish_time) noexcept;

// $TAILRACE_DIR, or /dev/shm/tailrace.
[[nodiscard]] std::string default_directory();

}  // namespace tailrace::bus
