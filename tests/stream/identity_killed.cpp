// Who publishes under a name and who records are killed at random instants, again and again; then
// the power goes as far as a test may take it: the ring is made anew. The log has each number once,
// in order, and whoever comes next is told the last one that it has.
#include "stream/cursor_story.hpp"
#include "support/child_process.hpp"
#include "support/pause.hpp"
#include "support/seeded_random.hpp"
#include "support/shared_object.hpp"
#include "support/step_script.hpp"
#include "support/test_length.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/identity.hpp>
#include <tailrace/journal/reader.hpp>

#include <catch2/catch.hpp>

#include <atomic>
#include <string>
#include <vector>

namespace identity_killed {

namespace {

using namespace tailrace;
using namespace tailrace::test;

constexpr const char* kName = "gateway";
constexpr std::uint64_t kRingBytes = std::uint64_t{1} << 20U;

bus::Publisher attach(const RecordedStream& recorded) {
    bus::PublisherOptions options;
    options.directory = recorded.stream().directory();
    options.identity = kName;
    return expect(bus::Publisher::attach(recorded.stream().name(), options), "attach");
}

// Publishes from where the last one had come to until it is killed; no further ahead of the journal
// than the ring holds, since dead recorders hold no gate.
int publish(const RecordedStream& recorded, const std::atomic<bool>& stop) {
    auto publisher = attach(recorded);
    const auto region = recorded.stream().open();
    const std::vector<std::byte> payload(100);
    OwnSequence own = publisher.last_published() + 1;
    while (!stop.load()) {
        if (region->tail().sequence > bus::durable_sequence(*region) + 2'000) {
            ::usleep(100);
            continue;
        }
        bus::EventFields fields;
        fields.own_sequence = own;
        if (publisher.publish(payload, fields) != bus::PublishStatus::ok) return 1;
        ++own;
    }
    return 0;
}

int record(const RecordedStream& recorded, const std::atomic<bool>& stop) {
    auto recorder = recorded.try_record();
    if (!recorder) {
        std::fprintf(stderr, "record: %s\n", recorder.error().message.c_str());
        return 1;
    }
    return recorder->run(stop) ? 0 : 1;
}

// The numbers in the log, which come without a gap.
std::vector<OwnSequence> journaled(const RecordedStream& recorded) {
    std::vector<OwnSequence> numbers;
    auto log = expect(journal::Reader::open(recorded.journal_directory()), "open");
    for (;;) {
        const auto step = expect(log.next_batch(), "read");
        if (step.kind == journal::ReadKind::end) return numbers;
        REQUIRE(step.kind == journal::ReadKind::event);
        for (const Event& event : step.batch) {
            if (event.publisher_id() == bus::identity_id(kName))
                numbers.push_back(event.publisher_sequence());
        }
    }
}

bool is_dense(const std::vector<OwnSequence>& numbers) {
    OwnSequence expected = 0;
    for (const OwnSequence number : numbers) {
        if (number != ++expected) return false;
    }
    return true;
}

}  // namespace

TEST_CASE("identity: publisher and recorder are killed, and each number is in the log once",
          "[crash][identity]") {
    const Watchdog watchdog("identity killed", 280);
    SeededRandom random("identity killed");
    bus::StreamOptions roomy = small_stream();
    roomy.capacity_bytes = kRingBytes;
    const RecordedStream recorded(roomy);
    SharedObject<std::atomic<bool>> stop;
    const auto region = recorded.stream().open();
    ChildProcess publisher([&] { return publish(recorded, *stop); });
    ChildProcess recorder([&] { return record(recorded, *stop); });
    const std::uint64_t kills = test_length(30, 300, "TAILRACE_KILLS");
    for (std::uint64_t round = 0; round < kills; ++round) {
        const Sequence target = region->tail().sequence + 1 + random.below(3'000);
        Pause pause(100'000, 20'000'000);
        while (region->tail().sequence < target && pause.goes_on()) {
        }
        if (random.one_in(2)) {
            REQUIRE(publisher.kill().was_killed());
            publisher = ChildProcess([&] { return publish(recorded, *stop); });
        } else {
            REQUIRE(recorder.kill().was_killed());
            recorder = ChildProcess([&] { return record(recorded, *stop); });
        }
    }
    // Everybody is killed, and the ring goes with them, as in a power cut.
    publisher.kill();
    recorder.kill();
    remake_stream(recorded);
    const std::vector<OwnSequence> before = journaled(recorded);
    CHECK(is_dense(before));
    stop->store(false);
    recorder = ChildProcess([&] { return record(recorded, *stop); });
    wait_until(
        [&] { return bus::identity_scope(*recorded.stream().open()) == bus::IdentityScope::all; });
    CHECK(attach(recorded).last_published() == before.size());
    {
        auto successor = attach(recorded);
        const std::vector<std::byte> payload(100);
        for (OwnSequence own = before.size() + 1; own <= before.size() + 50; ++own) {
            bus::EventFields fields;
            fields.own_sequence = own;
            REQUIRE(successor.publish(payload, fields) == bus::PublishStatus::ok);
        }
    }
    stop->store(true);
    CHECK(recorder.wait().exit_code == 0);
    const std::vector<OwnSequence> after = journaled(recorded);
    CHECK(is_dense(after));
    CHECK(after.size() == before.size() + 50);
}

// The ledger says that there may be names before the log has any.
TEST_CASE("identity: a recorder that dies before it has said so has recorded nothing of it",
          "[crash][identity]") {
    for (const char* const step : {"identity_tracker.ledger_read", "identity_tracker.begun"}) {
        CAPTURE(step);
        const Watchdog watchdog(step);
        const RecordedStream recorded;
        {
            auto publisher = attach(recorded);
            bus::EventFields fields;
            fields.own_sequence = 7;
            REQUIRE(publisher.publish({}, fields) == bus::PublishStatus::ok);
        }
        SharedObject<std::atomic<bool>> stop;
        ChildProcess recorder([&] {
            StepScript script;
            script.die_at(step);
            return record(recorded, *stop);
        });
        REQUIRE(recorder.wait().was_killed());
        CHECK(journaled(recorded).empty());
        ChildProcess successor([&] { return record(recorded, *stop); });
        const auto region = recorded.stream().open();
        wait_until([&] { return bus::durable_sequence(*region) == 1; });
        stop->store(true);
        CHECK(successor.wait().exit_code == 0);
        CHECK(journaled(recorded) == std::vector<OwnSequence>{7});
        const auto ledger = ledger_of(recorded);
        REQUIRE(ledger.identities);
        CHECK(ledger.identities->known.front().last_own == 7);
    }
}

}  // namespace identity_killed
