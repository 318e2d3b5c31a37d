// The journal writer is killed at random instants, again and again, while two publishers go on; its
// successors must leave a journal that holds every event, or an exact gap, and nothing twice.
#include "stream/recorded_stream.hpp"
#include "support/child_process.hpp"
#include "support/pause.hpp"
#include "support/seeded_random.hpp"
#include "support/shared_object.hpp"
#include "support/test_length.hpp"
#include "support/watchdog.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <atomic>

namespace recorder_killed {

namespace {

using namespace tailrace;
using namespace tailrace::test;

constexpr std::uint32_t kPublishers = 2;
constexpr std::uint64_t kRingBytes = std::uint64_t{4} << 20U;
constexpr std::uint64_t kLargestEventBytes = 256;
static_assert(kLargestNumberedBytes + 2 * sizeof(EventHeader) <= kLargestEventBytes);
// So far ahead of the journal they may get: dead recorders hold no gate.
constexpr std::uint64_t kMostUnjournaled = kRingBytes / kLargestEventBytes / 2;
constexpr std::uint64_t kMostPauseNs = 3'000'000;

struct Stage {
    std::atomic<bool> stop{false};
    std::array<std::atomic<std::uint64_t>, kPublishers> published{};
    std::atomic<std::uint64_t> acknowledged{0};  // everything below was promised to be durable
};

TEST_CASE("recorder: killed two hundred times, and the journal holds every acknowledged event once",
          "[crash]") {
    const Watchdog watchdog("recorder killed", 280);
    SeededRandom random("recorder killed");
    bus::StreamOptions roomy = small_stream();
    roomy.capacity_bytes = kRingBytes;
    const RecordedStream recorded(roomy);
    SharedObject<Stage> stage;

    std::vector<ChildProcess> publishers;
    for (std::uint32_t id = 0; id < kPublishers; ++id) {
        publishers.emplace_back([&, id] {
            auto publisher = recorded.stream().publisher();
            const auto region = recorded.stream().open();
            while (!stage->stop.load()) {
                // The ring holds what comes while nobody records, however long that lasts.
                const Sequence durable = bus::durable_sequence(*region);
                if (region->tail().sequence < durable + kMostUnjournaled) {
                    if (!publish_numbered(publisher, id, stage->published[id].load(), 1)) return 1;
                    stage->published[id].fetch_add(1);
                }
                ::usleep(200);
            }
            return 0;
        });
    }
    const auto region = recorded.stream().open();

    const int kills = static_cast<int>(test_length(60, 200, "TAILRACE_KILLS"));
    int killed = 0;
    int advanced = 0;
    for (int round = 0; round < kills; ++round) {
        ChildProcess recorder([&] {
            auto own = recorded.try_record();
            if (!own) {
                std::fprintf(stderr, "record: %s\n", own.error().message.c_str());
                return 1;
            }
            const auto ran = own->run(stage->stop);
            return ran ? 0 : 1;
        });
        // Every other time once it has made something durable, else anywhere: in recovery, while it
        // makes files.
        if (round % 2 == 0) {
            const Sequence target = region->tail().sequence + random.below(20);
            wait_until([&] { return bus::durable_sequence(*region) > target; });
        }
        for (Pause pause(random.below(3000), kMostPauseNs); pause.goes_on();)
            ::sched_yield();
        const Sequence durable = bus::durable_sequence(*region);
        if (durable > stage->acknowledged.load()) {
            stage->acknowledged.store(durable);
            ++advanced;
        }
        if (recorder.kill().was_killed()) ++killed;
    }
    stage->stop.store(true);
    for (ChildProcess& publisher : publishers)
        CHECK(publisher.wait().exit_code == 0);
    auto last = recorded.recorder();
    REQUIRE(record_all(last, *region));
    REQUIRE(last.close());

    CHECK(killed == kills);
    CHECK(advanced >= kills / 2);
    const JournalContent content = read_journal(recorded.journal_directory());
    CHECK(content.torn == 0);
    CHECK(content.gaps.empty());
    CHECK(content.end_sequence == region->tail().sequence);
    CHECK(content.events.size() == stage->published[0] + stage->published[1]);
    CHECK(is_in_order(content));
    CHECK(content.end_sequence >= stage->acknowledged.load());
}

}  // namespace

}  // namespace recorder_killed
