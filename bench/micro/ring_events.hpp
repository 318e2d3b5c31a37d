// The stream that a micro benchmark writes to, and what its events look like: each one begins with
// its number, so that a look afterwards tells whether they are all there.
#pragma once

#include "support/test_stream.hpp"

#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

namespace tailrace::micro {

// It stays in the second-level cache for the most part.
inline constexpr std::uint64_t kRingBytes = std::uint64_t{1} << 20U;
inline constexpr std::array<std::int64_t, 3> kPayloadSizes = {8, 64, 1024};

// How a stream is written: what the names of benchmarks begin with.
struct Writing {
    const char* name;
    bus::Publishing publishing;
    bus::PublishTime publish_time;

    [[nodiscard]] bus::StreamOptions options() const {
        bus::StreamOptions options;
        options.capacity_bytes = kRingBytes;
        options.publishing = publishing;
        options.publish_time = publish_time;
        return options;
    }
};

inline constexpr Writing kPlainWriting = {
    "one_publisher/untimed", bus::Publishing::single, bus::PublishTime::off};
inline constexpr std::array<Writing, 4> kWritings = {{
    kPlainWriting,
    {"one_publisher/timed", bus::Publishing::single, bus::PublishTime::per_event},
    {"many_publishers/untimed", bus::Publishing::multi, bus::PublishTime::off},
    {"many_publishers/timed", bus::Publishing::multi, bus::PublishTime::per_event},
}};

// Requires: at least 8 bytes.
inline void write_number(std::span<std::byte> payload, std::uint64_t number) noexcept {
    std::memcpy(payload.data(), &number, sizeof(number));
}

// Whether the stream has exactly so many events, and the newest carries its number.
[[nodiscard]] inline bool ends_with(const test::TestStream& stream, std::uint64_t count) {
    if (stream.open()->tail().sequence != count || count == 0) return false;
    auto reader = stream.subscriber(bus::SlowPolicy::observe, bus::Start::at(count - 1));
    std::uint64_t number = 0;
    const auto read =
        reader.poll([&](const Event& event) { number = event.as<std::uint64_t>(); }, 2);
    return read.events == 1 && number == count - 1;
}

// The end of a benchmark that published `count` events: so many items, if they are there.
inline void finish_published(benchmark::State& state,
                             const test::TestStream& stream,
                             std::uint64_t count) {
    if (!ends_with(stream, count)) state.SkipWithError("the ring lacks what was published");
    state.SetItemsProcessed(static_cast<std::int64_t>(count));
}

// "one_publisher/untimed/commit"
[[nodiscard]] inline std::string name_of(const Writing& writing, const char* what) {
    return std::string(writing.name) + "/" + what;
}

}  // namespace tailrace::micro
