#include "support/numbered_event.hpp"
#include "support/received_events.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/publisher.hpp>

#include <catch2/catch.hpp>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <string>

namespace publisher_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

struct Quote {
    double price;
    std::uint64_t amount;
};
constexpr EventType kQuote = 7;

Publishing either() {
    return GENERATE(Publishing::multi, Publishing::single);
}

std::vector<Sequence> from_to(Sequence first, Sequence end) {
    std::vector<Sequence> sequences(end - first);
    std::iota(sequences.begin(), sequences.end(), first);
    return sequences;
}

// Publishes events of `payload_bytes` until there is no room. Returns how many.
std::uint64_t fill_ring(Publisher& publisher, std::uint32_t payload_bytes) {
    const std::string payload(payload_bytes, 'x');
    std::uint64_t published = 0;
    while (publisher.try_publish(bytes_of(payload)) == PublishStatus::ok)
        ++published;
    return published;
}

}  // namespace

TEST_CASE("publisher: what is published is received, in order, with dense sequences",
          "[bus][publisher]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();

    for (const char* text : {"one", "two", "three"}) {
        REQUIRE(publisher.try_publish(bytes_of(text)) == PublishStatus::ok);
    }

    const Drained drained = drain(subscriber);
    CHECK(drained.texts() == std::vector<std::string>{"one", "two", "three"});
    CHECK(drained.sequences() == from_to(0, 3));
    CHECK(drained.last == PollState::idle);
    CHECK(publisher.next_own_sequence() == 3);
}

TEST_CASE("publisher: sequences go on from the first one of the stream", "[bus][publisher]") {
    StreamOptions options = small_stream(either());
    options.first_sequence = (std::uint64_t{1} << 40U) + 5;
    const TestStream stream(options);
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();

    REQUIRE(publisher.publish(bytes_of("a")) == PublishStatus::ok);
    REQUIRE(publisher.publish(bytes_of("b")) == PublishStatus::ok);

    CHECK(drain(subscriber).sequences() ==
          from_to(options.first_sequence, options.first_sequence + 2));
}

TEST_CASE("publisher: a claim is invisible until it is committed", "[bus][publisher]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();

    Claim claim;
    REQUIRE(publisher.try_claim(claim, 5, 3) == PublishStatus::ok);
    REQUIRE(claim.payload.size() == 5);
    std::copy_n(bytes_of("hello").begin(), 5, claim.payload.begin());
    CHECK(drain(subscriber).events.empty());

    publisher.commit(claim);

    const Drained drained = drain(subscriber);
    REQUIRE(drained.texts() == std::vector<std::string>{"hello"});
    CHECK(drained.events[0].type == 3);
}

TEST_CASE("publisher: an aborted claim on a shared stream takes a sequence that nobody sees",
          "[bus][publisher]") {
    const TestStream stream(small_stream(Publishing::multi));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    Claim claim;

    REQUIRE(publisher.try_publish(bytes_of("before")) == PublishStatus::ok);
    REQUIRE(publisher.try_claim(claim, 100) == PublishStatus::ok);
    publisher.abort(claim);
    REQUIRE(publisher.try_publish(bytes_of("after")) == PublishStatus::ok);

    const Drained drained = drain(subscriber);
    CHECK(drained.texts() == std::vector<std::string>{"before", "after"});
    CHECK(drained.sequences() == std::vector<Sequence>{0, 2});
}

TEST_CASE("publisher: an aborted claim on a single-publisher stream leaves nothing",
          "[bus][publisher]") {
    const TestStream stream(small_stream(Publishing::single));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    Claim claim;

    REQUIRE(publisher.try_publish(bytes_of("before")) == PublishStatus::ok);
    REQUIRE(publisher.try_claim(claim, 100) == PublishStatus::ok);
    publisher.abort(claim);
    REQUIRE(publisher.try_publish(bytes_of("after")) == PublishStatus::ok);

    CHECK(drain(subscriber).sequences() == from_to(0, 2));
}

TEST_CASE("publisher: typed events arrive as the same bytes", "[bus][publisher]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();

    REQUIRE(publisher.try_publish(Quote{12.5, 300}, kQuote) == PublishStatus::ok);
    REQUIRE(publisher.publish(Quote{13.5, 400}, kQuote) == PublishStatus::ok);

    std::vector<Quote> quotes;
    static_cast<void>(subscriber.poll(
        [&](const Event& event) {
            if (event.is<Quote>(kQuote)) quotes.push_back(event.as<Quote>());
        },
        10));
    REQUIRE(quotes.size() == 2);
    CHECK(quotes[0].price == 12.5);
    CHECK(quotes[1].amount == 400);
}

