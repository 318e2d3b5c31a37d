#include "hand_over/part_file.hpp"

#include <tailrace/base/shortage.hpp>
#include <tailrace/base/step.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <utility>
#include <xxhash.h>

namespace tailrace::tool {

// XXH3-64 of what comes bit by bit.
class PartFile::Sum {
public:
    Sum() : state_(XXH3_createState()) { XXH3_64bits_reset(state_); }
    Sum(const Sum&) = delete;
    Sum& operator=(const Sum&) = delete;
    ~Sum() { XXH3_freeState(state_); }

    void add(std::span<const std::byte> bytes) noexcept {
        XXH3_64bits_update(state_, bytes.data(), bytes.size());
    }
    [[nodiscard]] std::uint64_t value() const noexcept { return XXH3_64bits_digest(state_); }

private:
    XXH3_state_t* state_;
};

PartFile::PartFile(UniqueFd fd, std::string path)
    : fd_(std::move(fd)),
      path_(std::move(path)),
      sum_(std::make_unique<Sum>()) {}

PartFile::~PartFile() = default;

Result<std::unique_ptr<PartFile>> PartFile::create(int directory_fd,
                                                   const std::string& place,
                                                   const std::string& name) {
    constexpr mode_t kMode = 0666;  // less the umask
    UniqueFd fd(
        ::openat(directory_fd, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kMode));
    if (!fd.is_open()) {
        const int failure = errno;
        return os_error(failure,
                        fmt::format("cannot make a file in '{}'", place),
                        shortage_of(failure, place).hint);
    }
    std::unique_ptr<PartFile> file(new PartFile(std::move(fd), place + "/" + name));
    file->place_ = place;
    TAILRACE_STEP("part.made");
    return file;
}

Error PartFile::failed(int os_errno) const {
    const Shortage shortage = shortage_of(os_errno, place_);
    return os_error(os_errno,
                    fmt::format("cannot write '{}'", path_),
                    shortage.hint.empty() ? fmt::format("df -h {}", place_) : shortage.hint);
}

Result<void> PartFile::write(std::span<const std::byte> bytes) {
    constexpr std::size_t kBufferBytes = std::size_t{256} << 10U;
    size_bytes_ += bytes.size();
    sum_->add(bytes);
    if (bytes.size() >= kBufferBytes) {
        if (auto flushed = flush(); !flushed) return flushed;
        return put(bytes);
    }
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    return buffer_.size() >= kBufferBytes ? flush() : Result<void>();
}

Result<void> PartFile::flush() {
    auto written = put(buffer_);
    buffer_.clear();
    return written;
}

Result<void> PartFile::put(std::span<const std::byte> bytes) {
    constexpr std::uint64_t kPushBytes = std::uint64_t{8} << 20U;
    while (!bytes.empty()) {
        const ssize_t count = ::write(fd_.get(), bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return failed(errno);
        TAILRACE_STEP("part.written");
        bytes = bytes.subspan(static_cast<std::size_t>(count));
        put_bytes_ += static_cast<std::uint64_t>(count);
    }
    // The disk works while this goes on, so that the flush at the end is short. No promise hangs on
    // it.
    if (put_bytes_ - pushed_bytes_ >= kPushBytes) {
        ::sync_file_range(fd_.get(),
                          static_cast<off64_t>(pushed_bytes_),
                          static_cast<off64_t>(put_bytes_ - pushed_bytes_),
                          SYNC_FILE_RANGE_WRITE);
        pushed_bytes_ = put_bytes_;
    }
    return {};
}

Result<void> PartFile::finish() {
    if (auto flushed = flush(); !flushed) return flushed;
    TAILRACE_STEP("part.whole");
    if (::fsync(fd_.get()) != 0) return failed(errno);
    fd_.reset();
    xxh3_ = fmt::format("{:016x}", sum_->value());
    TAILRACE_STEP("part.durable");
    return {};
}

}  // namespace tailrace::tool
