#include "stream/recorded_stream.hpp"
#include "support/child_process.hpp"
#include "support/shared_object.hpp"
#include "support/watchdog.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/stream/stream_reader.hpp>

#include <catch2/catch.hpp>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <optional>
#include <poll.h>
#include <string>

namespace idle_recorder_test {

namespace {

using namespace tailrace;
using namespace tailrace::test;

struct Stage {
    std::atomic<bool> is_recording;
    std::atomic<bool> stop;
};

// How often the threads of a process have given up their core to wait.
std::uint64_t waits_of(pid_t pid) {
    std::uint64_t waits = 0;
    const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
    for (const auto& task : std::filesystem::directory_iterator(tasks)) {
        std::ifstream status(task.path() / "status");
        for (std::string name; status >> name;) {
            std::uint64_t value = 0;
            if (name == "voluntary_ctxt_switches:" && status >> value) waits += value;
        }
    }
    return waits;
}

}  // namespace

TEST_CASE("recorder: idle, it wakes at most ten times a second, and an event wakes it",
          "[stream][recorder]") {
#ifdef TAILRACE_THREAD_SANITIZER
    WARN("SKIPPED: the sanitizer has a thread of its own that wakes ten times a second");
    return;
#endif
    const Watchdog watchdog("idle recorder");
    const RecordedStream recorded;
    auto publisher = recorded.stream().publisher();
    const SharedObject<Stage> stage;
    const bool has_cursor = GENERATE(false, true);
    ChildProcess child([&] {
        auto recorder = recorded.try_record();
        stage->is_recording.store(true);
        return recorder && recorder->run(stage->stop) ? 0 : 1;
    });
    wait_until([&] { return stage->is_recording.load(); });
    const auto record_one = [&](std::uint64_t number) {
        REQUIRE(publish_numbered(publisher, 1, number, 1));
        REQUIRE(publisher.wait_durable(number + 1, bus::Deadline::in_ms(30'000)));
    };
    record_one(0);
    std::optional<stream::StreamReader> reader;
    if (has_cursor) {
        stream::StreamReaderOptions options;
        options.cursor = "idle";
        options.new_cursor_at = Position::at(0);
        options.bus_directory = recorded.stream().directory();
        options.journal_directory = recorded.journal_directory();
        reader.emplace(
            expect(stream::StreamReader::attach(recorded.stream().name(), options), "attach"));
        REQUIRE(reader->commit_durable(bus::Deadline::in_ms(30'000)));
    }

    // The first second is not idle yet: the end of what was written is marked, a cursor is kept.
    (void)::poll(nullptr, 0, 1500);
    const std::uint64_t before = waits_of(child.pid());
    const std::uint64_t from_ns = monotonic_ns();
    (void)::poll(nullptr, 0, 1000);
    const std::uint64_t waits = waits_of(child.pid()) - before;
    const std::uint64_t span_ns = monotonic_ns() - from_ns;
    CHECK(waits > 0);
    CHECK(waits * 1'000'000'000 <= 10 * span_ns);

    record_one(1);
    stage->stop.store(true);
    CHECK(child.wait().exit_code == 0);
}

TEST_CASE("recorder: the segments of a small stream are small", "[stream][recorder]") {
    const Watchdog watchdog("small segments");
    const RecordedStream recorded;
    stream::RecorderOptions options = recorded.options();
    options.journal.segment_size_bytes = 0;
    auto recorder = expect(stream::Recorder::attach("stream", options), "attach");
    std::uint64_t segments = 0;
    for (const auto& file : std::filesystem::directory_iterator(recorded.journal_directory())) {
        if (file.path().extension() != ".seg") continue;
        ++segments;
        CHECK(file.file_size() == std::uint64_t{4} << 20U);
    }
    CHECK(segments == 1);
    REQUIRE(recorder.close());
}

}  // namespace idle_recorder_test