TEST_CASE("publisher: fields beside the payload arrive", "[bus][publisher]") {
    StreamOptions options = small_stream(either());
    options.publish_time = GENERATE(PublishTime::off, PublishTime::per_event);
    const TestStream stream(options);
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();

    REQUIRE(publisher.publish(bytes_of("t"), EventFields{4, 77, 0, false}) == PublishStatus::ok);
    REQUIRE(publisher.publish(bytes_of("k"), EventFields{5, 0, 88, true}) == PublishStatus::ok);
    REQUIRE(publisher.publish(bytes_of("tk"), EventFields{6, 99, 111, true}) == PublishStatus::ok);
    REQUIRE(publisher.publish(bytes_of(""), EventFields{}) == PublishStatus::ok);

    const Drained drained = drain(subscriber);
    REQUIRE(drained.texts() == std::vector<std::string>{"t", "k", "tk", ""});
    CHECK(drained.events[0].event_time_ns == 77);
    CHECK(drained.events[0].key == 0);
    CHECK(drained.events[1].event_time_ns == 0);
    CHECK(drained.events[1].key == 88);
    CHECK(drained.events[2].event_time_ns == 99);
    CHECK(drained.events[2].key == 111);
    CHECK(drained.events[2].type == 6);
    for (const ReceivedEvent& event : drained.events) {
        CHECK((event.publish_time_ns != 0) == (options.publish_time == PublishTime::per_event));
    }
}

TEST_CASE("publisher: publish times don't go back", "[bus][publisher]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    const std::uint64_t before_ns = wall_clock_ns();

    for (int event = 0; event < 500; ++event) {
        REQUIRE(publisher.try_publish(bytes_of("x")) == PublishStatus::ok);
    }

    std::uint64_t last_ns = before_ns;
    std::uint64_t went_back = 0;
    for (const ReceivedEvent& event : drain(subscriber).events) {
        if (event.publish_time_ns < last_ns) ++went_back;
        last_ns = event.publish_time_ns;
    }
    CHECK(went_back == 0);
}

TEST_CASE("publisher: every size from nothing to the largest arrives whole", "[bus][publisher]") {
    StreamOptions options = small_stream(either());
    options.alignment_bytes = GENERATE(16U, 64U);
    const TestStream stream(options);
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    const std::uint32_t largest = publisher.region().header().max_payload_bytes;
    REQUIRE(largest == 8192);

    std::uint64_t wrong = 0;
    for (std::uint32_t size_bytes = 0; size_bytes <= largest;
         size_bytes += size_bytes < 200 ? 1 : 37) {
        const std::string payload(size_bytes, static_cast<char>('a' + size_bytes % 26));
        if (publisher.try_publish(bytes_of(payload)) != PublishStatus::ok) ++wrong;
        const Drained drained = drain(subscriber);
        if (drained.texts() != std::vector<std::string>{payload}) ++wrong;
    }
    CHECK(wrong == 0);

    const std::string exactly(largest, 'z');
    REQUIRE(publisher.try_publish(bytes_of(exactly)) == PublishStatus::ok);
    CHECK(drain(subscriber).texts() == std::vector<std::string>{exactly});
}

TEST_CASE("publisher: an event beyond the largest is refused, now and for ever",
          "[bus][publisher]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    const std::uint32_t largest = publisher.region().header().max_payload_bytes;
    const std::string payload(largest + 1, 'x');
    Claim claim;

    CHECK(publisher.try_publish(bytes_of(payload)) == PublishStatus::too_large);
    CHECK(publisher.publish(bytes_of(payload)) == PublishStatus::too_large);
    CHECK(publisher.publish(bytes_of(payload), EventFields{}) == PublishStatus::too_large);
    CHECK(publisher.try_claim(claim, largest + 1) == PublishStatus::too_large);
    CHECK(publisher.claim(claim, largest + 1, 0, Deadline::never()) == PublishStatus::too_large);
    CHECK(publisher.region().tail() == Place{0, 0});
}

TEST_CASE("publisher: a size beyond 32 bits isn't taken for the small one in its lower half",
          "[bus][publisher]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    // Never read: refused by its size alone.
    const std::string small(16, 'x');
    const std::span<const std::byte> huge(bytes_of(small).data(), (std::size_t{1} << 32U) + 8);
    const std::array<std::span<const std::byte>, 1> batch{huge};

    CHECK(publisher.try_publish(huge) == PublishStatus::too_large);
    CHECK(publisher.publish(huge) == PublishStatus::too_large);
    CHECK(publisher.publish(huge, EventFields{}) == PublishStatus::too_large);
    CHECK(publisher.publish_batch(batch) == PublishStatus::too_large);
    CHECK(publisher.region().tail() == Place{0, 0});
}

