// What a WriterCore needs to run on a SimulatedDisk.
#pragma once

#include "simulated_disk.hpp"
#include "writer_core.hpp"

namespace tailrace::journal {

// The writer owns its queue, the test its disk.
class LentQueue final : public WriteQueue {
public:
    explicit LentQueue(WriteQueue& queue) : queue_(queue) {}
    bool submit_write(FileId file,
                      std::uint64_t offset,
                      std::span<const std::byte> bytes,
                      std::uint64_t tag) noexcept override {
        return queue_.submit_write(file, offset, bytes, tag);
    }
    bool submit_flush(FileId file, std::uint64_t tag) noexcept override {
        return queue_.submit_flush(file, tag);
    }
    bool submit_durable_write(DurableWrite kind,
                              FileId file,
                              std::uint64_t offset,
                              std::span<const std::byte> bytes,
                              std::uint64_t tag) noexcept override {
        return queue_.submit_durable_write(kind, file, offset, bytes, tag);
    }
    [[nodiscard]] std::span<const DurableWrite> durable_writes() const noexcept override {
        return queue_.durable_writes();
    }
    int kick() noexcept override { return queue_.kick(); }
    IoOutcome reap(std::span<Completion> into, std::uint64_t timeout_ns) noexcept override {
        return queue_.reap(into, timeout_ns);
    }
    [[nodiscard]] std::string_view name() const noexcept override { return queue_.name(); }

private:
    WriteQueue& queue_;
};

// Requires: the disk outlives the environment and stays where it is.
[[nodiscard]] inline WriterEnvironment simulated_environment(SimulatedDisk& disk) {
    WriterEnvironment around;
    around.files = &disk;
    around.time = &disk;
    around.background = false;
    around.random = [&disk] {
        return disk.random_below(~std::uint64_t{0}) | 1U;
    };
    around.make_queue = [&disk](std::size_t, std::span<const std::byte>, std::string& reason) {
        reason = "simulated";
        return Result<std::unique_ptr<WriteQueue>>(std::make_unique<LentQueue>(disk));
    };
    return around;
}

}  // namespace tailrace::journal
