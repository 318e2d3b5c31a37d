// Batch: several events that are claimed and committed at once. Items are events. Nobody reads, so
// nobody is waited for.

#include "benchmarks.hpp"
#include "ring_events.hpp"

#include <vector>

namespace tailrace::micro {

namespace {

// Fills what was claimed. Returns the number after the last one.
std::uint64_t fill(bus::BatchClaim& batch, std::uint64_t number) noexcept {
    for (;;) {
        const std::span<std::byte> payload = batch.next();
        if (payload.empty()) return number;
        write_number(payload, number++);
    }
}

// Events of one size: how many, and how large.
void even(benchmark::State& state, const Writing& writing) {
    const auto count = static_cast<std::uint32_t>(state.range(0));
    const auto size_bytes = static_cast<std::uint32_t>(state.range(1));
    const test::TestStream stream(writing.options());
    auto publisher = stream.publisher();
    std::uint64_t number = 0;
    for (auto _ : state) {
        bus::BatchClaim batch;
        if (publisher.try_claim_batch(batch, count, size_bytes) != bus::PublishStatus::ok) {
            state.SkipWithError("a batch was refused");
            break;
        }
        number = fill(batch, number);
        publisher.commit(batch);
    }
    finish_published(state, stream, number);
}

// Of several sizes.
void mixed(benchmark::State& state, const Writing& writing) {
    constexpr std::uint32_t kSmallestBytes = 8;
    constexpr std::uint32_t kStepBytes = 24;
    const test::TestStream stream(writing.options());
    auto publisher = stream.publisher();
    std::vector<std::uint32_t> sizes_bytes;
    for (std::uint32_t event = 0; event < state.range(0); ++event)
        sizes_bytes.push_back(kSmallestBytes + event % 4 * kStepBytes);
    std::uint64_t number = 0;
    for (auto _ : state) {
        bus::BatchClaim batch;
        const bus::PublishStatus status =
            publisher.try_claim_batch(batch, std::span<const std::uint32_t>(sizes_bytes));
        if (status != bus::PublishStatus::ok) {
            state.SkipWithError("a batch was refused");
            break;
        }
        number = fill(batch, number);
        publisher.commit(batch);
    }
    finish_published(state, stream, number);
}

// Copied from an array of the caller's.
void typed(benchmark::State& state, const Writing& writing) {
    const test::TestStream stream(writing.options());
    auto publisher = stream.publisher();
    std::vector<std::uint64_t> events(static_cast<std::size_t>(state.range(0)));
    std::uint64_t number = 0;
    for (auto _ : state) {
        for (std::uint64_t& event : events)
            event = number++;
        if (publisher.publish_batch(std::span<const std::uint64_t>(events)) !=
            bus::PublishStatus::ok) {
            state.SkipWithError("a batch was refused");
            break;
        }
    }
    finish_published(state, stream, number);
}

}  // namespace

void register_benchmarks() {
    for (const Writing& writing : kWritings) {
        benchmark::RegisterBenchmark(name_of(writing, "even").c_str(), even, writing)
            ->Args({4, 8})
            ->Args({16, 8})
            ->Args({16, 64})
            ->Args({256, 8});
        if (writing.publish_time != bus::PublishTime::off) continue;
        benchmark::RegisterBenchmark(name_of(writing, "mixed").c_str(), mixed, writing)->Arg(16);
        benchmark::RegisterBenchmark(name_of(writing, "typed").c_str(), typed, writing)->Arg(16);
    }
}

}  // namespace tailrace::micro
