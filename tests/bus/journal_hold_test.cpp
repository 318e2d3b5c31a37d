// What publishers of a stream with `--journal-missing hold` do while nobody records: they wait,
// rather than write over what no journal has.

#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/journal_board.hpp>
#include <tailrace/bus/stream_status.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <atomic>
#include <thread>

namespace journal_hold_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

constexpr std::size_t kSizeBytes = 200;

StreamOptions holding(Publishing publishing = Publishing::multi) {
    StreamOptions options = small_stream(publishing);
    options.journal_directory = "/nowhere";
    options.journal_missing = JournalMissing::hold;
    return options;
}

PublishStatus publish_one(Publisher& publisher, Deadline deadline = Deadline::at_once()) {
    const std::array<std::byte, kSizeBytes> payload{};
    return publisher.publish(payload, 1, deadline);
}

std::uint64_t fill_up(Publisher& publisher) {
    const std::array<std::byte, kSizeBytes> payload{};
    std::uint64_t count = 0;
    while (publisher.try_publish(payload, 1) == PublishStatus::ok)
        ++count;
    return count;
}

Place place_after(const TestStream& stream, Sequence sequence) {
    return stream.subscriber(SlowPolicy::observe, Start::at(sequence)).mark();
}

}  // namespace

TEST_CASE("journal hold: without a recorder publishing ends when the ring is full",
          "[bus][journal_hold]") {
    const Watchdog watchdog("never recorded");
    for (const Publishing publishing : {Publishing::single, Publishing::multi}) {
        const TestStream stream(holding(publishing));
        Publisher publisher = stream.publisher();
        const std::uint64_t count = fill_up(publisher);
        const std::uint64_t end = publisher.region().tail().position;
        CHECK(count > kMinCapacityBytes / (2 * kSizeBytes));
        CHECK(end <= kMinCapacityBytes);
        CHECK(end + 2 * kSizeBytes > kMinCapacityBytes);

        CHECK(publish_one(publisher, Deadline::in_ms(30)) == PublishStatus::timed_out);
        CHECK(publisher.holder().find("nobody records") != std::string::npos);
        Claim claim;
        CHECK(publisher.try_claim(claim, kSizeBytes) == PublishStatus::would_block);
        CHECK(publisher.region().tail().position == end);
        CHECK(publisher.region().state().write_limit.load() <= kMinCapacityBytes);

        // Its first event is there for whoever records at last.
        Subscriber first = stream.subscriber(SlowPolicy::gate, Start::at(0));
        CHECK(first.next_sequence() == 0);
    }
}

TEST_CASE("journal hold: a stream that goes on does, and one without a journal can't hold",
          "[bus][journal_hold]") {
    StreamOptions options = holding();
    options.journal_missing = JournalMissing::go;
    const TestStream going(options);
    Publisher publisher = going.publisher();
    for (int event = 0; event < 2000; ++event)
        REQUIRE(publish_one(publisher) == PublishStatus::ok);
    CHECK_FALSE(journal_hold(publisher.region()));

    options = holding();
    options.journal_directory.clear();
    const auto refused = check_stream_options(options);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::invalid_argument);
    CHECK(refused.error().hint.find("--journal ") != std::string::npos);
}

TEST_CASE("journal hold: publishers get a ring beyond what is recorded, whoever records",
          "[bus][journal_hold]") {
    const Watchdog watchdog("hold moves");
    const TestStream stream(holding());
    Publisher publisher = stream.publisher();
    const std::uint64_t first = fill_up(publisher);
    const Place half = place_after(stream, first / 2);
    {
        auto board = expect(JournalBoardWriter::take(stream.open(RegionAccess::subscribe)), "take");
        board.hold_from(half);
        CHECK(journal_hold(publisher.region()) == half);
    }
    const std::uint64_t more = fill_up(publisher);
    CHECK(more > 0);
    CHECK(publisher.region().tail().position <= half.position + kMinCapacityBytes);
    CHECK(publisher.region().tail().position + 2 * kSizeBytes > half.position + kMinCapacityBytes);
    // What is held can be read from its first event on, wherever the checkpoints are by now.
    CHECK(place_after(stream, half.sequence) == half);

    // A gate holds beside it, and one that leaves takes nothing away.
    {
        const Subscriber gate = stream.subscriber(SlowPolicy::gate, Start::at(half.sequence + 5));
        CHECK(publish_one(publisher) == PublishStatus::timed_out);
    }
    CHECK(publish_one(publisher) == PublishStatus::timed_out);
    CHECK(publisher.holder().find("nobody records") != std::string::npos);
}

TEST_CASE("journal hold: tools see who holds", "[bus][journal_hold]") {
    const TestStream stream(holding());
    Publisher publisher = stream.publisher();
    static_cast<void>(fill_up(publisher));
    CHECK(publish_one(publisher, Deadline::in_ms(1)) == PublishStatus::timed_out);
    const StreamStatus status = read_status(stream.open(RegionAccess::observe));
    REQUIRE(status.holder);
    CHECK(status.holder->holder == Holder{HolderKind::journal, 0});
    CHECK(status.holder->room_bytes < 2 * kSizeBytes);
    REQUIRE(status.publishers.size() == 1);
    CHECK(status.publishers[0].held_by == Holder{HolderKind::journal, 0});
    REQUIRE(status.journal);
    CHECK(status.journal->holds);
    CHECK(status.journal->unrecorded_events == 0);
    CHECK(status.journal->lag.events == publisher.region().tail().sequence);
}

TEST_CASE("journal hold: who is held is told when the stream is removed", "[bus][journal_hold]") {
    const Watchdog watchdog("held and removed");
    const TestStream stream(holding());
    Publisher publisher = stream.publisher();
    static_cast<void>(fill_up(publisher));
    std::atomic<PublishStatus> ended{PublishStatus::ok};
    std::thread waiting([&] { ended.store(publish_one(publisher, Deadline::never())); });
    const auto region = stream.open(RegionAccess::observe);
    while (region->state().publishers_wait.sleeping.load() == 0)
        std::this_thread::yield();
    CHECK(Region::unlink(stream.name(), true, stream.directory()));
    waiting.join();
    CHECK(ended.load() == PublishStatus::closed);
}

}  // namespace journal_hold_test
