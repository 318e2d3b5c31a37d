// Attach: what it costs to open a stream, and to take and give back a place in it as publisher or
// subscriber. Items are attachments.

#include "benchmarks.hpp"
#include "ring_events.hpp"

namespace tailrace::micro {

namespace {

// Whether events go through the stream after all that coming and going.
[[nodiscard]] bool works(const test::TestStream& stream) {
    auto publisher = stream.publisher();
    return publisher.publish(std::uint64_t{0}) == bus::PublishStatus::ok && ends_with(stream, 1);
}

// `attach(stream)` says whether it got its place.
template <typename Attach>
void repeat(benchmark::State& state, const test::TestStream& stream, Attach&& attach) {
    for (auto _ : state) {
        if (!attach()) {
            state.SkipWithError("an attachment was refused");
            break;
        }
    }
    if (!works(stream)) state.SkipWithError("the stream doesn't work afterwards");
    state.SetItemsProcessed(state.iterations());
}

void open(benchmark::State& state) {
    const test::TestStream stream(kWritings[2].options());
    repeat(state, stream, [&] {
        const auto region =
            bus::Region::open(stream.name(), bus::RegionAccess::publish, stream.directory());
        return region && (*region)->capacity_bytes() == kRingBytes;
    });
}

void publisher(benchmark::State& state) {
    const test::TestStream stream(kWritings[2].options());
    const auto region = stream.open();
    repeat(state, stream, [&] {
        const auto attached = bus::Publisher::attach(region);
        return attached && attached->region().capacity_bytes() == kRingBytes;
    });
}

void subscriber(benchmark::State& state, bus::SlowPolicy policy) {
    const test::TestStream stream(kWritings[2].options());
    const auto region = stream.open();
    bus::SubscriberOptions options;
    options.policy = policy;
    repeat(state, stream, [&] {
        const auto attached = bus::Subscriber::attach(region, options);
        return attached && attached->next_sequence() == 0;
    });
}

}  // namespace

void register_benchmarks() {
    benchmark::RegisterBenchmark("open", open);
    benchmark::RegisterBenchmark("publisher", publisher);
    benchmark::RegisterBenchmark("subscriber/gate", subscriber, bus::SlowPolicy::gate);
    benchmark::RegisterBenchmark("subscriber/skip", subscriber, bus::SlowPolicy::skip);
    benchmark::RegisterBenchmark("subscriber/observe", subscriber, bus::SlowPolicy::observe);
}

}  // namespace tailrace::micro
