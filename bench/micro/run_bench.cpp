// Run: a stretch of events that lies in one piece, as the recorder takes it from the ring and the
// journal walks it. Items are events.

#include "benchmarks.hpp"
#include "event_bytes.hpp"
#include "event_walk.hpp"
#include "full_ring.hpp"

namespace tailrace::micro {

namespace {

constexpr std::uint64_t kLargestRunBytes = std::uint64_t{256} << 10U;

// The ring's side: which events are committed, and where they end.
void take(benchmark::State& state, const Writing& writing) {
    const FullRing ring(static_cast<std::uint32_t>(state.range(0)), writing);
    auto reader = ring.stream().subscriber(bus::SlowPolicy::gate, bus::Start::at(0));
    for (auto _ : state) {
        std::uint64_t events = 0;
        while (events != ring.count()) {
            const bus::Run run = reader.next_run(kLargestRunBytes);
            if (run.count == 0) break;
            events += run.count;
            reader.release(reader.mark());
        }
        state.PauseTiming();
        if (events != ring.count() || !reader.restart(bus::Start::at(0))) {
            state.SkipWithError("a run ended early");
            break;
        }
        state.ResumeTiming();
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(ring.count()));
}

// The journal's side: whether all of it is what it says, trusting nothing.
void walk(benchmark::State& state) {
    const EventBytes events(1024, static_cast<std::uint32_t>(state.range(0)));
    std::uint64_t walked = 0;
    for (auto _ : state) {
        const auto found = journal::walk_events(
            events.bytes(), 0, EventBytes::kSalt, EventBytes::kAlignmentBytes, events.count());
        if (found.stop == journal::WalkStop::done) walked += found.event_count;
        benchmark::ClobberMemory();
    }
    if (walked != static_cast<std::uint64_t>(state.iterations()) * events.count())
        state.SkipWithError("a walk ended early");
    state.SetItemsProcessed(static_cast<std::int64_t>(walked));
}

}  // namespace

void register_benchmarks() {
    auto* const untimed = benchmark::RegisterBenchmark("take/untimed", take, kPlainWriting);
    auto* const timed = benchmark::RegisterBenchmark("take/timed", take, kWritings[1]);
    auto* const walked = benchmark::RegisterBenchmark("walk", walk);
    for (const std::int64_t size_bytes : kPayloadSizes) {
        untimed->Arg(size_bytes);
        timed->Arg(size_bytes);
        walked->Arg(size_bytes);
    }
}

}  // namespace tailrace::micro
