// In which order the writer hands its batches to the device.

#include "simulated_lab.hpp"

#include <catch2/catch.hpp>

#include <string>

namespace tailrace::journal {

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

}  // namespace tailrace::journal
