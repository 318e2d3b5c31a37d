// Ring: what one event costs on one core: claim, fill, commit and, in the same thread, the poll
// that reads it. No other process contends, so this is the floor of the instructions, not the price
// between cores; `tailrace bench` measures that.

#include "benchmarks.hpp"
#include "ring_events.hpp"

namespace tailrace::micro {

namespace {

constexpr std::uint64_t kEventsPerRound = 64;

void publish_and_poll(benchmark::State& state, const Writing& writing) {
    const auto size_bytes = static_cast<std::uint32_t>(state.range(0));
    const test::TestStream stream(writing.options());
    auto publisher = stream.publisher();
    auto subscriber = stream.subscriber();
    std::uint64_t number = 0;
    std::uint64_t received = 0;
    std::uint64_t sum = 0;  // of the numbers received
    const auto add = [&](const Event& event) noexcept {
        sum += event.as<std::uint64_t>();
    };
    for (auto _ : state) {
        for (std::uint64_t event = 0; event < kEventsPerRound; ++event) {
            bus::Claim claim;
            if (publisher.try_claim(claim, size_bytes) != bus::PublishStatus::ok) {
                state.SkipWithError("no room in the ring");
                return;
            }
            std::memset(claim.payload.data(), 0, claim.payload.size());
            write_number(claim.payload, number++);
            publisher.commit(claim);
        }
        received += subscriber.poll(add, kEventsPerRound).events;
    }
    if (received != number || sum != number * (number - 1) / 2)
        state.SkipWithError("events were lost or changed");
    state.SetItemsProcessed(static_cast<std::int64_t>(received));
}

}  // namespace

void register_benchmarks() {
    for (const Writing& writing : kWritings) {
        auto* const by_size = benchmark::RegisterBenchmark(writing.name, publish_and_poll, writing);
        for (const std::int64_t size_bytes : kPayloadSizes)
            by_size->Arg(size_bytes);
    }
}

}  // namespace tailrace::micro
