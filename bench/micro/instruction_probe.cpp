// The work whose instructions `./dev bench micro --instructions` counts: so many events published,
// or read, in one of several ways. What it took to begin is in every run, so the difference of two
// runs is the price of the events alone.
//
//     instruction_probe               the ways, one a line
//     instruction_probe WAY EVENTS    exit code 0: done, and all of them were there

#include "ring_events.hpp"

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace tailrace::micro {

namespace {

constexpr std::uint64_t kMostEvents = 16'384;  // as many as are there to be read
constexpr std::uint32_t kPayloadBytes = 8;
constexpr std::uint32_t kBatch = 16;
constexpr const Writing& kMultiWriting = kWritings[2];

bool publish_one_by_one(bus::Publisher& publisher, std::uint64_t events) {
    for (std::uint64_t number = 0; number < events; ++number) {
        if (publisher.try_publish(number) != bus::PublishStatus::ok) return false;
    }
    return true;
}

bool publish_batches(bus::Publisher& publisher, std::uint64_t events) {
    for (std::uint64_t number = 0; number < events;) {
        bus::BatchClaim batch;
        if (publisher.try_claim_batch(batch, kBatch, kPayloadBytes) != bus::PublishStatus::ok)
            return false;
        for (std::uint32_t event = 0; event < kBatch; ++event)
            write_number(batch.next(), number++);
        publisher.commit(batch);
    }
    return true;
}

template <typename Publish>
bool published(const Writing& writing, std::uint64_t events, Publish&& publish) {
    const test::TestStream stream(writing.options());
    auto publisher = stream.publisher();
    return publish(publisher, events) && ends_with(stream, events);
}

// Every run publishes as many; `limit`: events a call.
bool polled(const Writing& writing, std::uint64_t events, std::uint64_t limit) {
    const test::TestStream stream(writing.options());
    auto publisher = stream.publisher();
    auto reader = stream.subscriber();
    if (events > kMostEvents || !publish_one_by_one(publisher, kMostEvents)) return false;
    std::uint64_t sum = 0;
    std::uint64_t read = 0;
    while (read < events) {
        const auto add = [&](const Event& event) noexcept {
            sum += event.as<std::uint64_t>();
        };
        const bus::PollResult result = reader.poll(add, limit);
        if (result.events == 0) return false;
        read += result.events;
    }
    return sum == read * (read - 1) / 2;
}

struct Way {
    std::string_view name;
    bool (*work)(std::uint64_t events);
};

constexpr std::array<Way, 7> kWays = {{
    {"publish/one_publisher",
     [](std::uint64_t events) {
         return published(kPlainWriting, events, publish_one_by_one);
     }},
    {"publish/many_publishers",
     [](std::uint64_t events) {
         return published(kMultiWriting, events, publish_one_by_one);
     }},
    {"publish/one_publisher/batches_of_16",
     [](std::uint64_t events) {
         return published(kPlainWriting, events, publish_batches);
     }},
    {"publish/many_publishers/batches_of_16",
     [](std::uint64_t events) {
         return published(kMultiWriting, events, publish_batches);
     }},
    {"poll/one_publisher",
     [](std::uint64_t events) {
         return polled(kPlainWriting, events, 1);
     }},
    {"poll/many_publishers",
     [](std::uint64_t events) {
         return polled(kMultiWriting, events, 1);
     }},
    {"poll/one_publisher/batches_of_16",
     [](std::uint64_t events) {
         return polled(kPlainWriting, events, kBatch);
     }},
}};

}  // namespace

}  // namespace tailrace::micro

int main(int argc, char** argv) {
    using tailrace::micro::kWays;
    if (argc == 1) {
        for (const auto& way : kWays)
            std::printf("%.*s\n", static_cast<int>(way.name.size()), way.name.data());
        return 0;
    }
    for (const auto& way : kWays) {
        if (argc != 3 || way.name != argv[1]) continue;
        if (way.work(std::strtoull(argv[2], nullptr, 10))) return 0;
        std::fprintf(stderr, "instruction_probe: events are missing\n");
        return 1;
    }
    std::fprintf(stderr, "instruction_probe: there is no such way; try: instruction_probe\n");
    return 2;
}
