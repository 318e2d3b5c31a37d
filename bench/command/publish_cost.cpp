// Question: what does a publish pay for readers that may sleep, while none does?
//
// What it pays is one look at the sleepers' flag. So a process publishes alone, in turns with and
// without a second look of the same kind; the difference is what a build without sleeping readers
// would save. Doesn't show: the look at a line that a sleeper has just written.

#include "bench_runs.hpp"
#include "machine.hpp"
#include "samples.hpp"

#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/wait.hpp>

namespace tailrace::bench {

namespace {

constexpr std::uint64_t kEventsPerTurn = 50'000;

// Nanoseconds for each publish.
template <bool kLooksTwice>
double time_chunk(bus::Publisher& publisher) {
    bus::WaitCell& cell = publisher.region().state().subscribers_wait;
    std::uint64_t payload[4] = {};
    std::uint64_t refused = 0;
    const std::uint64_t begin = read_ticks();
    for (std::uint64_t event = 0; event < kEventsPerTurn; ++event) {
        payload[0] = event;
        const auto status =
            publisher.try_publish(std::as_bytes(std::span<const std::uint64_t, 4>(payload)));
        if (status != bus::PublishStatus::ok) ++refused;
        if constexpr (kLooksTwice) {
            if (bus::has_sleepers(cell, false)) ++refused;
        }
    }
    const std::uint64_t ticks = read_ticks() - begin;
    return refused != 0 ? -1 : static_cast<double>(ticks) * ns_per_tick() / kEventsPerTurn;
}

}  // namespace

Result<PublishCost> run_publish_cost(const std::string& directory, std::uint32_t chunks) {
    bus::StreamOptions stream;
    stream.capacity_bytes = std::uint64_t{1} << 20U;
    stream.publishing = bus::Publishing::single;
    stream.publish_time = bus::PublishTime::off;
    auto streams = BenchStreams::create(1, stream, directory);
    if (!streams) return streams.error();
    bus::PublisherOptions options;
    options.directory = directory;
    pin_to_core(0);
    auto publisher = bus::Publisher::attach(streams->name(0), options);
    if (!publisher) return publisher.error();
    std::vector<double> once;
    std::vector<double> twice;
    for (std::uint32_t chunk = 0; chunk < chunks; ++chunk) {
        once.push_back(time_chunk<false>(*publisher));
        twice.push_back(time_chunk<true>(*publisher));
    }
    const Spread alone = spread_of(once);
    const Spread with_look = spread_of(twice);
    if (alone.min < 0 || with_look.min < 0) return bench_broken("a publish was refused");
    return PublishCost{alone.median, with_look.median - alone.median};
}

}  // namespace tailrace::bench
