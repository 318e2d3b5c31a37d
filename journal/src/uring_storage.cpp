#include "uring_storage.hpp"

#include "durable_call.hpp"
#include "flush_witness.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/unique_fd.hpp>

#include <liburing.h>

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>

namespace tailrace::journal {

namespace {

class UringStorage final : public WriteQueue {
public:
    UringStorage() noexcept = default;
    UringStorage(const UringStorage&) = delete;
    UringStorage& operator=(const UringStorage&) = delete;
    ~UringStorage() override {
        if (open_) ::io_uring_queue_exit(&ring_);
    }

    // 0 or the errno of the last refusal.
    [[nodiscard]] int set_up(std::size_t depth, std::span<const std::byte> registered) noexcept;

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
    [[nodiscard]] int kick() noexcept override;
    [[nodiscard]] IoOutcome reap(std::span<Completion> into,
                                 std::uint64_t timeout_ns) noexcept override;
    [[nodiscard]] std::string_view name() const noexcept override { return "io_uring"; }

private:
    [[nodiscard]] bool is_registered(std::span<const std::byte> bytes) const noexcept {
        return !registered_.empty() && bytes.data() >= registered_.data() &&
               bytes.data() + bytes.size() <= registered_.data() + registered_.size();
    }
    // The durable write in flight. A linked one is two entries that complete one by one and are
    // told as one.
    struct DurableOperation {
        bool in_flight = false;
        bool is_done = false;  // `told` waits to be collected
        bool was_cut =
            false;  // the kernel took the write without the flush: that one proves nothing
        std::uint64_t size_bytes = 0;
        Completion told;
        unsigned awaited = 1;  // completions of the kernel
    };

    [[nodiscard]] int enable() noexcept;
    [[nodiscard]] io_uring_sqe* prepare_write(FileId file,
                                              std::uint64_t offset,
                                              std::span<const std::byte> bytes,
                                              std::uint64_t tag) noexcept;
    void note(const io_uring_cqe& entry, std::span<Completion> into, std::uint64_t& count) noexcept;
    [[nodiscard]] std::uint64_t collect(std::span<Completion> into) noexcept;

