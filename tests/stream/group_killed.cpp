// Members of a group are killed at random instants and at named steps, stopped until the others
// take them for stuck, and go on; their publisher is killed too. In the end every event that was
// published has been handled, or is counted as lost; none was given to two handlers with the same
// count of tries; and one that kills whoever handles it ends in the dead letters, alone.
#include "stream/recorded_stream.hpp"
#include "support/child_process.hpp"
#include "support/pause.hpp"
#include "support/seeded_random.hpp"
#include "support/shared_object.hpp"
#include "support/step_script.hpp"
#include "support/test_length.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/journal_board.hpp>
#include <tailrace/stream/group_member.hpp>
#include <tailrace/stream/group_status.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace group_killed {

namespace {

using namespace tailrace;
using namespace tailrace::stream;
using namespace tailrace::test;

constexpr Sequence kMostEvents = Sequence{16} << 20U;
constexpr std::uint64_t kMostPauseNs = 3'000'000;
constexpr std::size_t kMembers = 3;
constexpr EventType kPoison = 13;

// Where a member may die, but for those steps of the ring that others kill at (tests/crash).
constexpr std::array kSteps = {
    "group.buried",       "group.cursor_taken", "group.done",
    "group.dying",        "group.filled",       "group.floor_raised",
    "group.handled",      "group.leaving",      "group.loss_counted",
    "group.loss_ended",   "group.loss_noted",   "group.lost",
    "group.making",       "group.named",        "group.named_in_seat",
    "group.passed",       "group.put_back",     "group.raising_floor",
    "group.seat_cleared", "group.seat_locked",  "group.seated",
    "group.taken",        "group.taken_again",  "group.taken_back",
    "group.taking",       "group.taking_back",  "cursor.made",
    "cursor.taken",       "subscriber.copied",  "subscriber.gate_registered",
};
// Without these the story would be about something else.
constexpr std::array kSurelyPassed = {"group.done",
                                      "group.handled",
                                      "group.seated",
                                      "group.taken",
                                      "group.taken_again",
                                      "group.taken_back"};

struct Stage {
    std::atomic<bool> stop_publishing;
    std::atomic<Sequence> work_until;        // members end when the floor is there; 0: not known
    std::atomic<std::uint64_t> wrong;        // bytes that nobody published
    std::atomic<std::uint64_t> unannounced;  // given to two handlers with the same tries
    std::atomic<std::uint64_t> told;         // events that members called lost
    std::atomic<std::uint64_t> taken_away;
    std::array<std::atomic<std::uint64_t>, kMostEvents> tries;  // a bit each
    std::array<std::atomic<bool>, kMostEvents> yes;             // its handler has ended
    std::array<std::atomic<bool>, kMostEvents> committed;
    std::array<std::atomic<std::uint32_t>, kSteps.size()> deaths;  // at each step
};

// A life that ends at one of the steps, if it passes that so often before somebody kills it.
ChildProcess live(Stage& stage, SeededRandom& random, const std::function<int()>& role) {
    const std::size_t step = random.below(kSteps.size());
    const unsigned nth = 1 + static_cast<unsigned>(random.below(random.one_in(2) ? 3 : 200));
    return ChildProcess([&, step, nth] {
        StepScript script;
        script.at(kSteps[step], nth, [&] {
            stage.deaths[step].fetch_add(1);
            die_here();
        });
        return role();
    });
}

int publish(Stage& stage, const TestStream& stream) {
    auto publisher = stream.publisher();
    SeededRandom random(static_cast<std::uint64_t>(::getpid()));
    while (!stage.stop_publishing.load()) {
        for (std::uint64_t left = 1 + random.below(60); left > 0; --left) {
            bus::Claim claim;
            const auto status = publisher.claim(claim, 8, 0, bus::Deadline::in_ms(60'000));
            if (status != bus::PublishStatus::ok) return 1;
            if (claim.sequence + 2000 >= kMostEvents) return 0;
            const Sequence sequence = claim.sequence;
            const std::uint64_t word = numbered_hash(sequence);
            std::memcpy(claim.payload.data(), &word, sizeof(word));
            if (publisher.commit(claim) != bus::PublishStatus::ok) return 1;
            stage.committed[sequence].store(true);
        }
        for (Pause pause(50, 200'000); pause.goes_on();)
            ::sched_yield();
    }
    return 0;
}

Verdict work(Stage& stage, const Delivery& delivery, SeededRandom& random) {
    const Event& event = delivery.event();
    const Sequence sequence = event.sequence();
    if (event.as<std::uint64_t>() != numbered_hash(sequence)) stage.wrong.fetch_add(1);
    const std::uint64_t bit = std::uint64_t{1} << std::min(delivery.tries(), 63U);
    const bool is_again = (stage.tries[sequence].fetch_or(bit) & bit) != 0;
    if (is_again && delivery.tries() < 63) stage.unannounced.fetch_add(1);
    if (delivery.tries() == 1 && random.one_in(500)) return Verdict::again;
    // Long enough to be stopped or killed in the middle of it.
    if (random.one_in(100)) {
        for (Pause pause(1000, 2'000'000); pause.goes_on();)
            ::sched_yield();
    }
    stage.yes[sequence].store(true);
    return Verdict::done;
}

int be_member(Stage& stage, const TestStream& stream) {
    GroupOptions options;
    options.group = "work";
    options.window_events = 1024;
    options.max_tries = 1000;
    options.stall_ns = 30'000'000;
    options.without_recorder = true;
    options.bus_directory = stream.directory();
    auto member = GroupMember::join(stream.name(), options);
    if (!member) {
        std::fprintf(stderr, "join: %s\n", member.error().message.c_str());
        return 1;
    }
    SeededRandom random(static_cast<std::uint64_t>(::getpid()));
    std::uint64_t taken_away = 0;
    for (;;) {
        const Sequence end = stage.work_until.load();
        if (end != 0 && member->floor() >= end) return 0;
        std::vector<Lease> leases;
        const auto handler = [&](const Delivery& delivery) {
            const Verdict verdict = work(stage, delivery, random);
            if (random.one_in(20)) leases.push_back(delivery.hold());
            return verdict;
        };
        const auto result =
            member->poll_until(handler, 1 + random.below(32), bus::Deadline::in_ms(10));
        for (Lease& lease : leases)
            static_cast<void>(stage.yes[lease.sequence()].load() ? lease.done() : lease.again());
        stage.taken_away.fetch_add(member->lost_leases() - taken_away);
        taken_away = member->lost_leases();
        if (result.state == GroupState::lost) stage.told.fetch_add(member->last_lost().count);
        if (result.state > GroupState::lost) {
            std::fprintf(stderr,
                         "work: %s: %s\n",
                         std::string(group_state_name(result.state)).c_str(),
                         member->error().message.c_str());
            return 1;
        }
    }
}

GroupStatus status_of(const bus::Region& region) {
    const auto groups = read_groups(region);
    REQUIRE(groups.size() == 1);
    return groups.front();
}

// Kills and stops them for a while, then lets them come to the end.
void tell_story(Stage& stage, const TestStream& stream, SeededRandom& random) {
    const auto region = stream.open();
    const auto publishing = [&] {
        return publish(stage, stream);
    };
    const auto working = [&] {
        return be_member(stage, stream);
    };
    ChildProcess publisher(publishing);
    std::array<ChildProcess, kMembers> members;
    std::array<int, kMembers> stopped_for{};  // rounds that are left
    for (ChildProcess& member : members)
        member = live(stage, random, working);

    const int kills = static_cast<int>(test_length(150, 10'000, "TAILRACE_KILLS"));
    int killed = 0;
    for (int round = 0; round < kills; ++round) {
        for (Pause pause(random.below(4000), kMostPauseNs); pause.goes_on();)
            ::sched_yield();
        for (std::size_t index = 0; index < kMembers; ++index) {
            if (stopped_for[index] > 0 && --stopped_for[index] == 0) members[index].resume();
        }
        const std::size_t index = random.below(kMembers);
        if (random.one_in(5) && stopped_for[index] == 0) {
            members[index].stop();
            stopped_for[index] = 1 + static_cast<int>(random.below(100));
            continue;
        }
        if (random.one_in(10)) {
            publisher.kill();
            publisher = ChildProcess(publishing);
        }
        if (members[index].kill().was_killed()) ++killed;
        stopped_for[index] = 0;
        members[index] = live(stage, random, working);
    }
    for (ChildProcess& member : members) {
        member.kill();
        member = ChildProcess(working);
    }
    stage.stop_publishing.store(true);
    CHECK(publisher.wait().exit_code == 0);
    stage.work_until.store(region->tail().sequence);
    for (ChildProcess& member : members)
        CHECK(member.wait().exit_code == 0);

    std::uint32_t at_steps = 0;
    std::size_t steps = 0;
    for (std::size_t step = 0; step < kSteps.size(); ++step) {
        at_steps += stage.deaths[step].load();
        steps += stage.deaths[step].load() != 0 ? 1U : 0U;
    }
    const Sequence end = region->tail().sequence;
    const GroupStatus status = status_of(*region);
    std::uint64_t unhandled = 0;
    std::uint64_t twice = 0;
    for (Sequence sequence = 0; sequence < end; ++sequence) {
        if (stage.committed[sequence].load() && !stage.yes[sequence].load()) ++unhandled;
        if (std::popcount(stage.tries[sequence].load()) > 1) ++twice;
    }
    std::printf(
        "%llu events, %llu tried more than once, %llu lost, %d kills, %u of them at %zu "
        "named steps, %llu taken away from the stuck\n",
        static_cast<unsigned long long>(end),
        static_cast<unsigned long long>(twice),
        static_cast<unsigned long long>(status.lost_events),
        killed,
        at_steps,
        steps,
        static_cast<unsigned long long>(stage.taken_away.load()));
    if (kills >= 2'000) {
        for (const char* const step : kSurelyPassed) {
            CAPTURE(step);
            const auto at = std::find(kSteps.begin(), kSteps.end(), std::string_view(step));
            CHECK(stage.deaths[static_cast<std::size_t>(at - kSteps.begin())].load() != 0);
        }
    }
    CHECK(stage.wrong.load() == 0);
    CHECK(stage.unannounced.load() == 0);
    CHECK(status.floor == end);
    CHECK(status.buried_events == 0);
    CHECK(unhandled <= status.lost_events);
    CHECK(stage.told.load() <= status.lost_events);
    CHECK(status.held_events + status.again_events == 0);
}

}  // namespace

TEST_CASE("group: members are killed and stopped, and each event is handled", "[crash][group]") {
    const Watchdog watchdog("group killed", 880);
    SeededRandom random("group killed");
    SECTION("in a ring alone") {
        const TestStream stream;
        SharedObject<Stage> stage;
        tell_story(*stage, stream, random);
    }
    SECTION("with a journal, and nothing is lost") {
        const RecordedStream recorded;
        SharedObject<Stage> stage;
        SharedObject<std::atomic<bool>> stop_recording;
        ChildProcess recorder([&] {
            auto attached = recorded.try_record();
            return attached && attached->run(*stop_recording) ? 0 : 1;
        });
        const auto region = recorded.stream().open();
        wait_until([&] { return bus::has_journal_writer(*region) || recorder.has_ended(); });
        tell_story(*stage, recorded.stream(), random);
        CHECK(status_of(*region).lost_events == 0);
        stop_recording->store(true);
        CHECK(recorder.wait().exit_code == 0);
    }
}

TEST_CASE("group: an event that kills its members is buried, and none of its neighbours is",
          "[crash][group]") {
    const Watchdog watchdog("group: poison", 120);
    const TestStream stream;
    REQUIRE(bus::Region::create("dead", small_stream(), stream.directory()));
    auto publisher = stream.publisher();
    constexpr Sequence kEvents = 200;
    for (Sequence sequence = 0; sequence < kEvents; ++sequence) {
        const EventType type = sequence % 50 == 7 ? kPoison : EventType{1};
        REQUIRE(publisher.publish(numbered_hash(sequence), type) == bus::PublishStatus::ok);
    }
    GroupOptions options;
    options.group = "work";
    options.max_tries = 3;
    options.dead_letters = "dead";
    options.bus_directory = stream.directory();
    SharedObject<Stage> stage;
    const auto working = [&] {
        auto member = expect(GroupMember::join(stream.name(), options), "join");
        while (member.floor() < kEvents) {
            static_cast<void>(member.poll_until(
                [&](const Delivery& delivery) {
                    if (delivery.event().type() == kPoison) die_here();
                    stage->yes[delivery.event().sequence()].store(true);
                    return Verdict::done;
                },
                16,
                bus::Deadline::in_ms(10)));
        }
        return 0;
    };
    bus::SubscriberOptions reading;
    reading.directory = stream.directory();
    auto dead = expect(bus::Subscriber::attach("dead", reading), "attach to the dead");
    int deaths = 0;
    while (ChildProcess(working).wait().was_killed())
        ++deaths;
    CHECK(deaths == 4 * 3);
    std::vector<std::uint64_t> buried;
    static_cast<void>(dead.poll(
        [&](const Event& event) {
            CHECK(event.type() == kPoison);
            buried.push_back(event.as<std::uint64_t>());
        },
        100));
    std::vector<std::uint64_t> poison;
    for (Sequence sequence = 0; sequence < kEvents; ++sequence) {
        if (sequence % 50 == 7) poison.push_back(numbered_hash(sequence));
        CHECK(stage->yes[sequence].load() == (sequence % 50 != 7));
    }
    std::sort(buried.begin(), buried.end());
    std::sort(poison.begin(), poison.end());
    CHECK(buried == poison);
}

}  // namespace group_killed
