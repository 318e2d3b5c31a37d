// Who replays into a stream under a name is killed at random instants and begun again, until the
// journal has come to its end. The stream has each event once, in order, and each atomic batch
// whole.
#include "stream/recorded_stream.hpp"
#include "support/child_process.hpp"
#include "support/pause.hpp"
#include "support/seeded_random.hpp"
#include "support/test_length.hpp"
#include "support/watchdog.hpp"

#include <tailrace/stream/replayer.hpp>

#include <catch2/catch.hpp>

#include <sched.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

namespace replay_killed {

namespace {

using namespace tailrace;
using namespace tailrace::test;

constexpr std::uint64_t kEvents = 4'000;
constexpr std::uint64_t kBatch = 5;  // so many are one atomic batch, then as many are alone

// Numbered payloads: alone, and as atomic batches.
void fill_journal(const RecordedStream& recorded) {
    auto publisher = recorded.stream().publisher();
    auto recorder = recorded.recorder();
    std::uint64_t number = 0;
    while (number < kEvents) {
        REQUIRE(publish_numbered(publisher, 1, number, kBatch));
        number += kBatch;
        std::vector<std::vector<std::byte>> payloads;
        std::vector<std::span<const std::byte>> batch;
        for (std::uint64_t i = 0; i < kBatch; ++i, ++number) {
            payloads.emplace_back(numbered_size_bytes(1, number));
            fill_numbered(payloads.back(), 1, number);
        }
        batch.assign(payloads.begin(), payloads.end());
        REQUIRE(publisher.publish_batch(batch, 1) == bus::PublishStatus::ok);
        REQUIRE(record_all(recorder, publisher.region()));
    }
    REQUIRE(recorder.close());
}

int replay_into(const RecordedStream& recorded, const TestStream& target) {
    auto reader = expect(journal::Reader::open(recorded.journal_directory()), "open");
    bus::PublisherOptions options;
    options.directory = target.directory();
    options.identity = stream::replay_identity("rehearsal", reader);
    auto publisher = expect(bus::Publisher::attach(target.name(), options), "attach");
    if (!reader.seek_sequence(publisher.last_published())) return 1;
    stream::StreamSink sink(std::move(publisher));
    sink.number_events();
    stream::ReplayOptions replay;
    replay.speed = 0;
    const std::atomic<bool> stop{false};
    return stream::replay(reader, sink, replay, stop) ? 0 : 2;
}

// What is in the stream: numbers, and '-' for each event that isn't the last of its batch.
std::pair<std::vector<std::uint64_t>, std::string> content_of(const TestStream& target) {
    std::pair<std::vector<std::uint64_t>, std::string> content;
    auto subscriber = target.subscriber();
    const Sequence end = target.open()->tail().sequence;
    while (subscriber.next_sequence() < end) {
        const auto polled = subscriber.poll(
            [&](const Event& event) {
                const auto numbered = read_numbered(event.payload());
                content.first.push_back(numbered ? numbered->number : UINT64_MAX);
                content.second += event.continues_batch() ? '-' : '.';
            },
            1000);
        REQUIRE(polled.state != bus::PollState::closed);
    }
    return content;
}

TEST_CASE("replay: killed at random instants under a name, it publishes each event once",
          "[crash][replay]") {
    const Watchdog watchdog("replay killed", 280);
    SeededRandom random("replay killed");
    const RecordedStream recorded;
    fill_journal(recorded);
    std::vector<std::uint64_t> expected;
    std::string shape;
    for (std::uint64_t number = 0; number < kEvents; ++number) {
        expected.push_back(number);
        const bool is_in_batch = (number / kBatch) % 2 == 1;
        shape += is_in_batch && number % kBatch != kBatch - 1 ? '-' : '.';
    }
    bus::StreamOptions roomy = small_stream();
    roomy.capacity_bytes = std::uint64_t{4} << 20U;
    std::uint64_t kills = test_length(40, 1'000, "TAILRACE_KILLS");
    while (kills > 0) {
        const TestStream target(roomy);
        const auto region = target.open();
        for (bool has_ended = false; !has_ended;) {
            ChildProcess replayer([&] { return replay_into(recorded, target); });
            const Sequence mark = region->tail().sequence + random.below(kEvents / 10);
            Pause pause(100'000, 50'000'000);
            while (kills > 0 && region->tail().sequence < mark && !replayer.has_ended() &&
                   pause.goes_on()) {
                ::sched_yield();
            }
            if (kills == 0 || replayer.has_ended()) {
                REQUIRE(replayer.wait().exit_code == 0);
                has_ended = true;
            } else if (replayer.kill().was_killed()) {
                --kills;
            }
        }
        const auto [numbers, batches] = content_of(target);
        CHECK(numbers == expected);
        CHECK(batches == shape);
    }
}

}  // namespace

}  // namespace replay_killed
