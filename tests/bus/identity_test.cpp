#include "support/child_process.hpp"
#include "support/received_events.hpp"
#include "support/test_stream.hpp"

#include <tailrace/bus/identity.hpp>
#include <tailrace/bus/publisher.hpp>

#include <catch2/catch.hpp>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace identity_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

Publishing either() {
    return GENERATE(Publishing::multi, Publishing::single);
}

Result<Publisher> try_attach(const TestStream& stream, const std::string& identity) {
    PublisherOptions options;
    options.directory = stream.directory();
    options.identity = identity;
    return Publisher::attach(stream.name(), options);
}

Publisher attach(const TestStream& stream, const std::string& identity = "gateway") {
    return expect(try_attach(stream, identity), "attach");
}

PublishStatus publish(Publisher& publisher, OwnSequence own) {
    EventFields fields;
    fields.type = 7;
    fields.own_sequence = own;
    return publisher.publish(bytes_of(std::to_string(own)), fields, Deadline::at_once());
}

// The numbers, as the events bear them; each event's text is its number.
std::vector<OwnSequence> numbers(Subscriber& subscriber) {
    std::vector<OwnSequence> found;
    static_cast<void>(subscriber.poll(
        [&](const Event& event) {
            CHECK(event.publisher_id() == identity_id("gateway"));
            CHECK(text_of(event) == std::to_string(event.publisher_sequence()));
            found.push_back(event.publisher_sequence());
        },
        1000));
    return found;
}

IdentityStatus status_of(const TestStream& stream, const std::string& name = "gateway") {
    for (IdentityStatus& status : read_identities(*stream.open(RegionAccess::observe))) {
        if (status.name == name) return std::move(status);
    }
    return {};
}

BatchEvent numbered(std::string_view text, OwnSequence own) {
    BatchEvent event;
    event.payload = bytes_of(text);
    event.fields.own_sequence = own;
    return event;
}

}  // namespace

TEST_CASE("identity: numbers ascend, and what was published already is dropped and counted",
          "[bus][identity]") {
    const TestStream stream(small_stream(either()));
    Subscriber subscriber = stream.subscriber();
    Publisher publisher = attach(stream);
    CHECK(publisher.last_published() == 0);
    CHECK(publish(publisher, 1) == PublishStatus::ok);
    CHECK(publish(publisher, 5) == PublishStatus::ok);  // holes as one likes
    CHECK(publish(publisher, 5) == PublishStatus::duplicate);
    CHECK(publish(publisher, 2) == PublishStatus::duplicate);
    CHECK(publish(publisher, 6) == PublishStatus::ok);
    CHECK(publisher.last_published() == 6);
    CHECK(numbers(subscriber) == std::vector<OwnSequence>{1, 5, 6});
    CHECK(status_of(stream).last_own == 6);
    CHECK(status_of(stream).duplicates == 2);
    CHECK(status_of(stream).pid == static_cast<std::uint32_t>(::getpid()));
    // Without a number it is an event as anybody's.
    CHECK(publisher.publish(bytes_of("plain")) == PublishStatus::ok);
    CHECK(publisher.last_published() == 6);
}

TEST_CASE("identity: an event carries time and key beside its number", "[bus][identity]") {
    StreamOptions options = small_stream(either());
    options.publish_time = GENERATE(PublishTime::off, PublishTime::per_event);
    const TestStream stream(options);
    Subscriber subscriber = stream.subscriber();
    Publisher publisher = attach(stream);
    EventFields fields{3, 77, 99, true, 4};
    CHECK(publisher.publish(bytes_of("all"), fields) == PublishStatus::ok);
    CHECK(publisher.publish(bytes_of("all"), fields) == PublishStatus::duplicate);
    fields = {3, 0, 99, true, 5};
    CHECK(publisher.publish(bytes_of("key"), fields) == PublishStatus::ok);
    CHECK(publish(publisher, 6) == PublishStatus::ok);
    std::vector<std::string> seen;
    static_cast<void>(subscriber.poll(
        [&](const Event& event) {
            CHECK(event.publisher_id() == identity_id("gateway"));
            CHECK((event.publish_time_ns() != 0) == (options.publish_time != PublishTime::off));
            seen.push_back(text_of(event) + " " + std::to_string(event.event_time_ns()) + " " +
                           std::to_string(event.key()) + " " +
                           std::to_string(event.publisher_sequence()));
        },
        10));
    CHECK(seen == std::vector<std::string>{"all 77 99 4", "key 0 99 5", "6 0 0 6"});
}

