#include "device.hpp"

#include "machine.hpp"

#include <tailrace/base/clock.hpp>

#include <liburing.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

namespace tailrace::bench {

namespace {

constexpr std::uint64_t kBlockBytes = std::uint64_t{1} << 20U;
constexpr unsigned kDepth = 8;
constexpr std::size_t kSectorBytes = 4096;

}  // namespace

struct FreeMemory {
    void operator()(std::byte* memory) const noexcept { std::free(memory); }
};
using AlignedBytes = std::unique_ptr<std::byte, FreeMemory>;

class UringQueue {
public:
    UringQueue() noexcept : status_(::io_uring_queue_init(kDepth, &ring_, 0)) {}
    UringQueue(const UringQueue&) = delete;
    UringQueue& operator=(const UringQueue&) = delete;
    ~UringQueue() {
        if (status_ == 0) ::io_uring_queue_exit(&ring_);
    }
    [[nodiscard]] int status() const noexcept { return status_; }
    [[nodiscard]] io_uring* get() noexcept { return &ring_; }

private:
    io_uring ring_{};
    int status_;
};

namespace {

// A device may have a short cut for zeroes.
void fill_unlike_zeroes(std::byte* memory, std::size_t size_bytes) {
    for (std::size_t index = 0; index < size_bytes; ++index)
        memory[index] = static_cast<std::byte>(index * 131 + index / kSectorBytes);
}

AlignedBytes aligned_bytes(std::size_t size_bytes) {
    auto* const memory = static_cast<std::byte*>(std::aligned_alloc(kSectorBytes, size_bytes));
    if (memory != nullptr) fill_unlike_zeroes(memory, size_bytes);
    return AlignedBytes(memory);
}

}  // namespace

RawDevice::RawDevice(std::string path, UniqueFd fd, std::uint64_t size_bytes) noexcept
    : path_(std::move(path)),
      fd_(std::move(fd)),
      size_bytes_(size_bytes) {}

RawDevice::~RawDevice() {
    if (fd_.is_open()) ::unlink(path_.c_str());
}

Result<RawDevice> RawDevice::prepare(const std::string& directory, std::uint64_t size_bytes) {
    std::string path = directory + "/bench-device-" + std::to_string(::getpid());
    int flags = O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC;
    UniqueFd fd(::open(path.c_str(), flags | O_DIRECT, 0600));
    const bool is_direct = fd.is_open();
    if (!is_direct && errno == EINVAL) fd = UniqueFd(::open(path.c_str(), flags, 0600));
    if (!fd.is_open())
        return os_error(
            errno, "cannot create '" + path + "'", "--journal-dir DIR on the device to measure");
    RawDevice device(std::move(path), std::move(fd), size_bytes);
    device.is_direct_ = is_direct;
    if (const int failed = ::posix_fallocate(device.fd_.get(), 0, static_cast<off_t>(size_bytes));
        failed != 0) {
        return os_error(
            failed,
            "cannot reserve " + std::to_string(size_bytes >> 20U) + " MiB in '" + directory + "'");
    }
    const AlignedBytes block = aligned_bytes(kBlockBytes);
    for (std::uint64_t offset = 0; offset < size_bytes; offset += kBlockBytes) {
        const ssize_t written =
            ::pwrite(device.fd_.get(), block.get(), kBlockBytes, static_cast<off_t>(offset));
        if (written != static_cast<ssize_t>(kBlockBytes))
            return os_error(written < 0 ? errno : EIO, "cannot write '" + device.path_ + "'");
    }
    if (::fdatasync(device.fd_.get()) != 0)
        return os_error(errno, "cannot flush '" + device.path_ + "'");
    return device;
}

namespace {

enum class Direction : bool { write, read };

AlignedBytes transfer_blocks(RawDevice::Pages pages) {
    constexpr std::size_t kHugePageBytes = std::size_t{2} << 20U;
    constexpr std::size_t kSizeBytes = kDepth * kBlockBytes;
    auto* const memory = static_cast<std::byte*>(std::aligned_alloc(kHugePageBytes, kSizeBytes));
    if (memory == nullptr) return nullptr;
    const int advice = pages == RawDevice::Pages::huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE;
    static_cast<void>(::madvise(memory, kSizeBytes, advice));
    fill_unlike_zeroes(memory, kSizeBytes);
    return AlignedBytes(memory);
}

// All of [0, size_bytes), eight blocks in flight. 0 or an errno.
int transfer(
    UringQueue& queue, std::byte* blocks, int fd, std::uint64_t size_bytes, Direction direction) {
    const auto block_of = [blocks](std::uint64_t slot) {
        return blocks + slot * kBlockBytes;
    };
    std::uint64_t submitted = 0;
    std::uint64_t completed = 0;
    const auto submit = [&](std::uint64_t slot) {
        io_uring_sqe* const entry = ::io_uring_get_sqe(queue.get());
        if (direction == Direction::write) {
            ::io_uring_prep_write(entry, fd, block_of(slot), kBlockBytes, submitted);
        } else {
            ::io_uring_prep_read(entry, fd, block_of(slot), kBlockBytes, submitted);
        }
        ::io_uring_sqe_set_data64(entry, slot);
        submitted += kBlockBytes;
    };
    for (unsigned slot = 0; slot < kDepth && submitted < size_bytes; ++slot)
        submit(slot);
    while (completed < size_bytes) {
        if (const int status = ::io_uring_submit_and_wait(queue.get(), 1);
            status < 0 && status != -EINTR) {
            return -status;
        }
        io_uring_cqe* completion = nullptr;
        while (::io_uring_peek_cqe(queue.get(), &completion) == 0) {
            const std::uint64_t slot = ::io_uring_cqe_get_data64(completion);
            const int result = completion->res;
            ::io_uring_cqe_seen(queue.get(), completion);
            if (result != static_cast<int>(kBlockBytes)) return result < 0 ? -result : EIO;
            completed += kBlockBytes;
            if (submitted < size_bytes) submit(slot);
        }
    }
    return 0;
}

double bytes_per_s(std::uint64_t bytes, std::uint64_t begin_ns) {
    return static_cast<double>(bytes) * 1e9 / static_cast<double>(monotonic_ns() - begin_ns);
}

}  // namespace

// Made before the clock starts, and used for all files of one measurement.
struct RawDevice::Transfer {
    explicit Transfer(Pages pages) : blocks(transfer_blocks(pages)) {}

