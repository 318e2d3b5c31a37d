// Claim: room for one event, taken and committed, or given up. Nobody reads, so nobody is waited
// for. Of the payload only the number is written: its size counts as the way to the next event.

#include "benchmarks.hpp"
#include "ring_events.hpp"

namespace tailrace::micro {

namespace {

void commit(benchmark::State& state, const Writing& writing) {
    const auto size_bytes = static_cast<std::uint32_t>(state.range(0));
    const test::TestStream stream(writing.options());
    auto publisher = stream.publisher();
    std::uint64_t number = 0;
    for (auto _ : state) {
        bus::Claim claim;
        if (publisher.try_claim(claim, size_bytes) != bus::PublishStatus::ok) {
            state.SkipWithError("a claim was refused");
            break;
        }
        write_number(claim.payload, number);
        publisher.commit(claim);
        ++number;
    }
    finish_published(state, stream, number);
}

// A tombstone stays on a multi-publisher stream, and nothing on the other.
void abort(benchmark::State& state, const Writing& writing) {
    constexpr std::uint32_t kSizeBytes = 64;
    const test::TestStream stream(writing.options());
    auto publisher = stream.publisher();
    std::uint64_t aborted = 0;
    for (auto _ : state) {
        bus::Claim claim;
        if (publisher.try_claim(claim, kSizeBytes) != bus::PublishStatus::ok) {
            state.SkipWithError("a claim was refused");
            break;
        }
        publisher.abort(claim);
        ++aborted;
    }
    const bool leaves_tombstones = writing.publishing == bus::Publishing::multi;
    if (stream.open()->tail().sequence != (leaves_tombstones ? aborted : 0))
        state.SkipWithError("the ring doesn't hold what was given up");
    state.SetItemsProcessed(static_cast<std::int64_t>(aborted));
}

}  // namespace

void register_benchmarks() {
    for (const Writing& writing : kWritings) {
        auto* const committed =
            benchmark::RegisterBenchmark(name_of(writing, "commit").c_str(), commit, writing);
        for (const std::int64_t size_bytes : kPayloadSizes)
            committed->Arg(size_bytes);
        if (writing.publish_time != bus::PublishTime::off) continue;
        benchmark::RegisterBenchmark(name_of(writing, "abort").c_str(), abort, writing);
    }
}

}  // namespace tailrace::micro