    io_uring ring_{};
    std::span<const std::byte> registered_;
    bool open_ = false;
    bool disabled_ =
        false;  // IORING_SETUP_R_DISABLED: the first submitter enables it and becomes its owner
    unsigned queued_ = 0;       // prepared, not yet handed over
    bool link_queued_ = false;  // a linked pair is among them
    DurableOperation durable_;
};

// Tags of the queue's own, beyond any that the pipeline uses.
constexpr std::uint64_t kLinkedWriteTag = ~std::uint64_t{0} - 1;
constexpr std::uint64_t kLinkedFlushTag = ~std::uint64_t{0} - 2;
constexpr std::uint64_t kDsyncTag = ~std::uint64_t{0} - 3;

// From the best to what every kernel with io_uring has. TASKRUN_FLAG lets a peek see that the
// kernel has work to run.
constexpr std::array<unsigned, 4> kSetupLadder = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
        IORING_SETUP_R_DISABLED,
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
        IORING_SETUP_R_DISABLED,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    0,
};

int UringStorage::set_up(std::size_t depth, std::span<const std::byte> registered) noexcept {
    // A flush stands beside the writes, and a linked pair takes two.
    const auto entries = static_cast<unsigned>(std::bit_ceil(depth + 2));
    const StandardTaken standard;
    int refusal = 0;
    for (const unsigned flags : kSetupLadder) {
        refusal = -::io_uring_queue_init(entries, &ring_, flags);
        if (refusal == 0) {
            open_ = true;
            disabled_ = (flags & IORING_SETUP_R_DISABLED) != 0;
            break;
        }
        if (refusal != EINVAL) break;  // EINVAL: a flag that this kernel doesn't know
    }
    if (refusal != 0) return refusal;
    // Linux 5.11: plain writes and waits with a timeout that need no entry of their own.
    if ((ring_.features & IORING_FEAT_EXT_ARG) == 0) return EOPNOTSUPP;
    (void)::io_uring_ring_dontfork(&ring_);

    // The limit on locked memory may refuse it; plain writes do the same, a little slower.
    // iovec isn't const-correct; registering doesn't write to the memory.
    const iovec region{const_cast<std::byte*>(registered.data()), registered.size()};  // NOLINT
    if (!registered.empty() && ::io_uring_register_buffers(&ring_, &region, 1) == 0) {
        registered_ = registered;
    }
    return 0;
}

int UringStorage::enable() noexcept {
    // liburing 2.3 declares io_uring_enable_rings, but its shared library doesn't export it.
    if (::syscall(__NR_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0) <
        0) {
        return errno;
    }
    disabled_ = false;
    return 0;
}

io_uring_sqe* UringStorage::prepare_write(FileId file,
                                          std::uint64_t offset,
                                          std::span<const std::byte> bytes,
                                          std::uint64_t tag) noexcept {
    io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
    if (entry == nullptr) return nullptr;
    const auto size = static_cast<unsigned>(bytes.size());
    if (is_registered(bytes)) {
        ::io_uring_prep_write_fixed(entry, file, bytes.data(), size, offset, 0);
    } else {
        ::io_uring_prep_write(entry, file, bytes.data(), size, offset);
    }
    ::io_uring_sqe_set_data64(entry, tag);
    ++queued_;
    return entry;
}

bool UringStorage::submit_write(FileId file,
                                std::uint64_t offset,
                                std::span<const std::byte> bytes,
                                std::uint64_t tag) noexcept {
    return prepare_write(file, offset, bytes, tag) != nullptr;
}

bool UringStorage::submit_durable_write(DurableWrite kind,
                                        FileId file,
                                        std::uint64_t offset,
                                        std::span<const std::byte> bytes,
                                        std::uint64_t tag) noexcept {
    if (durable_.in_flight) return false;
    if (kind == DurableWrite::dsync_call || kind == DurableWrite::flushed_call) {
        durable_ = {true, true, false, bytes.size(), {}, 0};
        durable_.told = call_durable_write(kind, file, offset, bytes, tag);
        return true;
    }
    const bool is_linked = kind == DurableWrite::linked_flush;
    if (::io_uring_sq_space_left(&ring_) < (is_linked ? 2U : 1U)) return false;
    io_uring_sqe* const write =
        prepare_write(file, offset, bytes, is_linked ? kLinkedWriteTag : kDsyncTag);
    durable_ = {true, false, false, bytes.size(), {tag, 0, 0}, is_linked ? 2U : 1U};
    if (!is_linked) {
        write->rw_flags = RWF_DSYNC;
        return true;
    }
    write->flags |= IOSQE_IO_LINK;
    link_queued_ = true;
    return submit_flush(file, kLinkedFlushTag);
}

std::span<const DurableWrite> UringStorage::durable_writes() const noexcept {
    static constexpr std::array<DurableWrite, 4> kKinds = {DurableWrite::dsync_call,
                                                           DurableWrite::dsync,
                                                           DurableWrite::flushed_call,
                                                           DurableWrite::linked_flush};
    return kKinds;
}

bool UringStorage::submit_flush(FileId file, std::uint64_t tag) noexcept {
    io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
    if (entry == nullptr) return false;
    ::io_uring_prep_fsync(entry, file, IORING_FSYNC_DATASYNC);
    ::io_uring_sqe_set_data64(entry, tag);
    ++queued_;
    return true;
}

int UringStorage::kick() noexcept {
    if (disabled_) {
        if (const int refusal = enable(); refusal != 0) return refusal;
    }
    // EAGAIN and EBUSY: the kernel wants completions reaped first, which the caller does next.
    while (queued_ > 0) {
        const int count = ::io_uring_submit(&ring_);
        if (count == -EINTR) continue;
        if (count == -EAGAIN || count == -EBUSY) return 0;
        if (count < 0) return -count;
        if (count == 0) return 0;
        // A link doesn't reach from one submission into the next: a pair that was parted may run at
        // once, and then its flush covers nothing.
        if (link_queued_ && static_cast<unsigned>(count) < queued_) durable_.was_cut = true;
        link_queued_ = false;
        queued_ -= static_cast<unsigned>(count);
    }
    return 0;
}

void UringStorage::note(const io_uring_cqe& entry,
                        std::span<Completion> into,
                        std::uint64_t& count) noexcept {
    switch (entry.user_data) {
        case kLinkedWriteTag:
            durable_.told.outcome = entry.res;
            break;
        case kLinkedFlushTag:
            durable_.told.flush_errno = entry.res < 0 ? -entry.res : 0;
            if (durable_.was_cut && entry.res >= 0) durable_.told.flush_errno = ECANCELED;
            break;
        case kDsyncTag:
            durable_.told.outcome = entry.res;
            break;
        default:
            into[count++] = {entry.user_data, entry.res, 0};
            return;
    }
    // A flush that was parted from its write may complete first; while the write is in flight the
    // kernel reads from its buffer.
    if (--durable_.awaited > 0) return;
    into[count++] = durable_.told;
    durable_.in_flight = false;
}

std::uint64_t UringStorage::collect(std::span<Completion> into) noexcept {
    std::uint64_t count = 0;
    if (durable_.is_done && !into.empty()) {
        into[count++] = durable_.told;
        durable_ = {};
    }
    io_uring_cqe* entry = nullptr;
    while (count < into.size() && ::io_uring_peek_cqe(&ring_, &entry) == 0) {
        note(*entry, into, count);
        ::io_uring_cqe_seen(&ring_, entry);
    }
    return count;
}

IoOutcome UringStorage::reap(std::span<Completion> into, std::uint64_t timeout_ns) noexcept {
    if (const int refusal = kick(); refusal != 0) return {0, refusal};
    std::uint64_t count = collect(into);
    if (count > 0 || timeout_ns == 0) return {count, 0};

    __kernel_timespec timeout{static_cast<std::int64_t>(timeout_ns / kNsPerSecond),
                              static_cast<long long>(timeout_ns % kNsPerSecond)};
    io_uring_cqe* entry = nullptr;
    const int status = ::io_uring_wait_cqe_timeout(&ring_, &entry, &timeout);
    if (status < 0 && status != -ETIME && status != -EINTR && status != -EAGAIN &&
        status != -EBUSY) {
        return {0, -status};
    }
    count = collect(into);
    return {count, 0};
}

Error refusal_error(int refusal) {
    switch (refusal) {
        case EPERM:
        case EACCES:
            return os_error(
                refusal,
                "io_uring is forbidden here, by a container's seccomp filter or by the sysctl "
                "kernel.io_uring_disabled");
        case ENOSYS:
            return os_error(refusal, "this kernel, or a seccomp filter, has no io_uring");
        case ENOMEM:
            return os_error(refusal,
                            "the limit on locked memory (ulimit -l) leaves no room for io_uring");
        case EOPNOTSUPP:
            return os_error(refusal, "this kernel's io_uring is older than Linux 5.11");
        default:
            return os_error(refusal, "io_uring can't be set up");
    }
}

}  // namespace

Result<std::unique_ptr<WriteQueue>> make_uring_storage(
    std::size_t depth, std::span<const std::byte> registered) noexcept {
    auto storage = std::make_unique<UringStorage>();
    const int refusal = storage->set_up(depth, registered);
    if (refusal != 0) return refusal_error(refusal);
    return std::unique_ptr<WriteQueue>(std::move(storage));
}

}  // namespace tailrace::journal
