// In which order the writer hands its batches to the device.

#include "simulated_lab.hpp"

#include <catch2/catch.hpp>

#include <string>

namespace tailrace::journal::writer_core_test {

namespace {

// Notes 'w' for a write that is queued, 'k' when everything queued goes to the kernel.
class NotingQueue final : public WriteQueue {
public:
    NotingQueue(WriteQueue& queue, std::string& notes) : queue_(queue), notes_(notes) {}
    bool submit_write(FileId file,
                      std::uint64_t offset,
                      std::span<const std::byte> bytes,
                      std::uint64_t tag) noexcept override {
        notes_ += 'w';
        return queue_.submit_write(file, offset, bytes, tag);
    }
    bool submit_flush(FileId file, std::uint64_t tag) noexcept override {
        return queue_.submit_flush(file, tag);
    }
    int kick() noexcept override {
        if (!notes_.empty() && notes_.back() == 'w') notes_ += 'k';
        return queue_.kick();
    }
    IoOutcome reap(std::span<Completion> into, std::uint64_t timeout_ns) noexcept override {
        return queue_.reap(into, timeout_ns);
    }
    [[nodiscard]] std::string_view name() const noexcept override { return "noting"; }

private:
    WriteQueue& queue_;
    std::string& notes_;
};

}  // namespace

TEST_CASE("writer: the device has a full batch before the next one is sealed",
          "[journal][writer]") {
    SimulatedLab lab(59);
    std::string notes;
    lab.around.make_queue = [&](std::size_t, std::span<const std::byte>, std::string&) {
        return Result<std::unique_ptr<WriteQueue>>(std::make_unique<NotingQueue>(lab.disk, notes));
    };
    lab.options.segment_size_bytes = 16 * kMiB;
    lab.open();
    REQUIRE_FALSE(lab.writer->has_full_batch());
    EventShape shape;
    shape.payload_bytes = 60'000;
    while (lab.writer->next_sequence() < 60) {  // three full batches, and a fourth begun
        (void)lab.writer->append(make_events(lab.writer->next_sequence(), 1, shape).run());
    }
    CHECK(lab.writer->has_full_batch());
    notes.clear();
    (void)lab.writer->drive(0);
    CHECK_FALSE(lab.writer->has_full_batch());
    CHECK(notes == "wkwkwk");
}

TEST_CASE("writer: after a commit of many the next waits for those who were acknowledged",
          "[journal][writer]") {
    SimulatedLab lab(61);
    lab.options.marker_idle_ns = 0;
    lab.open();
    const auto append = [&lab](std::uint64_t count) {
        (void)lab.writer->append(make_events(lab.writer->next_sequence(), count).run());
    };
    // Batches that a round without waiting makes.
    const auto drive = [&lab] {
        const std::uint64_t before = lab.writer->statistics().batches;
        (void)lab.writer->drive(0);
        return lab.writer->statistics().batches - before;
    };
    append(100);
    REQUIRE(lab.writer->sync(kSecondNs));
    append(10);
    CHECK(drive() == 0);
    append(10);
    CHECK(drive() == 0);
    CHECK(drive() == 1);  // nothing came for a moment: the clock moves on with each look
    REQUIRE(lab.writer->sync(kSecondNs));
    append(1);
    (void)drive();
    REQUIRE(lab.writer->sync(kSecondNs));

    // Nobody else was acknowledged with the last one: the next begins at once.
    append(1);
    CHECK(drive() == 1);
    REQUIRE(lab.writer->sync(kSecondNs));
    // However many keep coming, they are not waited for long.
    append(100);
    REQUIRE(lab.writer->sync(kSecondNs));
    std::uint64_t rounds = 0;
    do {
        append(1);
    } while (++rounds < 100 && drive() == 0);
    CHECK(rounds > 1);
    CHECK(rounds < 10);
}

}  // namespace tailrace::journal::writer_core_test
