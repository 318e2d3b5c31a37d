// What one event costs on one core: claim, fill, commit and, in the same thread, the poll that
// reads it. No other process contends, so this is the floor of the instructions, not the price
// between cores; `tailrace bench` measures that.

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string>

namespace {

namespace bus = tailrace::bus;

constexpr std::uint64_t kEventsPerRound = 64;

// A stream of its own for the time of one benchmark.
class ScratchStream {
public:
    explicit ScratchStream(const bus::StreamOptions& options)
        : name_("bench-" + std::to_string(tailrace::wall_clock_ns())) {
        const auto created = bus::Region::create(name_, options);
        error_ = created ? std::string() : created.error().message;
    }
    ScratchStream(const ScratchStream&) = delete;
    ScratchStream& operator=(const ScratchStream&) = delete;
    ~ScratchStream() { (void)bus::Region::unlink(name_, true); }

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] const std::string& error() const { return error_; }

private:
    std::string name_;
    std::string error_;
};

void publish_and_poll(benchmark::State& state,
                      bus::Publishing publishing,
                      bus::PublishTime publish_time) {
    const auto payload_size_bytes = static_cast<std::uint32_t>(state.range(0));
    bus::StreamOptions options;
    options.capacity_bytes = std::uint64_t{1} << 20U;
    options.publishing = publishing;
    options.publish_time = publish_time;
    const ScratchStream stream(options);
    auto publisher = bus::Publisher::attach(stream.name());
    auto subscriber = bus::Subscriber::attach(stream.name());
    if (!publisher || !subscriber) {
        state.SkipWithError(stream.error().empty() ? "cannot attach" : stream.error().c_str());
        return;
    }

    std::uint64_t received = 0;
    for (auto _ : state) {
        for (std::uint64_t event = 0; event < kEventsPerRound; ++event) {
            bus::Claim claim;
            if (publisher->try_claim(claim, payload_size_bytes) != bus::PublishStatus::ok) {
                state.SkipWithError("no room in the ring");
                return;
            }
            std::memset(claim.payload.data(), static_cast<int>(event), claim.payload.size());
            publisher->commit(claim);
        }
        const auto polled = subscriber->poll(
            [](const tailrace::Event& event) noexcept {
                benchmark::DoNotOptimize(event.as<std::uint64_t>());
            },
            kEventsPerRound);
        received += polled.events;
    }
    if (received != static_cast<std::uint64_t>(state.iterations()) * kEventsPerRound) {
        state.SkipWithError("events were lost");
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(received));
}

constexpr std::array<std::int64_t, 3> kPayloadSizes = {8, 64, 1024};

void register_all() {
    struct Variant {
        const char* name;
        bus::Publishing publishing;
        bus::PublishTime publish_time;
    };
    constexpr std::array<Variant, 4> kVariants = {{
        {"one_publisher/untimed", bus::Publishing::single, bus::PublishTime::off},
        {"one_publisher/timed", bus::Publishing::single, bus::PublishTime::per_event},
        {"many_publishers/untimed", bus::Publishing::multi, bus::PublishTime::off},
        {"many_publishers/timed", bus::Publishing::multi, bus::PublishTime::per_event},
    }};
    for (const Variant& variant : kVariants) {
        auto* const bench = benchmark::RegisterBenchmark(
            variant.name, publish_and_poll, variant.publishing, variant.publish_time);
        for (const std::int64_t size_bytes : kPayloadSizes)
            bench->Arg(size_bytes);
    }
}

}  // namespace

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    register_all();
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