TEST_CASE("identity: of a batch only what is new is published, as one batch", "[bus][identity]") {
    const TestStream stream(small_stream(either()));
    Subscriber subscriber = stream.subscriber();
    Publisher publisher = attach(stream);
    const std::array first{numbered("1", 1), numbered("2", 2), numbered("3", 3)};
    CHECK(publisher.publish_mixed_batch(first) == PublishStatus::ok);
    CHECK(publisher.publish_mixed_batch(first) == PublishStatus::duplicate);
    const std::array second{numbered("2", 2), numbered("3", 3), numbered("4", 4), numbered("5", 5)};
    CHECK(publisher.publish_mixed_batch(second) == PublishStatus::ok);
    const std::array unordered{numbered("7", 7), numbered("6", 6)};
    CHECK(publisher.publish_mixed_batch(unordered) == PublishStatus::duplicate);
    CHECK(publisher.last_published() == 5);
    CHECK(numbers(subscriber) == std::vector<OwnSequence>{1, 2, 3, 4, 5});
    CHECK(status_of(stream).duplicates == 3 + 2 + 2);
    CHECK(status_of(stream).last_own == 5);
}

TEST_CASE("identity: the next owner goes on where the last one had come to", "[bus][identity]") {
    const TestStream stream(small_stream(either()));
    {
        Publisher publisher = attach(stream);
        CHECK(publish(publisher, 40) == PublishStatus::ok);
        Publisher moved = std::move(publisher);
        CHECK(publish(moved, 41) == PublishStatus::ok);
        CHECK(publish(publisher, 42) == PublishStatus::dead_handle);
        CHECK(publisher.last_published() == 0);
    }
    CHECK_FALSE(status_of(stream).is_owned);
    Publisher publisher = attach(stream);
    CHECK(publisher.last_published() == 41);
    CHECK(publish(publisher, 41) == PublishStatus::duplicate);
}

TEST_CASE("identity: a second owner is refused, and told who has it", "[bus][identity]") {
    const TestStream stream;
    const Publisher publisher = attach(stream);
    const auto second = try_attach(stream, "gateway");
    REQUIRE_FALSE(second);
    CHECK(second.error().code == ErrorCode::busy);
    CHECK(second.error().message.find(std::to_string(::getpid())) != std::string::npos);
    CHECK(second.error().message.find("gateway") != std::string::npos);
    CHECK(try_attach(stream, "another"));
    // Whoever was refused has given its slot back.
    CHECK(read_identities(*stream.open(RegionAccess::observe)).size() == 2);
    CHECK(in_child([&] {
              const auto third = try_attach(stream, "gateway");
              return !third && third.error().code == ErrorCode::busy ? 0 : 1;
          }) == 0);
}

TEST_CASE("identity: in a forked child it is the parent's", "[bus][identity]") {
    const TestStream stream(small_stream(either()));
    Publisher publisher = attach(stream);
    CHECK(publish(publisher, 1) == PublishStatus::ok);
    CHECK(in_child([&] {
              const bool refused = publish(publisher, 2) == PublishStatus::dead_handle &&
                                   publish(publisher, 1) == PublishStatus::dead_handle;
              const Publisher taken = std::move(publisher);
              return refused ? 0 : 1;
          }) == 0);
    CHECK(status_of(stream).is_owned);
    CHECK(publish(publisher, 2) == PublishStatus::ok);
    CHECK(try_attach(stream, "gateway").error().code == ErrorCode::busy);
}

TEST_CASE("identity: a number needs one, and no claim carries one", "[bus][identity]") {
    const TestStream stream(small_stream(either()));
    EventFields fields;
    fields.own_sequence = 1;
    {
        Publisher plain = stream.publisher();
        CHECK(plain.publish(bytes_of("x"), fields) == PublishStatus::no_identity);
        fields.has_key = true;
        CHECK(plain.publish(bytes_of("x"), fields) == PublishStatus::no_identity);
        const std::array batch{numbered("x", 1)};
        CHECK(plain.publish_mixed_batch(batch) == PublishStatus::no_identity);
        CHECK(plain.last_published() == 0);
    }
    Publisher publisher = attach(stream);
    Claim claim;
    CHECK(publisher.try_claim(claim, 1, fields) == PublishStatus::no_identity);
    CHECK_FALSE(claim.is_open());
}

