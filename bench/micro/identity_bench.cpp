// Identity: what it costs a publisher to number its events under a name, beside one without that
// publishes events of as many bytes.

#include "benchmarks.hpp"
#include "ring_events.hpp"

#include <vector>

namespace tailrace::micro {

namespace {

constexpr std::size_t kPayloadBytes = 64;
constexpr std::size_t kNumberBytes = 2 * kExtensionWordBytes;

void plain(benchmark::State& state, const Writing& writing) {
    const test::TestStream stream(writing.options());
    auto publisher = stream.publisher();
    const std::vector<std::byte> payload(kPayloadBytes + kNumberBytes);
    std::uint64_t number = 0;
    for (auto _ : state) {
        if (publisher.publish(payload, 1) != bus::PublishStatus::ok) {
            state.SkipWithError("an event was refused");
            break;
        }
        ++number;
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(number));
}

void numbered(benchmark::State& state, const Writing& writing) {
    const test::TestStream stream(writing.options());
    auto publisher =
        test::expect(bus::Publisher::attach(stream.name(),
                                            {.directory = stream.directory(), .identity = "bench"}),
                     "attach");
    const std::vector<std::byte> payload(kPayloadBytes);
    std::uint64_t number = 0;
    for (auto _ : state) {
        if (publisher.publish(payload, {.type = 1, .own_sequence = number + 1}) !=
            bus::PublishStatus::ok) {
            state.SkipWithError("an event was refused");
            break;
        }
        ++number;
    }
    if (publisher.last_published() != number) state.SkipWithError("numbers are missing");
    state.SetItemsProcessed(static_cast<std::int64_t>(number));
}

}  // namespace

void register_benchmarks() {
    for (const Writing& writing : kWritings) {
        benchmark::RegisterBenchmark(name_of(writing, "plain").c_str(), plain, writing);
        benchmark::RegisterBenchmark(name_of(writing, "numbered").c_str(), numbered, writing);
    }
}

}  // namespace tailrace::micro
