// Readers that slide while a publisher runs at full speed and a recorder keeps up as it can: every
// event comes once, as it was published.

#include "stream/recorded_stream.hpp"
#include "support/seeded_random.hpp"
#include "support/test_length.hpp"
#include "support/watchdog.hpp"

#include <tailrace/stream/stream_reader.hpp>

#include <catch2/catch.hpp>

#include <atomic>
#include <thread>

namespace slide_stress_test {

namespace {

using namespace tailrace;
using namespace tailrace::stream;
using namespace tailrace::test;

// One publisher whose events carry their sequences, and a recorder, until it goes away.
class BusyStream {
public:
    BusyStream(std::uint64_t capacity_bytes, std::uint64_t retain_size_bytes)
        : recorded_(options_of(capacity_bytes)),
          publisher_(recorded_.stream().publisher()),
          recorder_(recorded_, recorder_options(retain_size_bytes)) {
        publishing_ = std::thread([this] { publish(); });
    }
    BusyStream(const BusyStream&) = delete;
    BusyStream& operator=(const BusyStream&) = delete;
    ~BusyStream() { stop_publishing(); }

    void stop_publishing() {
        stop_publishing_.store(true);
        if (publishing_.joinable()) publishing_.join();
    }
    [[nodiscard]] Sequence published() const { return published_.load(); }
    [[nodiscard]] const TestStream& stream() const { return recorded_.stream(); }

private:
    static bus::StreamOptions options_of(std::uint64_t capacity_bytes) {
        bus::StreamOptions options = small_stream();
        options.capacity_bytes = capacity_bytes;
        return options;
    }
    [[nodiscard]] RecorderOptions recorder_options(std::uint64_t retain_size_bytes) const {
        RecorderOptions options = recorded_.options();
        options.journal.segment_size_bytes = std::uint64_t{64} << 20U;
        options.journal.retain_size_bytes = retain_size_bytes;
        options.journal.sync_policy = journal::SyncPolicy::interval;
        return options;
    }
    void publish() {
        while (!stop_publishing_.load()) {
            const Sequence next = published_.load();
            if (!publish_numbered(publisher_, 1, next, 1, bus::Deadline::in_ms(10'000))) return;
            published_.store(next + 1);
        }
    }

    RecordedStream recorded_;
    bus::Publisher publisher_;
    RunningRecorder recorder_;
    std::atomic<bool> stop_publishing_{false};
    std::atomic<Sequence> published_{0};
    std::thread publishing_;
};

struct Found {
    std::uint64_t events = 0;
    std::uint64_t wrong = 0;  // another event than the next one, or other bytes
    std::uint64_t gaps = 0;
};

// Reads `count` events from wherever the reader stands.
void read_on(StreamReader& reader, std::uint64_t count, Found& found) {
    Sequence next = reader.next_sequence();
    const Sequence end = next + count;
    while (next < end) {
        const bus::PollResult result = reader.poll_until(
            [&](const Event& event) {
                const auto numbered = read_numbered(event.payload());
                if (event.sequence() != next || !numbered || numbered->number != next)
                    ++found.wrong;
                next = event.sequence() + 1;
                ++found.events;
            },
            std::min<std::uint64_t>(64, end - next),
            bus::Deadline::in_ms(20'000));
        if (result.state == bus::PollState::gap) ++found.gaps;
        if (result.state > bus::PollState::ok && result.events == 0) return;
    }
}

}  // namespace

TEST_CASE(
    "stream reader: joined at any place under a publisher at full speed, each event comes once",
    "[stress][stream_reader]") {
    const std::uint64_t capacity_bytes =
        GENERATE(std::uint64_t{64} << 10U, std::uint64_t{1} << 20U, std::uint64_t{64} << 20U);
    CAPTURE(capacity_bytes);
    const Watchdog watchdog("stream readers that join", 280);
    SeededRandom random("slide stress");
    const std::uint64_t joins = test_length(60, 3'400, "TAILRACE_JOINS");
    BusyStream busy(capacity_bytes, std::uint64_t{1} << 30U);
    // About as many events as the ring holds: that far back ring and journal meet.
    const std::uint64_t ring_events = capacity_bytes / 160;
    while (busy.published() < 3 * ring_events)
        std::this_thread::yield();

    Found found;
    std::uint64_t in_journal = 0;
    std::uint64_t refused = 0;
    constexpr std::uint64_t kRead = 2'000;
    for (std::uint64_t join = 0; join < joins; ++join) {
        StreamReaderOptions options;
        options.bus_directory = busy.stream().directory();
        options.policy = random.one_in(3) ? bus::SlowPolicy::observe : bus::SlowPolicy::spill;
        const Sequence published = busy.published();
        const std::uint64_t back = random.below(2 * ring_events);
        options.from = Position::at(published - back);
        auto reader = StreamReader::attach(busy.stream().name(), options);
        if (!reader) {
            ++refused;
            continue;
        }
        if (reader->next_sequence() != published - back) ++found.wrong;
        if (reader->source() == Source::journal) ++in_journal;
        read_on(*reader, kRead, found);
    }
    CHECK(refused == 0);
    CHECK(found.wrong == 0);
    CHECK(found.gaps == 0);
    CHECK(found.events == joins * kRead);
    CHECK(in_journal > 0);
}

TEST_CASE("stream reader: a hundred times slower than the publisher it loses nothing",
          "[stress][stream_reader]") {
    const Watchdog watchdog("stream reader that is slow", 280);
    BusyStream busy(std::uint64_t{64} << 10U, 0);
    StreamReaderOptions options;
    options.bus_directory = busy.stream().directory();
    options.from = Position::start();
    auto reader = expect(StreamReader::attach(busy.stream().name(), options), "attach the reader");
    // The ring may have gone on already.
    const bool begins_in_journal = reader.source() == Source::journal;
    Found found;
    const std::uint64_t most = test_length(300'000, 20'000'000, "TAILRACE_EVENTS");
    // It has read one of a hundred of what was published, until that is enough: so it is behind
    // by far more than the ring holds, whatever the pace of either.
    while (busy.published() < most) {
        const std::uint64_t allowed = busy.published() / 100;
        if (allowed > reader.next_sequence())
            read_on(reader, allowed - reader.next_sequence(), found);
        std::this_thread::yield();
    }
    busy.stop_publishing();
    read_on(reader, busy.published() - reader.next_sequence(), found);
    CHECK(found.wrong == 0);
    CHECK(found.gaps == 0);
    CHECK(found.events == busy.published());
    CHECK((begins_in_journal || reader.spill_count() > 0));
    CHECK(reader.lost_events() == 0);
}

}  // namespace slide_stress_test
