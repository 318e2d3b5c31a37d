// The last write of a killed writer, which may reach the disk long after its lock is free.

#include "assessment.hpp"
#include "reader_core.hpp"
#include "simulated_lab.hpp"
#include "support/test_length.hpp"
#include "verify_core.hpp"

#include <tailrace/base/file_lock.hpp>
#include <tailrace/base/unique_fd.hpp>

#include <catch2/catch.hpp>

#include <fcntl.h>

#include <filesystem>
#include <vector>

namespace tailrace::journal::late_write_test {

namespace {

// Three events are durable, two more are on their way when the writer is killed; they arrive after
// so many operations.
void kill_with_writes_in_flight(SimulatedLab& lab, std::uint64_t arrival) {
    lab.open();
    EventShape shape;
    shape.payload_bytes = 60'000;
    for (Sequence sequence = 0; sequence < 5; ++sequence) {
        lab.disk.faults.hold_completions = sequence >= 3;
        shape.record_salt = kTestSalt + sequence;  // a batch of its own
        TAILRACE_CHECK(lab.writer->append(make_events(sequence, 1, shape).run()).event_count == 1);
        if (sequence < 3) TAILRACE_CHECK(lab.writer->sync(kSecondNs).has_value());
    }
    (void)lab.writer->drive(0);
    lab.disk.faults.hold_completions = false;
    lab.disk.kill_process_with_late_writes(arrival);
    lab.disk.cut();  // while the object goes away, which a killed process would not have done
    lab.writer.reset();
    lab.disk.kill_process();
}

}  // namespace

TEST_CASE("late write: recovery waits for it, and what it finds is final", "[journal][recovery]") {
    SimulatedLab lab(61);
    kill_with_writes_in_flight(lab, 1'000'000);
    const auto fired = [&lab] {
        return lab.disk.fired()[static_cast<std::size_t>(Fault::late_write)];
    };
    // Whoever only looks, waits for nobody.
    const auto looked = assess(lab.disk, "/sim", AssessMode::looking);
    REQUIRE(looked);
    CHECK(looked->end.sequence == 3);
    CHECK(fired() == 0);
    const auto found = assess(lab.disk, "/sim", AssessMode::deciding);
    REQUIRE(found);
    CHECK(fired() > 0);
    CHECK(found->end.sequence > 3);
    lab.disk.settle();  // nothing else lands
    const auto again = assess(lab.disk, "/sim", AssessMode::deciding);
    REQUIRE(again);
    CHECK(again->end.sequence == found->end.sequence);
    CHECK(again->end.offset == found->end.offset);
}

TEST_CASE("late write: never lands in a file that has become another segment",
          "[journal][search][recovery][retention]") {
    // Whenever it arrives: in recovery, or when its segment has been given up and used again.
    const std::uint64_t stride = test::is_full_length() ? 5 : 20;
    const std::uint64_t first = 1 + test::sample_offset(stride);
    for (std::uint64_t arrival = first; arrival < 400; arrival += stride) {
        INFO("arrives after " << arrival);
        SimulatedLab lab(67);
        lab.options.retain_size_bytes = 2 * kMiB;
        kill_with_writes_in_flight(lab, arrival);
        lab.open();
        const Sequence begin = lab.writer->next_sequence();
        REQUIRE(begin >= 3);
        for (int round = 0; round < 16; ++round) {
            lab.fill_half_segment();
            REQUIRE(lab.writer->state() == WriterState::running);
            const auto report = VerifyCore(lab.disk, "/sim", {}, 1).run();
            REQUIRE(report);
            for (const Finding& finding : report->findings)
                FAIL(finding.text);
            REQUIRE(report->end_sequence == lab.writer->next_sequence());
        }
        REQUIRE(lab.writer->statistics().recycled_segments > 1);
        REQUIRE(lab.disk.fired()[static_cast<std::size_t>(Fault::late_write)] > 0);
    }
}

TEST_CASE("late write: a writer lets go of its file though others have a reference to it",
          "[journal][lock]") {
    const TempDirectory temp;
    auto writer = Writer::open(small_options(temp.journal()));
    REQUIRE(writer);
    REQUIRE(append_all(*writer, make_events(0, 3)));
    REQUIRE(writer->sync(30 * kSecondNs));
    const std::string path = newest_segment(temp.journal());
    const UniqueFd look(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(is_locked(look.get(), 1));
    // The writer's own descriptions of that file, for longer than it has them.
    std::vector<UniqueFd> references;
    std::vector<int> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone;
        const int fd = std::stoi(entry.path().filename());
        if (std::filesystem::read_symlink(entry.path(), gone) == path && fd != look.get())
            found.push_back(fd);
    }
    references.reserve(found.size());
    for (const int fd : found)
        references.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    REQUIRE(!references.empty());
    const auto end = GENERATE(0, 1, 2);
    if (end == 0) REQUIRE(writer->close());
    if (end == 1) writer = make_error(ErrorCode::closed, "destroyed");
    if (end == 2) {  // it goes on to the next segment
        EventShape shape;
        shape.payload_bytes = 60'000;
        REQUIRE(append_all(*writer, make_events(3, 20, shape)));
        REQUIRE(writer->sync(30 * kSecondNs));
        REQUIRE(newest_segment(temp.journal()) != path);
    }
    CHECK_FALSE(is_locked(look.get(), 1));
}

}  // namespace tailrace::journal::late_write_test