TEST_CASE("identity: a number that found no room isn't used up", "[bus][identity]") {
    const TestStream stream(small_stream(either()));
    Subscriber subscriber = stream.subscriber();
    Publisher publisher = attach(stream);
    OwnSequence own = 1;
    while (publish(publisher, own) == PublishStatus::ok)
        ++own;
    CHECK(publish(publisher, own) == PublishStatus::timed_out);
    CHECK(publisher.last_published() == own - 1);
    CHECK(numbers(subscriber).size() == 1000);
    CHECK(publish(publisher, own) == PublishStatus::ok);
    const std::string large(stream.open()->header().max_payload_bytes + 1, 'x');
    EventFields fields;
    fields.own_sequence = own + 1;
    CHECK(publisher.publish(bytes_of(large), fields) == PublishStatus::too_large);
    CHECK(publisher.last_published() == own);
}

TEST_CASE("identity: names follow the rules of streams", "[bus][identity]") {
    const TestStream stream;
    for (const char* const name : {".hidden", "-dash", "a/b", "two words"}) {
        CAPTURE(name);
        const auto refused = try_attach(stream, name);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == ErrorCode::invalid_argument);
    }
    CHECK(read_identities(*stream.open(RegionAccess::observe)).empty());
    // Whoever was refused holds no slot.
    CHECK(stream.open()->state().registry.publisher_attaches.load() == 4);
    CHECK_FALSE(is_active(stream.open()->publisher_slot(0).owner));
}

TEST_CASE("identity: a ring that goes on from a journal waits for who reads that",
          "[bus][identity]") {
    StreamOptions options = small_stream(either());
    options.first_sequence = 100;
    options.journal_directory = "/nowhere";
    const bool is_complete = GENERATE(true, false);
    const TestStream stream(options);
    const auto region = stream.open();
    CHECK(identity_scope(*region) == IdentityScope::ring);
    CHECK(try_attach(stream, "gateway").error().code == ErrorCode::no_writer);
    const std::vector<KnownIdentity> known{{"gateway", identity_id("gateway"), 70},
                                           {"", identity_id("nameless"), 5}};
    REQUIRE(seed_identities(*region, known, is_complete));
    REQUIRE(seed_identities(*region, {}, true));  // somebody has been faster
    CHECK(attach(stream).last_published() == 70);
    CHECK(attach(stream, "nameless").last_published() == 5);
    CHECK(status_of(stream, "nameless").last_own == 5);
    const auto other = try_attach(stream, "other");
    CHECK(other.has_value() == is_complete);
    if (is_complete) return;
    CHECK(other.error().code == ErrorCode::corrupt);
    REQUIRE(set_identity(*region, "other", 9));
    CHECK(attach(stream, "other").last_published() == 9);
}

TEST_CASE("identity: it is set and removed by others, but not while somebody has it",
          "[bus][identity]") {
    const TestStream stream(small_stream(either()));
    const auto region = stream.open();
    CHECK(remove_identity(*region, "gateway").error().code == ErrorCode::not_found);
    {
        Publisher publisher = attach(stream);
        CHECK(publish(publisher, 8) == PublishStatus::ok);
        CHECK(set_identity(*region, "gateway", 3).error().code == ErrorCode::busy);
        CHECK(remove_identity(*region, "gateway").error().code == ErrorCode::busy);
    }
    REQUIRE(set_identity(*region, "gateway", 3));
    CHECK(attach(stream).last_published() == 3);
    REQUIRE(remove_identity(*region, "gateway"));
    CHECK(read_identities(*region).empty());
    CHECK(has_identities(*region));
    CHECK(attach(stream).last_published() == 0);
}

TEST_CASE("identity: a table that is full says so", "[bus][identity]") {
    const TestStream stream;
    const auto region = stream.open();
    for (std::uint32_t index = 0; index < kIdentitySlots; ++index)
        REQUIRE(set_identity(*region, "p" + std::to_string(index), index));
    CHECK(try_attach(stream, "more").error().code == ErrorCode::no_space);
    CHECK(attach(stream, "p17").last_published() == 17);
    REQUIRE(remove_identity(*region, "p3"));
    CHECK(attach(stream, "more").last_published() == 0);
}

}  // namespace identity_test
