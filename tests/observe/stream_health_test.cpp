#include "support/journal_writer.hpp"
#include "support/test_stream.hpp"

#include <tailrace/observe/stream_health.hpp>
#include <tailrace/observe/trend.hpp>

#include <catch2/catch.hpp>

#include <unistd.h>

#include <array>
#include <cstddef>
#include <span>
#include <string>

namespace stream_health_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::observe;
using namespace tailrace::test;

namespace {

constexpr std::array<std::byte, 8> kPayload{};

PublishStatus publish(Publisher& publisher, int events) {
    PublishStatus status = PublishStatus::ok;
    for (int event = 0; event < events && status == PublishStatus::ok; ++event)
        status = publisher.try_publish(std::span<const std::byte>(kPayload));
    return status;
}

StreamHealth health_of(const TestStream& stream) {
    return expect(read_health(stream.name(), stream.directory()), "health");
}

}  // namespace

TEST_CASE("stream health: of a stream that isn't there it is an error.") {
    const TestStream stream;
    const auto health = read_health("nothing", stream.directory());
    REQUIRE_FALSE(health);
    CHECK(health.error().code == ErrorCode::not_found);
}

TEST_CASE("stream health: each reader and how far it is behind.") {
    const TestStream stream;
    Publisher publisher = stream.publisher("feed");
    const Subscriber slow = stream.subscriber(SlowPolicy::skip, Start::oldest(), "slow");
    REQUIRE(publish(publisher, 13) == PublishStatus::ok);

    const StreamHealth health = health_of(stream);

    CHECK(health.stream == "stream");
    REQUIRE(health.readers.size() == 1);
    const ReaderHealth& reader = health.readers[0];
    CHECK(reader.reader == "slow");
    CHECK(reader.pid == static_cast<std::uint32_t>(::getpid()));
    CHECK(reader.policy == "skip");
    CHECK(reader.picture.lag.events == 13);
    CHECK(reader.end_sequence == 13);
    CHECK(reader.read_events == 0);
    CHECK_FALSE(reader.journal);
    CHECK(health.held_up.empty());
    CHECK_FALSE(health.clock);
}

TEST_CASE("stream health: a gate that publishers wait for blocks, and is named.") {
    const TestStream stream;
    Publisher publisher = stream.publisher("feed");
    const Subscriber gate = stream.subscriber(SlowPolicy::gate, Start::oldest(), "risk");
    REQUIRE(publish(publisher, 1'000'000) == PublishStatus::would_block);

    const StreamHealth health = health_of(stream);

    REQUIRE(health.readers.size() == 1);
    CHECK(health.readers[0].state == ReaderState::blocking);
    REQUIRE(health.held_up.size() == 1);
    CHECK(health.held_up[0].publisher == "feed");
    CHECK(health.held_up[0].by_text == "reader 'risk' (pid " + std::to_string(::getpid()) + ")");
    REQUIRE(health.holder);
    CHECK(health.holder->is_close);
    const auto lines = holder_lines(health.stream, health.held_up, health.holder);
    REQUIRE(lines.size() == 2);
    CHECK(lines[1].find("holds publishers back: room for ") != std::string::npos);
}

TEST_CASE("stream health: a reader that skips is overrun, and blocks nobody.") {
    const TestStream stream;
    Publisher publisher = stream.publisher();
    const Subscriber skipping = stream.subscriber(SlowPolicy::skip, Start::oldest(), "late");
    REQUIRE(publish(publisher, 5000) == PublishStatus::ok);
    CHECK(health_of(stream).readers.at(0).state == ReaderState::overrun);
}

TEST_CASE("stream health: the journal is a reader whose place is what is durable.") {
    const TestStream stream;
    Publisher publisher = stream.publisher();
    const JournalBoardWriter writer = journal_writer(stream, 3);
    REQUIRE(publish(publisher, 10) == PublishStatus::ok);

    const StreamHealth health = health_of(stream);

    REQUIRE(health.readers.size() == 1);
    CHECK(health.readers[0].reader == "journal");
    CHECK(health.readers[0].policy == "durable");
    REQUIRE(health.readers[0].journal);
    CHECK(health.readers[0].picture.sequence == 3);
    CHECK(health.readers[0].picture.lag.events == 7);
}

TEST_CASE("trend: two looks tell who stands still, and how fast it falls behind.") {
    const TestStream stream;
    Publisher publisher = stream.publisher();
    const Subscriber reader = stream.subscriber(SlowPolicy::gate, Start::oldest(), "stuck");
    REQUIRE(publish(publisher, 5) == PublishStatus::ok);
    Trend trend;
    StreamHealth health = health_of(stream);
    trend.judge(health, 1'000'000'000);
    CHECK(health.readers.at(0).state != ReaderState::stalled);
    CHECK_FALSE(health.readers.at(0).trend_events_per_s);

    REQUIRE(publish(publisher, 10) == PublishStatus::ok);
    health = health_of(stream);
    trend.judge(health, 3'000'000'000);

    CHECK(health.readers.at(0).state == ReaderState::stalled);
    REQUIRE(health.readers.at(0).trend_events_per_s);
    CHECK(*health.readers.at(0).trend_events_per_s == Approx(5.0));
}

TEST_CASE("trend: whoever looks often is told by a look that is old enough.") {
    const TestStream stream;
    Publisher publisher = stream.publisher();
    Subscriber reader = stream.subscriber(SlowPolicy::gate, Start::oldest(), "breathes");
    REQUIRE(publish(publisher, 5) == PublishStatus::ok);
    Trend trend(1'000);
    const auto state_at = [&](std::uint64_t now_ns) {
        StreamHealth health = health_of(stream);
        trend.judge(health, now_ns);
        return health.readers.at(0).state;
    };
    for (std::uint64_t now_ns = 10'000; now_ns < 11'000; now_ns += 100)
        CHECK(state_at(now_ns) != ReaderState::stalled);
    CHECK(state_at(11'000) == ReaderState::stalled);
    CHECK(state_at(11'100) == ReaderState::stalled);
    CHECK(reader.poll([](const Event&) {}, 1).events == 1);
    CHECK(state_at(11'200) != ReaderState::stalled);
    CHECK(state_at(11'999) != ReaderState::stalled);
    // By the look at 11'000, at which it hadn't moved yet.
    CHECK(state_at(12'000) != ReaderState::stalled);
    CHECK(state_at(13'000) == ReaderState::stalled);
    trend.forget(stream.name());
    CHECK(state_at(13'100) != ReaderState::stalled);
}

}  // namespace stream_health_test
