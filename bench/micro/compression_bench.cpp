// Compression: a frame of a compressed segment, 1 MiB of events of 64 bytes. Items are frames.
// Without zstd in this build there is nothing to measure.

#include "benchmarks.hpp"
#include "compression.hpp"
#include "event_bytes.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>

namespace tailrace::micro {

namespace {

constexpr std::uint64_t kEvents = 13'000;
constexpr std::uint32_t kPayloadBytes = 64;

void count_frames(benchmark::State& state, const EventBytes& events) {
    state.SetItemsProcessed(state.iterations());
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(events.bytes().size()));
}

// Whether `frame` holds these events.
[[nodiscard]] bool holds(std::span<const std::byte> frame, const EventBytes& events) {
    std::vector<std::byte> back(events.bytes().size());
    return journal::decompress_frame(frame, back) &&
           std::equal(back.begin(), back.end(), events.bytes().begin());
}

void compress(benchmark::State& state) {
    const EventBytes events(kEvents, kPayloadBytes);
    std::vector<std::byte> frame(journal::compressed_bound_bytes(events.bytes().size()));
    std::size_t size_bytes = 0;
    for (auto _ : state) {
        size_bytes =
            journal::compress_frame(events.bytes(), frame, static_cast<int>(state.range(0)));
    }
    if (!holds(std::span(frame).first(size_bytes), events))
        state.SkipWithError("the frame holds something else");
    count_frames(state, events);
}

void decompress(benchmark::State& state) {
    const EventBytes events(kEvents, kPayloadBytes);
    std::vector<std::byte> frame(journal::compressed_bound_bytes(events.bytes().size()));
    frame.resize(journal::compress_frame(events.bytes(), frame, static_cast<int>(state.range(0))));
    std::vector<std::byte> back(events.bytes().size());
    std::int64_t done = 0;
    for (auto _ : state)
        done += journal::decompress_frame(frame, back) ? 1 : 0;
    if (done != state.iterations() || !holds(frame, events))
        state.SkipWithError("the frame holds something else");
    count_frames(state, events);
}

}  // namespace

void register_benchmarks() {
    if (!journal::has_compression()) return;
    benchmark::RegisterBenchmark("compress/level", compress)->Arg(1)->Arg(3);
    benchmark::RegisterBenchmark("decompress/level", decompress)->Arg(1)->Arg(3);
}

}  // namespace tailrace::micro
