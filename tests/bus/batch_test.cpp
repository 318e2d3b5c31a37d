#include "support/received_events.hpp"
#include "support/test_stream.hpp"

#include <tailrace/bus/publisher.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

namespace batch_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

Publishing either() {
    return GENERATE(Publishing::multi, Publishing::single);
}

void write(std::span<std::byte> place, std::string_view text) {
    std::copy_n(bytes_of(text).begin(), text.size(), place.begin());
}

}  // namespace

TEST_CASE("batch: nothing is visible before the commit, all of it after", "[bus][batch]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    const std::array<std::uint32_t, 3> sizes{1, 0, 5};
    BatchClaim batch;

    REQUIRE(publisher.try_claim_batch(batch, sizes, 9) == PublishStatus::ok);
    CHECK(batch.first_sequence() == 0);
    CHECK(batch.count() == 3);
    write(batch.next(), "a");
    CHECK(batch.next().empty());
    write(batch.next(), "ccccc");
    CHECK(batch.next().empty());
    CHECK(drain(subscriber).events.empty());

    publisher.commit(batch);

    const Drained drained = drain(subscriber);
    REQUIRE(drained.texts() == std::vector<std::string>{"a", "", "ccccc"});
    CHECK(drained.sequences() == std::vector<Sequence>{0, 1, 2});
    CHECK(drained.events[0].type == 9);
    CHECK((drained.events[0].flags & kBatchContinues) != 0);
    CHECK((drained.events[1].flags & kBatchContinues) != 0);
    CHECK((drained.events[2].flags & kBatchContinues) == 0);
    CHECK(drained.events[0].publish_time_ns == drained.events[2].publish_time_ns);
    CHECK(publisher.next_own_sequence() == 3);
}

TEST_CASE("batch: one whose sizes somebody wrote over isn't published, and its publisher is told",
          "[bus][batch]") {
    const TestStream stream(small_stream(Publishing::multi));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    const std::array<std::uint32_t, 2> sizes{8, 16};
    BatchClaim batch;
    REQUIRE(publisher.try_claim_batch(batch, sizes) == PublishStatus::ok);
    const std::uint32_t wrong = 0xFFFF'FFF0U;
    std::memcpy(publisher.region().event_at(0) + offsetof(EventHeader, payload_size_bytes),
                &wrong,
                sizeof(wrong));

    CHECK(publisher.commit(batch) == PublishStatus::corrupt);
    CHECK(publisher.commit(batch) == PublishStatus::no_claim);
    CHECK(publisher.try_publish(bytes_of("next")) == PublishStatus::ok);
    CHECK(drain(subscriber).texts() == std::vector<std::string>{"next"});
}

TEST_CASE("batch: events of one size", "[bus][batch]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    BatchClaim batch;

    REQUIRE(publisher.try_claim_batch(batch, 100, 4) == PublishStatus::ok);
    for (int event = 0; event < 100; ++event)
        write(batch.next(), "same");
    publisher.commit(batch);
    REQUIRE(publisher.try_publish(bytes_of("next")) == PublishStatus::ok);

    const Drained drained = drain(subscriber);
    CHECK(drained.events.size() == 101);
    CHECK(drained.events.back().payload == "next");
    CHECK(drained.events.back().sequence == 100);
}

TEST_CASE("batch: spans published at once arrive as one batch", "[bus][batch]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    const std::array<std::span<const std::byte>, 3> payloads{
        bytes_of("x"), bytes_of(""), bytes_of("zz")};

    REQUIRE(publisher.publish_batch(payloads) == PublishStatus::ok);
    REQUIRE(publisher.publish_batch({}) == PublishStatus::ok);

    CHECK(drain(subscriber).texts() == std::vector<std::string>{"x", "", "zz"});
}

TEST_CASE("batch: an aborted one on a shared stream takes its sequences", "[bus][batch]") {
    StreamOptions options = small_stream(Publishing::multi);
    options.alignment_bytes = GENERATE(16U, 64U);
    const TestStream stream(options);
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    BatchClaim batch;

    REQUIRE(publisher.try_claim_batch(batch, 5, 100) == PublishStatus::ok);
    publisher.abort(batch);
    REQUIRE(publisher.try_publish(bytes_of("after")) == PublishStatus::ok);

    const Drained drained = drain(subscriber);
    REQUIRE(drained.texts() == std::vector<std::string>{"after"});
    CHECK(drained.events[0].sequence == 5);
}

