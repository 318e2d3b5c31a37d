#include "support/received_events.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/event_filter.hpp>
#include <tailrace/bus/stream_status.hpp>

#include <catch2/catch.hpp>

#include <cstdint>
#include <functional>
#include <vector>

namespace event_filter_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

Subscriber filtering(const TestStream& stream, SlowPolicy policy, const EventFilter& filter) {
    SubscriberOptions options;
    options.policy = policy;
    options.start = Start::oldest();
    options.directory = stream.directory();
    options.filter = filter;
    return expect(Subscriber::attach(stream.name(), options), "attach");
}

// Event i has type i % 5; but for every third one, key i.
void publish(Publisher& publisher, std::uint64_t events) {
    for (std::uint64_t event = 0; event < events; ++event) {
        EventFields fields;
        fields.type = static_cast<EventType>(event % 5);
        fields.has_key = event % 3 != 0;
        fields.key = event;
        fields.event_time_ns = event % 2;  // moves the key's word
        REQUIRE(publisher.publish(bytes_of("12345678"), fields) == PublishStatus::ok);
    }
}

std::vector<Sequence> expected(std::uint64_t events, const std::function<bool(std::uint64_t)>& is) {
    std::vector<Sequence> sequences;
    for (std::uint64_t event = 0; event < events; ++event) {
        if (is(event)) sequences.push_back(event);
    }
    return sequences;
}

constexpr std::uint64_t kEvents = 200;

}  // namespace

TEST_CASE("event filter: types, keys and partitions, under every policy", "[bus][event_filter]") {
    struct Example {
        EventFilter filter;
        std::function<bool(std::uint64_t)> is;
    };
    const std::vector<Example> examples = {
        {EventFilter().add_type(1).add_type(4),
         [](std::uint64_t event) {
             return event % 5 == 1 || event % 5 == 4;
         }},
        {EventFilter().add_key(7).add_key(100).add_key(9),
         [](std::uint64_t event) {
             return event == 7 || event == 100;
         }},  // 9 has no key
        {EventFilter().set_partition(4, 1),
         [](std::uint64_t event) {
             return event % 3 != 0 && event % 4 == 1;
         }},
        {EventFilter().set_partition(1, 0),
         [](std::uint64_t event) {
             return event % 3 != 0;
         }},
        {EventFilter().add_type(2).set_partition(2, 0),
         [](std::uint64_t event) {
             return event % 5 == 2 && event % 3 != 0 && event % 2 == 0;
         }},
        {EventFilter().add_type(65535),
         [](std::uint64_t) {
             return false;
         }},
    };
    const TestStream stream;
    Publisher publisher = stream.publisher();
    publish(publisher, kEvents);
    for (const Example& example : examples) {
        for (const SlowPolicy policy :
             {SlowPolicy::gate, SlowPolicy::skip, SlowPolicy::observe, SlowPolicy::evict}) {
            Subscriber reader = filtering(stream, policy, example.filter);
            const std::vector<Sequence> wanted = expected(kEvents, example.is);
            CHECK(drain(reader).sequences() == wanted);
            CHECK(reader.next_sequence() == kEvents);
            if (policy == SlowPolicy::observe) continue;
            const StreamStatus status = read_status(stream.open());
            CHECK(status.subscribers.at(0).counts.filtered_events == kEvents - wanted.size());
            CHECK(status.subscribers.at(0).counts.events == wanted.size());
            CHECK(status.subscribers.at(0).lag.events == 0);
        }
    }
}

