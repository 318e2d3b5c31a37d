// Poll: what an event costs its reader, in place or by a checked copy, with and without a filter.
// Items are events that were passed, whether or not they were wanted. The ring is warm.

#include "benchmarks.hpp"
#include "full_ring.hpp"

namespace tailrace::micro {

namespace {

constexpr std::uint64_t kEventsPerPoll = 256;

// Reads all of the ring again and again. `expected`: the sum of the numbers that are handed over.
void read_rounds(benchmark::State& state,
                 const FullRing& ring,
                 bus::Subscriber& reader,
                 std::uint64_t expected) {
    const auto first = bus::Start::at(0);
    std::uint64_t sum = 0;
    const auto add = [&](const Event& event) noexcept {
        sum += event.as<std::uint64_t>();
    };
    for (auto _ : state) {
        while (reader.next_sequence() != ring.count()) {
            if (reader.poll(add, kEventsPerPoll).state != bus::PollState::ok) break;
        }
        state.PauseTiming();
        const bool is_whole = sum == expected && reader.next_sequence() == ring.count();
        sum = 0;
        if (!is_whole || !reader.restart(first)) {
            state.SkipWithError("events were lost or changed");
            break;
        }
        state.ResumeTiming();
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(ring.count()));
}

void plain(benchmark::State& state, bus::SlowPolicy policy, const Writing& writing) {
    const FullRing ring(static_cast<std::uint32_t>(state.range(0)), writing);
    auto reader = ring.stream().subscriber(policy, bus::Start::at(0));
    read_rounds(state, ring, reader, ring.sum_of([](std::uint64_t) { return true; }));
}

// What passes, and which numbers those are.
struct Choice {
    const char* name;
    bus::EventFilter (*filter)();
    bool (*wants)(std::uint64_t number);
};

constexpr std::array<Choice, 4> kChoices = {{
    {"types/all",
     [] { return bus::EventFilter().add_type(1).add_type(2); },
     [](std::uint64_t) {
         return true;
     }},
    {"types/half",
     [] { return bus::EventFilter().add_type(1); },
     [](std::uint64_t number) {
         return number % 2 == 0;
     }},
    {"types/none",
     [] { return bus::EventFilter().add_type(3); },
     [](std::uint64_t) {
         return false;
     }},
    {"partition/quarter",
     [] { return bus::EventFilter().set_partition(4, 1); },
     [](std::uint64_t number) {
         return number % 4 == 1;
     }},
}};

void filtered(benchmark::State& state, bus::SlowPolicy policy, const Choice& choice) {
    constexpr std::uint32_t kSizeBytes = 64;
    const FullRing ring(kSizeBytes, kPlainWriting, FullRing::Keys::numbers);
    bus::SubscriberOptions options;
    options.policy = policy;
    options.start = bus::Start::at(0);
    options.directory = ring.stream().directory();
    options.filter = choice.filter();
    auto reader = test::expect(bus::Subscriber::attach(ring.stream().name(), options), "attach");
    read_rounds(state, ring, reader, ring.sum_of(choice.wants));
}

}  // namespace

void register_benchmarks() {
    struct Way {
        const char* name;
        bus::SlowPolicy policy;
    };
    constexpr std::array<Way, 2> kWays = {
        {{"in_place", bus::SlowPolicy::gate}, {"copied", bus::SlowPolicy::skip}}};
    for (const Way& way : kWays) {
        const std::string begin = std::string(way.name) + "/";
        for (const Writing& writing : {kPlainWriting, kWritings[1]}) {
            auto* const by_size = benchmark::RegisterBenchmark(
                (begin + writing.name).c_str(), plain, way.policy, writing);
            for (const std::int64_t size_bytes : kPayloadSizes)
                by_size->Arg(size_bytes);
        }
        for (const Choice& choice : kChoices) {
            benchmark::RegisterBenchmark(
                (begin + "filtered/" + choice.name).c_str(), filtered, way.policy, choice);
        }
    }
}

}  // namespace tailrace::micro
