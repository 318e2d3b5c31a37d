// What an empty poll looks for by itself: by time, whatever the pace of polling, and without memory
// that nobody's event asks for.

#include "support/received_events.hpp"
#include "support/test_stream.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <catch2/catch.hpp>

#include <cstring>
#include <malloc.h>

namespace look_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

// One turn of a loop that has other things to do. Longer than the time between two looks.
void turn() {
    constexpr std::uint64_t kTurnNs = 4'000'000;
    const std::uint64_t begin_ns = monotonic_ns();
    while (monotonic_ns() - begin_ns < kTurnNs) {
    }
}

// Polls once in a turn, until `done` likes what a poll gave. Returns the number of polls.
template <typename Done>
int poll_slowly(Subscriber& reader, Done&& done) {
    constexpr int kMost = 300;
    for (int polls = 1; polls < kMost; ++polls) {
        turn();
        if (done(reader.poll([](const Event&) {}, 10))) return polls;
    }
    return kMost;
}

constexpr int kFewPolls = 3;

// Of the first publisher's process, or back again.
void change_start(const TestStream& stream) {
    const auto region = stream.open();
    auto& process = region->publisher_slot(0).owner.process;
    ProcessIdentity identity = process.read();
    identity.start_ticks ^= 1U;
    process.write(identity);
}

}  // namespace

TEST_CASE("look: a loop that polls now and then is told soon that the stream is closed",
          "[bus][look]") {
    const TestStream stream;
    Subscriber reader = stream.subscriber(
        GENERATE(SlowPolicy::gate, SlowPolicy::skip, SlowPolicy::observe), Start::oldest());
    // However quick it was before.
    const int quick_polls = GENERATE(0, 1000);
    for (int poll = 0; poll < quick_polls; ++poll)
        REQUIRE(reader.poll([](const Event&) {}, 1).state == PollState::idle);
    REQUIRE(Region::unlink(stream.name(), true, stream.directory()));

    const int polls = poll_slowly(
        reader, [](const PollResult& result) { return result.state == PollState::closed; });

    CHECK(polls <= kFewPolls + 8);
}

TEST_CASE("look: a loop that polls now and then passes a dead claim soon", "[bus][look]") {
    const TestStream stream;
    Publisher dying = stream.publisher();
    Publisher other = stream.publisher();
    Subscriber reader = stream.subscriber();
    Claim claim;
    REQUIRE(dying.try_claim(claim, 100) == PublishStatus::ok);
    REQUIRE(other.publish(bytes_of("behind it")) == PublishStatus::ok);
    // The kernel's answer from here on is that this process has ended.
    change_start(stream);

    const int polls =
        poll_slowly(reader, [](const PollResult& result) { return result.events == 1; });

    CHECK(polls <= kFewPolls);
    change_start(stream);
}

TEST_CASE("look: a size that a lapped reader finds in passing takes no memory", "[bus][look]") {
    StreamOptions options = small_stream();
    options.capacity_bytes = std::uint64_t{64} << 20U;
    const TestStream stream(options);
    Publisher publisher = stream.publisher();
    Subscriber reader = stream.subscriber(SlowPolicy::skip);
    REQUIRE(publisher.publish(bytes_of("first")) == PublishStatus::ok);
    CHECK(drain(reader).events.size() == 1);
    const Place place = reader.mark();
    REQUIRE(publisher.publish(bytes_of("second")) == PublishStatus::ok);
    // As if the ring were a lap on: what stands here is payload, and looks like a header.
    const auto region = stream.open();
    constexpr std::uint32_t kHuge = 15U << 20U;
    const std::uint64_t word = header_word(kHuge, 0, 0, 0);
    std::memcpy(region->event_at(place.position) + sizeof(word), &word, sizeof(word));
    region->state().write_limit.store(place.position + 2 * region->capacity_bytes());

    const std::size_t before = ::mallinfo2().hblkhd + ::mallinfo2().uordblks;
    const PollResult result = reader.poll([](const Event&) {}, 10);
    const std::size_t after = ::mallinfo2().hblkhd + ::mallinfo2().uordblks;

    CHECK(result.state == PollState::gap);
    CHECK(after < before + kHuge / 2);
}

}  // namespace look_test
