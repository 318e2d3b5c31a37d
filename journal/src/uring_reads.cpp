#include "uring_reads.hpp"

#include <tailrace/base/unique_fd.hpp>

#include <liburing.h>

#include <bit>
#include <cerrno>

namespace tailrace::journal {

namespace {

class UringReads final : public ReadQueue {
public:
    UringReads() noexcept = default;
    UringReads(const UringReads&) = delete;
    UringReads& operator=(const UringReads&) = delete;
    ~UringReads() override {
        if (open_) ::io_uring_queue_exit(&ring_);
    }

    [[nodiscard]] bool set_up(std::size_t depth) noexcept {
        const StandardTaken standard;
        // No flag that ties it to one thread: a reader may be handed on.
        open_ = ::io_uring_queue_init(static_cast<unsigned>(std::bit_ceil(depth)), &ring_, 0) == 0;
        if (open_) (void)::io_uring_ring_dontfork(&ring_);
        return open_;
    }

    [[nodiscard]] bool submit_read(FileId file,
                                   std::uint64_t offset,
                                   std::span<std::byte> into,
                                   std::uint64_t tag) noexcept override {
        io_uring_sqe* const entry = ::io_uring_get_sqe(&ring_);
        if (entry == nullptr) return false;
        ::io_uring_prep_read(entry, file, into.data(), static_cast<unsigned>(into.size()), offset);
        ::io_uring_sqe_set_data64(entry, tag);
        // What can't be handed over now is by the next reap().
        (void)::io_uring_submit(&ring_);
        return true;
    }

    [[nodiscard]] IoOutcome reap(std::span<Completion> into) noexcept override {
        std::uint64_t count = 0;
        io_uring_cqe* entry = nullptr;
        while (count < into.size() && ::io_uring_peek_cqe(&ring_, &entry) == 0)
            take(*entry, into, count);
        while (count == 0) {  // ends: the caller has something in flight, or the queue broke
            const int status = ::io_uring_submit_and_wait(&ring_, 1);
            if (status < 0 && status != -EINTR && status != -EAGAIN && status != -EBUSY)
                return {0, -status};
            while (count < into.size() && ::io_uring_peek_cqe(&ring_, &entry) == 0)
                take(*entry, into, count);
        }
        return {count, 0};
    }

private:
    void take(io_uring_cqe& entry, std::span<Completion> into, std::uint64_t& count) noexcept {
        into[count++] = {entry.user_data, entry.res, 0};
        ::io_uring_cqe_seen(&ring_, &entry);
    }

    io_uring ring_{};
    bool open_ = false;
};

}  // namespace

std::unique_ptr<ReadQueue> make_uring_reads(std::size_t depth) noexcept {
    auto reads = std::make_unique<UringReads>();
    if (!reads->set_up(depth)) return nullptr;
    return reads;
}

}  // namespace tailrace::journal