TEST_CASE("publisher: a ring of numbered events wraps many times and keeps every byte",
          "[bus][publisher]") {
    StreamOptions options = small_stream(either());
    options.alignment_bytes = GENERATE(16U, 64U);
    const TestStream stream(options);
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();

    std::uint64_t expected = 0;
    std::uint64_t wrong = 0;
    const auto read_all = [&] {
        static_cast<void>(subscriber.poll(
            [&](const Event& event) {
                const auto numbered = read_numbered(event.payload());
                if (!numbered || numbered->number != expected || event.sequence() != expected)
                    ++wrong;
                ++expected;
            },
            10'000));
    };
    constexpr std::uint64_t kEvents = 20'000;
    for (std::uint64_t number = 0; number < kEvents; ++number) {
        Claim claim;
        if (publisher.try_claim(claim, numbered_size_bytes(1, number)) != PublishStatus::ok) {
            read_all();
            REQUIRE(publisher.try_claim(claim, numbered_size_bytes(1, number)) ==
                    PublishStatus::ok);
        }
        fill_numbered(claim.payload, 1, number);
        publisher.commit(claim);
    }
    read_all();

    CHECK(wrong == 0);
    CHECK(expected == kEvents);
    CHECK(publisher.region().tail().position > 20 * publisher.region().capacity_bytes());
}

TEST_CASE("publisher: a gating subscriber holds it back and is named", "[bus][publisher]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber slow = stream.subscriber(SlowPolicy::gate, Start::oldest(), "risk");
    const Watchdog watchdog("publisher: a gating subscriber holds it back");

    const std::uint64_t published = fill_ring(publisher, 104);
    CHECK(published == kMinCapacityBytes / 128);
    CHECK(publisher.holder() == "subscriber 0 'risk' (pid " + std::to_string(::getpid()) + ")");
    CHECK(publisher.publish(bytes_of("late"), 0, Deadline::in_ms(5)) == PublishStatus::timed_out);
    CHECK(publisher.publish(bytes_of("late"), EventFields{}, Deadline::at_once()) ==
          PublishStatus::timed_out);

    std::uint64_t seen = 0;
    static_cast<void>(slow.poll([&](const Event&) { ++seen; }, 1));
    CHECK(seen == 1);
    CHECK(fill_ring(publisher, 104) == 1);

    const Drained rest = drain(slow);
    CHECK(rest.sequences() == from_to(1, published + 1));
    CHECK(publisher.try_publish(bytes_of("again")) == PublishStatus::ok);
    CHECK(publisher.holder().empty());
}

TEST_CASE("publisher: it goes on when the subscriber that held it leaves", "[bus][publisher]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    {
        const Subscriber slow = stream.subscriber();
        static_cast<void>(fill_ring(publisher, 100));
        CHECK_FALSE(publisher.holder().empty());
    }

    CHECK(publisher.try_publish(bytes_of("free")) == PublishStatus::ok);
}

TEST_CASE("publisher: an open claim of another publisher holds it back and is named",
          "[bus][publisher]") {
    const TestStream stream;
    Publisher first = stream.publisher("first");
    Publisher second = stream.publisher("second");
    Claim claim;

    REQUIRE(first.try_claim(claim, 8) == PublishStatus::ok);
    const std::uint64_t published = fill_ring(second, 100);
    CHECK(published > 0);
    CHECK(second.holder() == "publisher 0 'first' (pid " + std::to_string(::getpid()) + ")");

    first.commit(claim);
    CHECK(second.try_publish(bytes_of("free")) == PublishStatus::ok);
}

TEST_CASE("publisher: skipping subscribers and observers never hold it back", "[bus][publisher]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    const Subscriber skips = stream.subscriber(SlowPolicy::skip);
    const Subscriber observes = stream.subscriber(SlowPolicy::observe);
    const std::string payload(100, 'x');

    std::uint64_t refused = 0;
    for (int event = 0; event < 5000; ++event) {
        if (publisher.try_publish(bytes_of(payload)) != PublishStatus::ok) ++refused;
    }

    CHECK(refused == 0);
}

TEST_CASE("publisher: two publishers of one stream share one order", "[bus][publisher]") {
    const TestStream stream;
    Publisher first = stream.publisher("first");
    Publisher second = stream.publisher("second");
    Subscriber subscriber = stream.subscriber();
    Claim claim;

    REQUIRE(first.try_claim(claim, 5) == PublishStatus::ok);
    REQUIRE(second.try_publish(bytes_of("second")) == PublishStatus::ok);
    CHECK(drain(subscriber).events.empty());  // held up by the open claim before it
    std::copy_n(bytes_of("first").begin(), 5, claim.payload.begin());
    first.commit(claim);

    CHECK(drain(subscriber).texts() == std::vector<std::string>{"first", "second"});
    CHECK(first.next_own_sequence() == 1);
    CHECK(second.next_own_sequence() == 2);
}

TEST_CASE("publisher: a single-publisher stream has one, and takes the next after it",
          "[bus][publisher]") {
    const TestStream stream(small_stream(Publishing::single));
    Subscriber subscriber = stream.subscriber();
    {
        Publisher first = stream.publisher("first");
        REQUIRE(first.try_publish(bytes_of("one")) == PublishStatus::ok);

        const auto refused = Publisher::attach(stream.open());
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == ErrorCode::busy);
        CHECK(refused.error().message.find("'first'") != std::string::npos);
    }

    Publisher second = stream.publisher("second");
    REQUIRE(second.try_publish(bytes_of("two")) == PublishStatus::ok);

    CHECK(drain(subscriber).texts() == std::vector<std::string>{"one", "two"});
}

