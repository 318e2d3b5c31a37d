// What others do between two looks of a StreamReader, made to happen there.
#include "stream/recorded_stream.hpp"
#include "support/step_script.hpp"
#include "support/watchdog.hpp"

#include <tailrace/stream/stream_reader.hpp>

#include <catch2/catch.hpp>

#include <vector>

namespace slide_steps_test {

using namespace tailrace;
using namespace tailrace::stream;
using namespace tailrace::test;

TEST_CASE("stream reader: what is written between its two looks at the log's end isn't called gone",
          "[crash][stream_reader]") {
    const Watchdog watchdog("two looks at the log's end");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    const auto region = recorded.stream().open();
    std::uint64_t next = 0;
    const auto publish = [&](std::uint64_t count) {
        REQUIRE(publish_numbered(publisher, 1, next, count));
        next += count;
    };
    const auto record = [&] {
        auto recorder = recorded.recorder();
        REQUIRE(record_all(recorder, *region));
        REQUIRE(recorder.close());
    };
    publish(10);
    record();
    publish(10);
    StreamReaderOptions options;
    options.bus_directory = recorded.stream().directory();
    options.from = Position::at(15);
    options.without_recorder = true;
    auto reader = expect(StreamReader::attach(recorded.stream().name(), options), "attach");
    publish(3'000);  // nobody records, and the ring goes on without the reader
    // A recorder comes and goes, and the ring goes on again.
    bool has_happened = false;
    Sequence recorded_from = 0;
    StepScript script;
    script.at("stream_reader.not_written_yet", 1, [&] {
        has_happened = true;
        {
            auto recorder = recorded.recorder();
            recorded_from = recorder.status().first_sequence + recorder.status().lost_events;
            REQUIRE(record_all(recorder, *region));
            REQUIRE(recorder.close());
        }
        publish(3'000);
    });
    std::vector<Sequence> read;
    std::vector<bus::Gap> gaps;
    while (reader.next_sequence() < next) {
        const auto result =
            reader.poll([&](const Event& event) { read.push_back(event.sequence()); }, 64);
        if (result.state == bus::PollState::gap) gaps.push_back(reader.last_gap());
        REQUIRE(result.state <= bus::PollState::gap);
    }
    CHECK(has_happened);
    REQUIRE_FALSE(gaps.empty());
    CHECK(gaps.front().first == 15);
    CHECK(gaps.front().first + gaps.front().count == recorded_from);
    REQUIRE_FALSE(read.empty());
    CHECK(read.front() == recorded_from);
}

}  // namespace slide_steps_test