    [[nodiscard]] int refusal() const noexcept {
        return queue.status() != 0 ? -queue.status() : blocks == nullptr ? ENOMEM : 0;
    }

    UringQueue queue;
    AlignedBytes blocks;
};

Result<double> RawDevice::write_all(Pages pages) {
    Transfer moving(pages);
    const std::uint64_t begin_ns = monotonic_ns();
    int failed = moving.refusal();
    if (failed == 0) {
        failed =
            transfer(moving.queue, moving.blocks.get(), fd_.get(), size_bytes_, Direction::write);
    }
    if (failed != 0) {
        return os_error(failed,
                        "cannot write '" + path_ + "' by io_uring",
                        "'tailrace doctor' says whether io_uring is allowed here");
    }
    if (::fdatasync(fd_.get()) != 0) return os_error(errno, "cannot flush '" + path_ + "'");
    return bytes_per_s(size_bytes_, begin_ns);
}

Result<double> RawDevice::read_files(const std::vector<std::string>& paths, Pages pages) const {
    Transfer moving(pages);
    std::uint64_t total_bytes = 0;
    const std::uint64_t begin_ns = monotonic_ns();
    for (const std::string& path : paths) {
        const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | (is_direct_ ? O_DIRECT : 0)));
        struct stat status {};
        if (!fd.is_open() || ::fstat(fd.get(), &status) != 0)
            return os_error(errno, "cannot open '" + path + "'");
        const auto size_bytes =
            static_cast<std::uint64_t>(status.st_size) / kBlockBytes * kBlockBytes;
        int failed = moving.refusal();
        if (failed == 0) {
            failed =
                transfer(moving.queue, moving.blocks.get(), fd.get(), size_bytes, Direction::read);
        }
        if (failed != 0) return os_error(failed, "cannot read '" + path + "' by io_uring");
        total_bytes += size_bytes;
    }
    return bytes_per_s(total_bytes, begin_ns);
}

Result<void> RawDevice::flush_blocks(std::uint64_t count, Samples& samples) {
    const AlignedBytes block = aligned_bytes(kSectorBytes);
    for (std::uint64_t index = 0; index < count; ++index) {
        const std::uint64_t begin = read_ticks();
        const ssize_t written =
            ::pwrite(fd_.get(), block.get(), kSectorBytes, static_cast<off_t>(flush_offset_));
        if (written != static_cast<ssize_t>(kSectorBytes))
            return os_error(written < 0 ? errno : EIO, "cannot write '" + path_ + "'");
        if (::fdatasync(fd_.get()) != 0) return os_error(errno, "cannot flush '" + path_ + "'");
        samples.add(read_ticks() - begin);
        flush_offset_ = (flush_offset_ + kSectorBytes) % size_bytes_;
    }
    return {};
}

}  // namespace tailrace::bench