TEST_CASE("event filter: what is handed over is whole", "[bus][event_filter]") {
    const TestStream stream;
    Publisher publisher = stream.publisher();
    publish(publisher, kEvents);
    for (const SlowPolicy policy : {SlowPolicy::gate, SlowPolicy::skip, SlowPolicy::evict}) {
        Subscriber reader = filtering(stream, policy, EventFilter().add_type(3));
        const Drained drained = drain(reader, 7);
        std::uint64_t wrong = 0;
        for (const ReceivedEvent& event : drained.events) {
            const bool has_key = event.sequence % 3 != 0;
            if (event.type != 3 || event.payload != "12345678") ++wrong;
            if (event.key != (has_key ? event.sequence : 0)) ++wrong;
            if (event.event_time_ns != event.sequence % 2) ++wrong;
        }
        CHECK(drained.events.size() == kEvents / 5);
        CHECK(wrong == 0);
    }
}

TEST_CASE("event filter: the limit counts what is handed over", "[bus][event_filter]") {
    const TestStream stream;
    Publisher publisher = stream.publisher();
    publish(publisher, kEvents);
    for (const SlowPolicy policy : {SlowPolicy::gate, SlowPolicy::skip}) {
        Subscriber reader = filtering(stream, policy, EventFilter().add_type(4));
        CHECK(reader.poll([](const Event&) {}, 3).events == 3);
        CHECK(reader.next_sequence() == 15);
    }
}

TEST_CASE("event filter: a gate moves on although nothing is wanted", "[bus][event_filter]") {
    const Watchdog watchdog("event filter: gate");
    StreamOptions options = small_stream();
    options.publish_time = PublishTime::off;
    const TestStream stream(options);
    Publisher publisher = stream.publisher();
    Subscriber reader = filtering(stream, SlowPolicy::gate, EventFilter().add_type(9));
    const std::uint64_t ring_events = kMinCapacityBytes / 32;
    for (std::uint64_t lap = 0; lap < 3; ++lap) {
        for (std::uint64_t event = 0; event < ring_events; ++event)
            REQUIRE(publisher.try_publish(bytes_of("12345678")) == PublishStatus::ok);
        CHECK(drain(reader).events.empty());
    }
    CHECK(publisher.try_publish(bytes_of("12345678"), 9) == PublishStatus::ok);
    // What isn't wanted doesn't end a wait.
    CHECK(reader.poll_until([](const Event&) {}, 1, Deadline::never()).events == 1);
}

TEST_CASE("event filter: tombstones are no filtered events", "[bus][event_filter]") {
    const TestStream stream;
    Publisher publisher = stream.publisher();
    Claim claim;
    REQUIRE(publisher.try_claim(claim, 8, 2) == PublishStatus::ok);
    publisher.abort(claim);
    for (const SlowPolicy policy : {SlowPolicy::gate, SlowPolicy::skip}) {
        Subscriber reader = filtering(stream, policy, EventFilter().add_type(1));
        CHECK(drain(reader).events.empty());
        const SubscriberCounts counts = read_status(stream.open()).subscribers.at(0).counts;
        CHECK(counts.tombstones == 1);
        CHECK(counts.filtered_events == 0);
    }
}

TEST_CASE("event filter: it is declared for tools, as far as it fits", "[bus][event_filter]") {
    const TestStream stream;
    EventFilter filter;
    CHECK(filter.is_empty());
    for (unsigned type = 0; type < 20; ++type)
        filter.add_type(static_cast<EventType>(type)).add_type(static_cast<EventType>(type));
    filter.add_key(5).set_partition(4, 1);
    CHECK_FALSE(filter.is_empty());
    const Subscriber reader = filtering(stream, SlowPolicy::gate, filter);
    const SubscriberStatus status = read_status(stream.open()).subscribers.at(0);
    CHECK(status.filter == "types 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,… keys 5 partition 1/4");
}

TEST_CASE("event filter: a partition without keys is refused", "[bus][event_filter]") {
    const TestStream stream;
    SubscriberOptions options;
    options.directory = stream.directory();
    options.filter.set_partition(4, 4);
    const auto refused = Subscriber::attach(stream.name(), options);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::invalid_argument);
    CHECK(refused.error().hint.find("0 to N - 1") != std::string::npos);
}

}  // namespace event_filter_test
