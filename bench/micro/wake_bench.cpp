// Wake: two threads that sleep until the other one publishes. Items are wake-ups, two for each
// round trip; the time is that of the clock, since who sleeps uses none of the processor's.

#include "benchmarks.hpp"
#include "ring_events.hpp"

#include <tailrace/bus/deadline.hpp>

#include <thread>

namespace tailrace::micro {

namespace {

constexpr std::uint64_t kEnd = ~std::uint64_t{0};
constexpr std::uint64_t kLongestMs = 20'000;

// The next event's number, asleep until it is there; kEnd when nothing comes.
[[nodiscard]] std::uint64_t receive(bus::Subscriber& reader) {
    const bus::Deadline deadline = bus::Deadline::in_ms(kLongestMs);
    std::uint64_t number = kEnd;
    const auto take = [&](const Event& event) {
        number = event.as<std::uint64_t>();
    };
    while (!deadline.has_passed()) {
        const bus::PollResult result = reader.poll(take, 1);
        if (result.events == 1) return number;
        if (result.state != bus::PollState::idle) return kEnd;
        reader.park(deadline);
    }
    return kEnd;
}

void round_trip(benchmark::State& state) {
    const test::TestStream there(kPlainWriting.options());
    const test::TestStream back(kPlainWriting.options());
    auto sender = there.publisher();
    auto reader = back.subscriber();
    std::thread echo([&, asked = there.subscriber(), answers = back.publisher()]() mutable {
        for (;;) {
            const std::uint64_t number = receive(asked);
            if (number == kEnd || answers.publish(number) != bus::PublishStatus::ok) return;
        }
    });
    std::uint64_t number = 0;
    for (auto _ : state) {
        if (sender.publish(number) != bus::PublishStatus::ok || receive(reader) != number) {
            state.SkipWithError("an answer is missing");
            break;
        }
        ++number;
    }
    static_cast<void>(sender.publish(kEnd));
    echo.join();
    state.SetItemsProcessed(2 * state.iterations());
}

}  // namespace

void register_benchmarks() {
    benchmark::RegisterBenchmark("round_trip", round_trip)->UseRealTime();
}

}  // namespace tailrace::micro
