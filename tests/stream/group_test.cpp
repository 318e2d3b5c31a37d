#include "stream/group_story.hpp"
#include "support/child_process.hpp"
#include "support/received_events.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/cursor.hpp>
#include <tailrace/bus/journal_board.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

namespace group_test {

namespace {

using namespace tailrace;
using namespace tailrace::stream;
using namespace tailrace::test;

// Takes up to `limit` events into its hands for good, as a member does that dies or gets stuck.
std::vector<Lease> hold_some(GroupMember& member, std::uint64_t limit) {
    std::vector<Lease> leases;
    static_cast<void>(member.poll(
        [&](const Delivery& delivery) {
            leases.push_back(delivery.hold());
            return Verdict::done;
        },
        limit));
    return leases;
}

}  // namespace

TEST_CASE("group: each event goes to one of its members", "[stream][group]") {
    const Watchdog watchdog("group of two");
    const GroupStory story;
    auto publisher = story.stream().publisher();
    auto first = story.join();
    auto second = story.join();
    CHECK(first.seat() != second.seat());
    REQUIRE(publish_numbered(publisher, 1, 0, 100));
    std::vector<Handed> all;
    for (int round = 0; round < 20; ++round) {
        GroupMember& member = round % 2 == 0 ? first : second;
        const auto result = member.poll(
            [&](const Delivery& delivery) {
                const auto numbered = read_numbered(delivery.event().payload());
                if (!numbered || numbered->number != delivery.event().sequence())
                    return Verdict::again;
                all.push_back({delivery.event().sequence(), delivery.tries()});
                return Verdict::done;
            },
            7);
        CHECK(result.state ==
              (all.size() < 100 || result.events != 0 ? GroupState::ok : GroupState::idle));
    }
    CHECK(all == handed_once(0, 100));
    CHECK(first.floor() == 100);
    CHECK(handle_all(first).empty());
}

TEST_CASE("group: members in threads of their own get every event once", "[stream][group]") {
    const Watchdog watchdog("group in threads");
    const GroupStory story;
    constexpr std::uint64_t kEvents = 5000;
    std::array<std::vector<Handed>, 3> handed;
    {
        std::vector<GroupMember> members;
        for (std::size_t index = 0; index < handed.size(); ++index)
            members.push_back(story.join());
        std::vector<std::thread> threads;
        for (std::size_t index = 0; index < handed.size(); ++index) {
            threads.emplace_back([&, index] {
                while (members[index].floor() < kEvents) {
                    static_cast<void>(members[index].poll_until(
                        [&](const Delivery& delivery) {
                            handed[index].push_back(
                                {delivery.event().sequence(), delivery.tries()});
                            return Verdict::done;
                        },
                        16,
                        bus::Deadline::in_ms(5)));
                }
            });
        }
        auto publisher = story.stream().publisher();
        CHECK(publish_numbered(publisher, 1, 0, kEvents));
        for (std::thread& thread : threads)
            thread.join();
    }
    std::vector<Handed> all;
    for (const auto& each : handed)
        all.insert(all.end(), each.begin(), each.end());
    CHECK(sorted(all) == handed_once(0, kEvents));
}

TEST_CASE("group: what is put back is handed out again, and its tries are counted",
          "[stream][group]") {
    const Watchdog watchdog("group: again");
    const GroupStory story;
    auto publisher = story.stream().publisher();
    auto first = story.join();
    auto second = story.join();
    REQUIRE(publish_numbered(publisher, 1, 0, 3));
    const auto refuse = [](const Delivery&) {
        return Verdict::again;
    };
    CHECK(first.poll(refuse, 3).events == 3);
    CHECK(first.floor() == 0);
    CHECK(story.status().again_events == 3);
    CHECK(handle_all(second) == handed_once(0, 3, 2));
    CHECK(second.floor() == 3);
    CHECK(story.status().retries == 3);
}

TEST_CASE("group: who leaves gives back what it holds, and its leases say so", "[stream][group]") {
    const Watchdog watchdog("group: leaving");
    const GroupStory story;
    auto publisher = story.stream().publisher();
    std::optional<GroupMember> first(story.join());
    REQUIRE(publish_numbered(publisher, 1, 0, 4));
    auto leases = hold_some(*first, 4);
    REQUIRE(leases.size() == 4);
    CHECK(leases[1].done());
    CHECK_FALSE(leases[1].done());
    CHECK(leases[2].again());
    CHECK(story.status().held_events == 2);
    first.reset();
    CHECK_FALSE(leases[0].done());
    auto second = story.join();
    CHECK(sorted(handle_all(second)) == std::vector<Handed>{{0, 2}, {2, 2}, {3, 2}});
    leases.clear();
    CHECK(second.floor() == 4);
}

TEST_CASE("group: a lease that ends without a word gives its event back", "[stream][group]") {
    const Watchdog watchdog("group: leases");
    const GroupStory story;
    auto publisher = story.stream().publisher();
    auto member = story.join();
    REQUIRE(publish_numbered(publisher, 1, 0, 1));
    auto leases = hold_some(member, 1);
    REQUIRE(leases.size() == 1);
    Lease moved = std::move(leases[0]);
    CHECK(moved.sequence() == 0);
    CHECK_FALSE(leases[0].done());
    moved = Lease();
    CHECK(handle_all(member) == std::vector<Handed>{{0, 2}});
}

TEST_CASE("group: an event that is handed out again is alone in its member's hands",
          "[stream][group]") {
    const Watchdog watchdog("group: alone");
    const GroupStory story;
    auto publisher = story.stream().publisher();
    auto member = story.join();
    REQUIRE(publish_numbered(publisher, 1, 0, 10));
    auto leases = hold_some(member, 2);
    REQUIRE(leases.size() == 2);
    CHECK(leases[0].again());
    // While the other one is in its hands it gets neither that one nor anything new.
    CHECK(handle_all(member).empty());
    CHECK(leases[1].done());
    auto alone = hold_some(member, 5);
    REQUIRE(alone.size() == 1);
    CHECK(alone[0].sequence() == 0);
    CHECK(handle_all(member).empty());
    CHECK(alone[0].done());
    CHECK(handle_all(member) == handed_once(2, 10));
    CHECK(member.floor() == 10);
}

TEST_CASE("group: a handler that throws gets that event again, and the rest of its hands",
          "[stream][group]") {
    const Watchdog watchdog("group: a handler that throws");
    const GroupStory story;
    auto publisher = story.stream().publisher();
    auto member = story.join();
    REQUIRE(publish_numbered(publisher, 1, 0, 8));
    const auto throwing = [](const Delivery& delivery) -> Verdict {
        if (delivery.event().sequence() == 3) throw std::runtime_error("the third");
        return Verdict::done;
    };
    CHECK_THROWS(member.poll(throwing, 8));
    auto again = handle_all(member);
    CHECK(sorted(again) == std::vector<Handed>{{3, 2}, {4, 1}, {5, 1}, {6, 1}, {7, 1}});
    CHECK(member.floor() == 8);
}

TEST_CASE("group: after so many tries an event is buried, whole", "[stream][group]") {
    const Watchdog watchdog("group: burials");
    const GroupStory story;
    REQUIRE(bus::Region::create("dead", small_stream(), story.stream().directory()));
    bus::SubscriberOptions reading;
    reading.directory = story.stream().directory();
    auto dead = expect(bus::Subscriber::attach("dead", reading), "attach to the dead");
    auto publisher = story.stream().publisher();
    GroupOptions options = story.options();
    options.dead_letters = "dead";
    options.max_tries = 3;
    auto member = story.join(options);
    bus::EventFields fields;
    fields.type = 7;
    fields.event_time_ns = 4711;
    fields.key = 42;
    fields.has_key = true;
    REQUIRE(publisher.publish(bytes_of("poison"), fields) == bus::PublishStatus::ok);
    REQUIRE(publisher.publish(bytes_of("good"), 8) == bus::PublishStatus::ok);
    std::vector<Handed> handed;
    const auto handler = [&](const Delivery& delivery) {
        handed.push_back({delivery.event().sequence(), delivery.tries()});
        return delivery.event().type() == 7 ? Verdict::again : Verdict::done;
    };
    for (int round = 0; round < 5; ++round)
        static_cast<void>(member.poll(handler, 16));
    CHECK(handed == std::vector<Handed>{{0, 1}, {1, 1}, {0, 2}, {0, 3}});
    CHECK(member.floor() == 2);
    CHECK(story.status().buried_events == 1);
    const Drained letters = drain(dead);
    REQUIRE(letters.events.size() == 1);
    CHECK(letters.events[0].payload == "poison");
    CHECK(letters.events[0].type == 7);
    CHECK(letters.events[0].event_time_ns == 4711);
    CHECK(letters.events[0].key == 42);
}

TEST_CASE("group: what its handler calls dead is buried at once", "[stream][group]") {
    const Watchdog watchdog("group: dead at once");
    const GroupStory story;
    auto publisher = story.stream().publisher();
    auto member = story.join();
    REQUIRE(publish_numbered(publisher, 1, 0, 2));
    CHECK(handle_all(member, 16, Verdict::dead) == handed_once(0, 2));
    CHECK(member.floor() == 2);
    CHECK(story.status().buried_events == 2);
}

TEST_CASE("group: what can't be buried stays, and why is told", "[stream][group]") {
    const Watchdog watchdog("group: no room for the dead");
    const GroupStory story;
    REQUIRE(bus::Region::create("dead", small_stream(), story.stream().directory()));
    bus::SubscriberOptions reading;
    reading.directory = story.stream().directory();
    std::optional<bus::Subscriber> holder(
        expect(bus::Subscriber::attach("dead", reading), "attach to the dead"));
    auto filler =
        expect(bus::Publisher::attach(
                   "dead", {"filler", bus::WaitStrategy::futex, story.stream().directory()}),
               "attach");
    static_cast<void>(publish_until_full(filler, 1));
    auto publisher = story.stream().publisher();
    GroupOptions options = story.options();
    options.dead_letters = "dead";
    auto member = story.join(options);
    REQUIRE(publish_numbered(publisher, 1, 0, 1));
    CHECK(member.poll([](const Delivery&) { return Verdict::dead; }, 1).events == 1);
    CHECK(member.floor() == 0);
    CHECK(member.poll([](const Delivery&) { return Verdict::dead; }, 1).state ==
          GroupState::failed);
    CHECK(member.error().message.find("'dead'") != std::string::npos);
    holder.reset();
    const bus::Deadline patience = bus::Deadline::in_ms(20'000);
    while (member.floor() == 0 && !patience.has_passed()) {
        static_cast<void>(member.poll_until(
            [](const Delivery&) { return Verdict::dead; }, 1, bus::Deadline::in_ms(10)));
    }
    CHECK(member.floor() == 1);
}

TEST_CASE("group: a full window is said, and ends when its oldest event is done",
          "[stream][group]") {
    const Watchdog watchdog("group: a full window");
    const GroupStory story;
    auto publisher = story.stream().publisher();
    auto slow = story.join();
    auto quick = story.join();
    bus::EventFields fields;
    for (int event = 0; event < 1100; ++event)
        REQUIRE(publisher.publish({}, fields) == bus::PublishStatus::ok);
    auto leases = hold_some(slow, 1);
    REQUIRE(leases.size() == 1);
    CHECK(handle_all(quick) == handed_once(1, 1024));
    const auto nothing = [](const Delivery&) {
        return Verdict::done;
    };
    CHECK(quick.poll(nothing, 16).state == GroupState::full);
    const GroupStatus status = story.status();
    CHECK(status.is_full());
    CHECK(status.oldest_held == 0);
    CHECK(status.oldest_holder == slow.seat());
    CHECK(leases[0].done());
    CHECK(handle_all(quick) == handed_once(1024, 1100));
    CHECK(quick.floor() == 1100);
}

TEST_CASE("group: without a journal publishers wait for the floor", "[stream][group]") {
    const Watchdog watchdog("group: a gate at the floor");
    const GroupStory story;
    auto publisher = story.stream().publisher();
    auto member = story.join();
    REQUIRE(publish_numbered(publisher, 1, 0, 1));
    auto leases = hold_some(member, 1);
    std::uint64_t next = 1;
    for (bool goes_on = true; goes_on;) {
        const std::uint64_t before = next;
        next = publish_until_full(publisher, 1, next);
        goes_on = next != before;
        static_cast<void>(handle_all(member));
    }
    CHECK(publisher.holder().find("group.work floor") != std::string::npos);
    CHECK(leases[0].again());
    CHECK(handle_all(member).front() == Handed{0, 2});
    CHECK(publish_until_full(publisher, 1, next) > next);
}

TEST_CASE("group: a member that is silent for too long loses its events, and hears so",
          "[stream][group]") {
    const Watchdog watchdog("group: a stall");
    const GroupStory story;
    auto publisher = story.stream().publisher();
    GroupOptions options = story.options();
    options.stall_ns = 20'000'000;
    auto stuck = story.join(options);
    auto other = story.join(options);
    REQUIRE(publish_numbered(publisher, 1, 0, 3));
    auto leases = hold_some(stuck, 3);
    REQUIRE(leases.size() == 3);
    CHECK(handle(other, 3) == handed_once(0, 3, 2));
    for (Lease& lease : leases)
        CHECK_FALSE(lease.done());
    CHECK(other.floor() == 3);
    // It goes on as if nothing had been.
    REQUIRE(publish_numbered(publisher, 1, 3, 1));
    CHECK(handle_all(stuck) == handed_once(3, 4));
}

TEST_CASE("group: what was taken away while its neighbour was handled isn't handed out",
          "[stream][group]") {
    const Watchdog watchdog("group: a slow handler");
    const GroupStory story;
    auto publisher = story.stream().publisher();
    GroupOptions options = story.options();
    options.stall_ns = 20'000'000;
    auto slow = story.join(options);
    auto other = story.join(options);
    REQUIRE(publish_numbered(publisher, 1, 0, 3));
    std::vector<Handed> handed;
    const auto result = slow.poll(
        [&](const Delivery& delivery) {
            handed.push_back({delivery.event().sequence(), delivery.tries()});
            CHECK(sorted(handle(other, 3)) == handed_once(0, 3, 2));
            return Verdict::done;
        },
        3);
    CHECK(result.events == 1);
    CHECK(handed == handed_once(0, 1));
    CHECK(slow.lost_leases() == 3);
    CHECK(slow.floor() == 3);
}

TEST_CASE("group: a handler that says that it is alive keeps its events", "[stream][group]") {
    const Watchdog watchdog("group: alive");
    const GroupStory story;
    auto publisher = story.stream().publisher();
    GroupOptions options = story.options();
    options.stall_ns = 200'000'000;
    auto slow = story.join(options);
    auto other = story.join(options);
    REQUIRE(publish_numbered(publisher, 1, 0, 1));
    const auto nothing = [](const Delivery&) {
        return Verdict::done;
    };
    const auto result = slow.poll(
        [&](const Delivery&) {
            const bus::Deadline twice = bus::Deadline::in_ms(500);
            while (!twice.has_passed()) {
                slow.alive();
                CHECK(other.poll(nothing, 1).events == 0);
            }
            return Verdict::done;
        },
        1);
    CHECK(result.events == 1);
    CHECK(slow.lost_leases() == 0);
}

TEST_CASE("group: what a filter leaves out is nobody's work", "[stream][group]") {
    const Watchdog watchdog("group: a filter");
    const GroupStory story;
    auto publisher = story.stream().publisher();
    GroupOptions options = story.options();
    options.filter.add_type(5);
    auto member = story.join(options);
    for (int event = 0; event < 3000; ++event) {
        const EventType type = event % 1000 == 999 ? 5 : 6;
        // The ring is smaller than what the group passes over.
        while (publisher.publish({}, type, bus::Deadline::at_once()) != bus::PublishStatus::ok)
            static_cast<void>(handle_all(member));
    }
    static_cast<void>(handle_all(member));
    CHECK(member.floor() == 3000);
    CHECK(story.status().members.at(0).handed == 3);
}

TEST_CASE("group: what nobody can read any more is lost, counted and told", "[stream][group]") {
    const Watchdog watchdog("group: losses");
    const GroupStory story;
    auto publisher = story.stream().publisher();
    bus::EventFields fields;
    for (int event = 0; event < 10; ++event)
        REQUIRE(publisher.publish({}, fields) == bus::PublishStatus::ok);
    {
        auto member = story.join();
        // 0 to 3 are done, 4 comes again, the rest hasn't been read.
        CHECK(handle(member, 4, 4).size() == 4);
        CHECK(member.poll([](const Delivery&) { return Verdict::again; }, 1).events == 1);
    }
    // Nobody holds the ring.
    while (publisher.region().state().write_limit.load() < 4 * publisher.region().capacity_bytes())
        REQUIRE(publisher.publish({}, fields) == bus::PublishStatus::ok);
    auto member = story.join();
    std::vector<std::pair<Sequence, Sequence>> lost;
    std::vector<Handed> handed;
    for (int round = 0; round < 4000; ++round) {
        const auto result = member.poll(
            [&](const Delivery& delivery) {
                handed.push_back({delivery.event().sequence(), delivery.tries()});
                return Verdict::done;
            },
            16);
        if (result.state == GroupState::lost)
            lost.emplace_back(member.last_lost().first,
                              member.last_lost().first + member.last_lost().count);
    }
    REQUIRE_FALSE(handed.empty());
    const Sequence oldest = handed.front().sequence;
    const Sequence end = publisher.region().tail().sequence;
    CHECK(handed == handed_once(oldest, end));
    REQUIRE_FALSE(lost.empty());
    Sequence told = 4;
    for (const auto& [first, behind] : lost) {
        CHECK(first == told);
        told = behind;
    }
    CHECK(told == oldest);
    CHECK(story.status().lost_events == oldest - 4);
    CHECK(member.floor() == end);
}

TEST_CASE("group: it goes on from its floor when its ring is made anew", "[stream][group]") {
    const Watchdog watchdog("group: after a reboot");
    const RecordedStream recorded;
    GroupOptions options;
    options.group = "work";
    options.bus_directory = recorded.stream().directory();
    {
        auto publisher = recorded.stream().publisher();
        const RunningRecorder recorder(recorded);
        REQUIRE(publish_numbered(publisher, 1, 0, 50));
        auto member = expect(GroupMember::join(recorded.stream().name(), options), "join");
        CHECK(handle(member, 20, 20).size() == 20);
        const auto leases = hold_some(member, 1);
        CHECK(leases.size() == 1);
        CHECK(handle(member, 5, 5).size() == 5);
        CHECK(member.floor() == 20);
        REQUIRE(bus::wait_durable(publisher.region(), 50, bus::Deadline::in_ms(20'000)));
        REQUIRE(bus::wait_kept(publisher.region(), bus::Deadline::in_ms(20'000)));
    }
    REQUIRE(bus::Region::unlink(recorded.stream().name(), false, recorded.stream().directory()));
    bus::StreamOptions anew = small_stream();
    anew.journal_directory = recorded.journal_directory();
    anew.first_sequence = 50;
    REQUIRE(bus::Region::create(recorded.stream().name(), anew, recorded.stream().directory()));
    const RunningRecorder recorder(recorded);
    auto member = expect(GroupMember::join(recorded.stream().name(), options), "join");
    CHECK(member.floor() == 20);
    CHECK(handle(member, 30) == handed_once(20, 50));
}

TEST_CASE("group: with a journal its members never hold publishers up", "[stream][group]") {
    const Watchdog watchdog("group: spilling");
    const RecordedStream recorded;
    const RunningRecorder recorder(recorded);
    GroupOptions options;
    options.group = "work";
    options.bus_directory = recorded.stream().directory();
    auto member = expect(GroupMember::join(recorded.stream().name(), options), "join");
    auto publisher = recorded.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, 3));
    auto leases = hold_some(member, 3);
    REQUIRE(leases.size() == 3);
    constexpr std::uint64_t kEvents = 3000;  // some laps of the ring
    REQUIRE(publish_numbered(publisher, 1, 3, kEvents - 3));
    CHECK(leases[0].done());
    CHECK(leases[1].again());
    CHECK(leases[2].done());
    // The one that comes again is read from the journal.
    auto handed = handle(member, kEvents - 2);
    REQUIRE(handed.size() == kEvents - 2);
    CHECK(handed.front() == Handed{1, 2});
    handed.erase(handed.begin());
    CHECK(handed == handed_once(3, kEvents));
}

TEST_CASE("group: a member is dead in a forked child, and goes on in its parent",
          "[stream][group]") {
    const Watchdog watchdog("group: fork");
    const GroupStory story;
    auto publisher = story.stream().publisher();
    std::optional<GroupMember> member(story.join());
    REQUIRE(publish_numbered(publisher, 1, 0, 10));
    auto leases = hold_some(*member, 2);
    CHECK(in_child([&] {
              const auto nothing = [](const Delivery&) {
                  return Verdict::done;
              };
              if (!member->is_dead()) return 1;
              if (member->poll(nothing, 1).state != GroupState::dead_handle) return 2;
              if (leases[0].done()) return 3;
              leases.clear();
              member.reset();
              return 0;
          }) == 0);
    CHECK(leases[0].done());
    CHECK(leases[1].done());
    CHECK(handle_all(*member) == handed_once(2, 10));
    GroupMember moved = std::move(*member);
    CHECK(member->is_dead());
    const auto nothing = [](const Delivery&) {
        return Verdict::done;
    };
    CHECK(member->poll(nothing, 1).state == GroupState::dead_handle);
    CHECK(moved.poll(nothing, 1).state == GroupState::idle);
}

TEST_CASE("group: a handler can't poll", "[stream][group]") {
    const Watchdog watchdog("group: a handler that polls");
    const GroupStory story;
    auto publisher = story.stream().publisher();
    auto member = story.join();
    REQUIRE(publish_numbered(publisher, 1, 0, 1));
    GroupState state = GroupState::ok;
    const auto nothing = [](const Delivery&) {
        return Verdict::done;
    };
    const auto polling = [&](const Delivery&) {
        state = member.poll(nothing, 1).state;
        return Verdict::done;
    };
    CHECK(member.poll(polling, 1).events == 1);
    CHECK(state == GroupState::in_handler);
}

}  // namespace group_test
