// WriteQueue over pwritev2 and fdatasync: each operation runs when it is submitted, in the calling
// thread.
#pragma once

#include "flush_witness.hpp"
#include "storage.hpp"

#include <vector>

namespace tailrace::journal {

class PwriteStorage final : public WriteQueue {
public:
    explicit PwriteStorage(std::size_t depth) noexcept;

    [[nodiscard]] bool submit_write(FileId file,
                                    std::uint64_t offset,
                                    std::span<const std::byte> bytes,
                                    std::uint64_t tag) noexcept override;
    [[nodiscard]] bool submit_flush(FileId file, std::uint64_t tag) noexcept override;
    [[nodiscard]] bool submit_durable_write(DurableWrite kind,
                                            FileId file,
                                            std::uint64_t offset,
                                            std::span<const std::byte> bytes,
                                            std::uint64_t tag) noexcept override;
    [[nodiscard]] std::span<const DurableWrite> durable_writes() const noexcept override;
    [[nodiscard]] int errno_after_flush(FileId file) noexcept override {
        return journal::errno_after_flush(file);
    }
    [[nodiscard]] int kick() noexcept override { return 0; }
    [[nodiscard]] IoOutcome reap(std::span<Completion> into,
                                 std::uint64_t timeout_ns) noexcept override;
    [[nodiscard]] std::string_view name() const noexcept override { return "pwrite"; }

private:
    std::vector<Completion> done_;  // never grows beyond depth_
    std::size_t depth_;
};

}  // namespace tailrace::journal
