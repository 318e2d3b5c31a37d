// Publish: claim, copy and commit in one call. Nobody reads, so nobody is waited for.

#include "benchmarks.hpp"
#include "ring_events.hpp"

#include <vector>

namespace tailrace::micro {

namespace {

void bytes(benchmark::State& state, const Writing& writing) {
    const test::TestStream stream(writing.options());
    auto publisher = stream.publisher();
    std::vector<std::byte> payload(static_cast<std::size_t>(state.range(0)), std::byte{0x5A});
    std::uint64_t number = 0;
    for (auto _ : state) {
        write_number(payload, number);
        if (publisher.try_publish(std::span<const std::byte>(payload)) != bus::PublishStatus::ok) {
            state.SkipWithError("an event was refused");
            break;
        }
        ++number;
    }
    finish_published(state, stream, number);
}

// The size is known when it is compiled.
template <std::size_t kWords>
void typed(benchmark::State& state, const Writing& writing) {
    const test::TestStream stream(writing.options());
    auto publisher = stream.publisher();
    std::array<std::uint64_t, kWords> event{};
    for (auto _ : state) {
        if (publisher.publish(event) != bus::PublishStatus::ok) {
            state.SkipWithError("an event was refused");
            break;
        }
        ++event[0];
    }
    finish_published(state, stream, event[0]);
}

// With type, time and key beside the payload.
void with_fields(benchmark::State& state, const Writing& writing) {
    const test::TestStream stream(writing.options());
    auto publisher = stream.publisher();
    std::array<std::byte, 64> payload{};
    std::uint64_t number = 0;
    for (auto _ : state) {
        write_number(payload, number);
        const bus::EventFields fields{1, number, number, true};
        if (publisher.publish(std::span<const std::byte>(payload), fields) !=
            bus::PublishStatus::ok) {
            state.SkipWithError("an event was refused");
            break;
        }
        ++number;
    }
    finish_published(state, stream, number);
}

}  // namespace

void register_benchmarks() {
    for (const Writing& writing : kWritings) {
        auto* const by_size =
            benchmark::RegisterBenchmark(name_of(writing, "bytes").c_str(), bytes, writing);
        for (const std::int64_t size_bytes : kPayloadSizes)
            by_size->Arg(size_bytes);
        benchmark::RegisterBenchmark(name_of(writing, "typed/8").c_str(), typed<1>, writing);
        benchmark::RegisterBenchmark(name_of(writing, "typed/64").c_str(), typed<8>, writing);
        benchmark::RegisterBenchmark(name_of(writing, "fields/64").c_str(), with_fields, writing);
    }
}

}  // namespace tailrace::micro