TEST_CASE("batch: an aborted one on a single-publisher stream leaves nothing", "[bus][batch]") {
    const TestStream stream(small_stream(Publishing::single));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    BatchClaim batch;

    REQUIRE(publisher.try_claim_batch(batch, 5, 100) == PublishStatus::ok);
    publisher.abort(batch);
    REQUIRE(publisher.try_publish(bytes_of("after")) == PublishStatus::ok);

    CHECK(drain(subscriber).sequences() == std::vector<Sequence>{0});
}

TEST_CASE("batch: a quarter of the ring is the most, and one event more is refused",
          "[bus][batch]") {
    StreamOptions options = small_stream(either());
    options.publish_time = PublishTime::off;
    const TestStream stream(options);
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    constexpr std::uint32_t kMost = kMinCapacityBytes / 4 / 64;
    BatchClaim batch;

    CHECK(publisher.try_claim_batch(batch, kMost + 1, 48) == PublishStatus::too_large);
    CHECK(publisher.try_claim_batch(batch, 2, 8193) == PublishStatus::too_large);
    CHECK(publisher.region().tail() == Place{0, 0});

    REQUIRE(publisher.try_claim_batch(batch, kMost, 48) == PublishStatus::ok);
    for (std::uint32_t event = 0; event < kMost; ++event)
        write(batch.next(), "full");
    publisher.commit(batch);
    CHECK(drain(subscriber).events.size() == kMost);
}

TEST_CASE("batch: it waits for room as any claim, and goes round the ring", "[bus][batch]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();

    std::uint64_t received = 0;
    std::uint64_t refused = 0;
    for (int round = 0; round < 300; ++round) {
        BatchClaim batch;
        PublishStatus status = publisher.try_claim_batch(batch, 10, 200);
        if (status == PublishStatus::would_block) {
            ++refused;
            received += drain(subscriber).events.size();
            status = publisher.try_claim_batch(batch, 10, 200);
        }
        REQUIRE(status == PublishStatus::ok);
        publisher.commit(batch);
    }
    received += drain(subscriber).events.size();

    CHECK(refused > 5);
    CHECK(received == 3000);
}

TEST_CASE("batch: a reader with a limit stops inside and goes on", "[bus][batch]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    const std::array<std::span<const std::byte>, 3> payloads{
        bytes_of("a"), bytes_of("b"), bytes_of("c")};

    REQUIRE(publisher.publish_batch(payloads) == PublishStatus::ok);

    CHECK(drain(subscriber, 1).texts() == std::vector<std::string>{"a", "b", "c"});
}

TEST_CASE("batch: typed events are published at once", "[bus][batch]") {
    struct Tick {
        std::uint64_t price;
        std::uint32_t quantity;
    };
    StreamOptions options = small_stream(either());
    options.publish_time = GENERATE(PublishTime::off, PublishTime::per_event);
    const TestStream stream(options);
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    const std::vector<Tick> ticks{{10, 1}, {20, 2}, {30, 3}};

    REQUIRE(publisher.publish_batch(std::span<const Tick>(ticks), 7) == PublishStatus::ok);
    REQUIRE(publisher.publish_batch(std::span<const Tick>()) == PublishStatus::ok);
    REQUIRE(publisher.publish_batch(std::span<const Tick>(ticks).first(1), 7) == PublishStatus::ok);

    std::vector<Tick> got;
    std::vector<bool> continues;
    std::vector<std::uint64_t> times_ns;
    const PollResult result = subscriber.poll(
        [&](const Event& event) {
            if (!event.is<Tick>(7)) return;
            got.push_back(event.as<Tick>());
            continues.push_back(event.continues_batch());
            times_ns.push_back(event.publish_time_ns());
        },
        100);
    REQUIRE(result.events == 4);
    REQUIRE(got.size() == 4);
    CHECK((got[0].price == 10 && got[1].price == 20 && got[2].quantity == 3));
    CHECK(got[3].price == 10);
    CHECK(continues == std::vector<bool>{true, true, false, false});
    CHECK(times_ns[0] == times_ns[2]);
    CHECK((times_ns[0] != 0) == (options.publish_time != PublishTime::off));
    CHECK((times_ns[3] != 0) == (options.publish_time != PublishTime::off));
}

}  // namespace batch_test