TEST_CASE("publisher: attach is refused when all slots are taken", "[bus][publisher]") {
    StreamOptions options = small_stream();
    options.publisher_slots = 2;
    const TestStream stream(options);
    const Publisher first = stream.publisher();
    Publisher second = stream.publisher();

    const auto refused = Publisher::attach(stream.open());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::busy);

    { const Publisher gone = std::move(second); }
    CHECK(Publisher::attach(stream.open()));
}

TEST_CASE("publisher: a moved publisher goes on, and gives its slot back once",
          "[bus][publisher]") {
    StreamOptions options = small_stream();
    options.publisher_slots = 2;
    const TestStream stream(options);
    Subscriber subscriber = stream.subscriber();
    Publisher publisher = stream.publisher();
    REQUIRE(publisher.try_publish(bytes_of("one")) == PublishStatus::ok);

    Publisher moved = std::move(publisher);
    REQUIRE(moved.try_publish(bytes_of("two")) == PublishStatus::ok);
    Publisher other = stream.publisher();
    other = std::move(moved);  // the other's slot is free again
    REQUIRE(other.try_publish(bytes_of("three")) == PublishStatus::ok);
    const Publisher third = stream.publisher();

    CHECK(drain(subscriber).texts() == std::vector<std::string>{"one", "two", "three"});
}

TEST_CASE("publisher: on a removed stream it is told so as soon as it asks for room",
          "[bus][publisher]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    REQUIRE(publisher.try_publish(bytes_of("x")) == PublishStatus::ok);

    REQUIRE(Region::unlink(stream.name(), true, stream.directory()));

    const Watchdog watchdog("publisher: on a removed stream");
    PublishStatus status = PublishStatus::ok;
    std::uint64_t published = 0;
    const std::string payload(100, 'x');
    while (status == PublishStatus::ok) {
        status = publisher.try_publish(bytes_of(payload));
        ++published;
    }
    CHECK(status == PublishStatus::closed);
    CHECK(published <= kMinCapacityBytes / 100);
    CHECK(publisher.publish(bytes_of(payload)) == PublishStatus::closed);
}

TEST_CASE("publisher: every status has a name", "[bus][publisher]") {
    CHECK(publish_status_name(PublishStatus::ok) == "ok");
    CHECK(publish_status_name(PublishStatus::would_block) == "would_block");
    CHECK(publish_status_name(PublishStatus::timed_out) == "timed_out");
    CHECK(publish_status_name(PublishStatus::too_large) == "too_large");
    CHECK(publish_status_name(PublishStatus::closed) == "closed");
}

TEST_CASE("publisher: a tail word that came round isn't taken for its own", "[bus][publisher]") {
    const TestStream stream(small_stream(Publishing::multi));
    const auto region = stream.open();
    Publisher publisher = stream.publisher();
    REQUIRE(publisher.try_publish(bytes_of("before")) == PublishStatus::ok);
    // What others would have published meanwhile: the word is the same again.
    const Place own_end = region->tail();
    const Place far{own_end.sequence + UINT32_MAX, own_end.position + (std::uint64_t{64} << 30U)};
    REQUIRE(pack_tail(far) == pack_tail(own_end));
    region->state().reference_sequence.store(far.sequence);
    region->state().write_limit.store(far.position + grant_step_bytes(kMinCapacityBytes));

    REQUIRE(publisher.try_publish(bytes_of("after")) == PublishStatus::ok);

    CHECK(publisher.next_own_sequence() == far.sequence + 1);
}

}  // namespace publisher_test
