// What the writer does when the disk fails under it: by a simulated disk, so that the failure comes
// where it should.

#include "journal_fixture.hpp"
#include "reader_core.hpp"
#include "simulated_writer.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <cerrno>

namespace tailrace::journal::writer_failure_test {

namespace {

struct Lab {
    Lab() {
        auto opened = WriterCore::open(small_options("/sim"), around);
        TAILRACE_CHECK(opened.has_value());
        writer = std::move(*opened);
    }

    void append(Sequence first, std::uint64_t count) {
        TAILRACE_CHECK(writer->append(make_events(first, count).run()).event_count == count);
    }
    void drive(int rounds) {
        for (int i = 0; i < rounds; ++i)
            (void)writer->drive(1'000'000);
    }

    SimulatedDisk disk{3};
    WriterEnvironment around = simulated_environment(disk);
    std::unique_ptr<WriterCore> writer;
};

}  // namespace

TEST_CASE("writer: a failed flush freezes durable for good; only opening anew helps",
          "[journal][failure]") {
    const int error = GENERATE(EIO, ENOSPC);
    Lab lab;
    lab.append(0, 10);
    REQUIRE(lab.writer->sync(kSecondNs));
    lab.append(10, 10);
    lab.disk.faults.flush_error = 1000;
    lab.disk.faults.error = error;
    lab.drive(50);
    REQUIRE(lab.disk.injected_faults() == 1);
    CHECK(lab.writer->state() == WriterState::failed);
    CHECK(lab.writer->failure_errno() == error);
    CHECK(lab.writer->failure().message.find("sequence 10") != std::string::npos);
    CHECK(lab.writer->durable_sequence() == 10);

    lab.disk.faults.flush_error = 0;  // it would succeed now: that is the trap
    lab.writer->request_flush();
    lab.drive(50);
    CHECK(lab.writer->append(make_events(20, 1).run()).status == AppendStatus::failed);
    CHECK(lab.writer->note_gap(20, 1) == AppendStatus::failed);
    CHECK_FALSE(lab.writer->sync(kSecondNs));
    CHECK_FALSE(lab.writer->close(kSecondNs));
    CHECK(lab.writer->durable_sequence() == 10);
    CHECK(lab.writer->state() == WriterState::failed);
    CHECK(lab.disk.flushes_after_failed_flush() == 0);

    lab.writer.reset();
    lab.disk.kill_process();
    auto next = WriterCore::open(small_options("/sim"), lab.around);
    REQUIRE(next);
    // What the cache pretended to have was never on the disk.
    CHECK((*next)->next_sequence() == 10);
    CHECK((*next)->durable_sequence() == 10);
}

TEST_CASE("writer: a failed write freezes durable at what stands before it", "[journal][failure]") {
    Lab lab;
    lab.append(0, 10);
    REQUIRE(lab.writer->sync(kSecondNs));
    lab.disk.faults.write_error = 1000;
    lab.append(10, 10);
    lab.drive(50);
    CHECK(lab.writer->state() == WriterState::failed);
    CHECK(lab.writer->failure_errno() == EIO);
    CHECK(lab.writer->written_sequence() == 10);
    CHECK(lab.writer->durable_sequence() == 10);
}

TEST_CASE("writer: short and interrupted writes are completed without a trace",
          "[journal][failure]") {
    Lab lab;
    lab.disk.faults.short_write = 300;
    lab.disk.faults.again = 200;
    EventShape shape;
    shape.payload_bytes = 3000;
    Sequence next = 0;
    for (int i = 0; i < 200; ++i) {
        next += lab.writer->append(make_events(next, 10, shape).run()).event_count;
        (void)lab.writer->drive(1'000'000);
    }
    REQUIRE(lab.writer->sync(100 * kSecondNs));
    CHECK(lab.disk.injected_faults() > 10);
    CHECK(lab.writer->statistics().resubmissions > 10);
    CHECK(lab.writer->durable_sequence() == next);
    lab.writer.reset();
    lab.disk.cut();
    lab.disk.power_on(Survival::nothing);
    auto reader = ReaderCore::open(lab.disk, "/sim");
    REQUIRE(reader);
    CHECK(*(*reader)->end_sequence() == next);
}

TEST_CASE("writer: a failure while the segment rolls is final, and the next writer goes on",
          "[journal][failure]") {
    // Stops the machine after each number of operations in turn, so that every step of the roll is
    // met.
    std::uint64_t rolled = 0;
    for (std::uint64_t stop = 1; stop < 40; ++stop) {
        Lab lab;
        EventShape shape;
        shape.payload_bytes = 60'000;
        Sequence next = 0;
        while (next < 16) {  // as many as fit: the next one rolls
            next += lab.writer->append(make_events(next, 1, shape).run()).event_count;
            REQUIRE(lab.writer->sync(kSecondNs));
        }
        const Sequence acknowledged = lab.writer->durable_sequence();
        REQUIRE(lab.writer->statistics().segments == 1);
        lab.disk.stop_after(stop);
        (void)lab.writer->append(make_events(next, 1, shape).run());
        lab.drive(60);
        const Sequence last = std::max(acknowledged, lab.writer->durable_sequence());
        if (lab.writer->statistics().segments > 1) ++rolled;
        lab.writer.reset();
        lab.disk.cut();
        lab.disk.power_on(stop % 2 == 0 ? Survival::nothing : Survival::some);
        auto opened = WriterCore::open(small_options("/sim"), lab.around);
        INFO("stopped after " << stop);
        REQUIRE(opened);
        CHECK((*opened)->next_sequence() >= last);
        CHECK((*opened)->next_sequence() <= next + 1);
    }
    CHECK(rolled > 0);
    CHECK(rolled < 39);
}

namespace {

// Takes what is submitted and never says what became of it.
class SilentQueue final : public WriteQueue {
public:
    bool submit_write(FileId,
                      std::uint64_t,
                      std::span<const std::byte>,
                      std::uint64_t) noexcept override {
        return true;
    }
    bool submit_flush(FileId, std::uint64_t) noexcept override { return true; }
    bool submit_durable_write(DurableWrite,
                              FileId,
                              std::uint64_t,
                              std::span<const std::byte>,
                              std::uint64_t) noexcept override {
        return true;
    }
    [[nodiscard]] std::span<const DurableWrite> durable_writes() const noexcept override {
        static constexpr std::array kKinds = {DurableWrite::dsync, DurableWrite::linked_flush};
        return kKinds;
    }
    int kick() noexcept override { return 0; }
    IoOutcome reap(std::span<Completion>, std::uint64_t) noexcept override { return {}; }
    [[nodiscard]] std::string_view name() const noexcept override { return "silent"; }
};

}  // namespace

TEST_CASE("writer: a file in which a trial write is still under way becomes no segment",
          "[journal][failure]") {
    SimulatedDisk disk(5);
    WriterEnvironment around = simulated_environment(disk);
    const auto sound = around.make_queue;
    around.make_queue = [&sound](std::size_t depth,
                                 std::span<const std::byte> memory,
                                 std::string& reason) -> Result<std::unique_ptr<WriteQueue>> {
        if (!memory.empty()) return sound(depth, memory, reason);
        return std::unique_ptr<WriteQueue>(std::make_unique<SilentQueue>());
    };
    const auto opened = WriterCore::open(small_options("/sim"), around);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().os_errno == ETIMEDOUT);
    for (const std::string& path : disk.paths())
        CHECK(path == "/sim/SUPER");
}

}  // namespace tailrace::journal::writer_failure_test
