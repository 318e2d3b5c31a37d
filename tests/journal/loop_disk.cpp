#include "loop_disk.hpp"

#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace tailrace::journal {

namespace {

// The same number for ext4 (EXT4_IOC_SHUTDOWN) and xfs (XFS_IOC_GOINGDOWN).
constexpr unsigned long kShutdownRequest = _IOR('X', 125, std::uint32_t);
constexpr std::uint32_t kWithoutLog = 2;
constexpr int kAttachAttempts = 20;
constexpr unsigned kLoopMajor = 7;

}  // namespace

bool run_quietly(const std::string& command_line) {
    const pid_t child = ::fork();
    if (child == 0) {
        const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        ::dup2(null, 0);
        ::dup2(null, 1);
        ::dup2(null, 2);
        ::execl("/bin/sh",
                "sh",
                "-c",
                ("PATH=$PATH:/usr/sbin:/sbin; " + command_line).c_str(),
                nullptr);
        ::_exit(127);
    }
    int status = 0;
    return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

LoopDisk::LoopDisk(const std::string& kind,
                   const std::string& image,
                   std::uint64_t size_bytes,
                   const std::string& mount_point)
    : kind_(kind),
      mount_point_(mount_point) {
    if (::geteuid() != 0) {
        why_ = "only root can mount";
        return;
    }
    const int fd = ::open(image.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const bool sized = fd >= 0 && ::ftruncate(fd, static_cast<off_t>(size_bytes)) == 0;
    ::close(fd);
    if (!sized) {
        why_ = "no image can be made";
        return;
    }
    // Blocks of a page's size, so that no block of the journal shares a page of the image's store
    // with the one before: the loop driver calls a write complete that its store has cut short
    // (seen on Linux 6.18), and would lie where it should fail.
    const std::string options = kind == "ext4"    ? "-q -F -b 4096 -E lazy_itable_init=0,nodiscard"
                                : kind == "btrfs" ? "-q -f -K -d single -m single"
                                                  : "-q -f -K";
    if (!run_quietly("mkfs." + kind + " " + options + " " + image)) {
        why_ = "mkfs." + kind + " is missing or fails";
        return;
    }
    std::filesystem::create_directories(mount_point);
    if (attach(image) && !mount()) {
        why_ = "mounting " + kind + " fails: " + std::string(std::strerror(errno));  // NOLINT
    }
}

LoopDisk::~LoopDisk() {
    unmount();
    if (loop_fd_ >= 0) ::close(loop_fd_);  // detaches by itself when nobody uses it any more
}

bool LoopDisk::attach(const std::string& image) {
    const int control = ::open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    const int backing = ::open(image.c_str(), O_RDWR | O_CLOEXEC);
    // Another test may take the free device first.
    for (int attempt = 0; attempt < kAttachAttempts && control >= 0 && loop_fd_ < 0; ++attempt) {
        const int number = ::ioctl(control, LOOP_CTL_GET_FREE);
        if (number < 0) break;
        device_ = "/dev/loop" + std::to_string(number);
        if (::access(device_.c_str(), F_OK) != 0) {
            (void)::mknod(device_.c_str(), S_IFBLK | 0600, ::makedev(kLoopMajor, unsigned(number)));
        }
        loop_fd_ = ::open(device_.c_str(), O_RDWR | O_CLOEXEC);
        loop_config config{};
        config.fd = static_cast<std::uint32_t>(backing);
        config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
        if (loop_fd_ >= 0 && ::ioctl(loop_fd_, LOOP_CONFIGURE, &config) != 0) {
            ::close(loop_fd_);
            loop_fd_ = -1;
        }
    }
    if (control >= 0) ::close(control);
    if (backing >= 0) ::close(backing);
    if (loop_fd_ < 0) why_ = "no loop device can be had";
    return loop_fd_ >= 0;
}

bool LoopDisk::mount() {
    // btrfs gives room back when it commits, half a minute later if it isn't told otherwise.
    const char* const data = kind_ == "btrfs" ? "commit=1" : nullptr;
    mounted_ = ::mount(device_.c_str(), mount_point_.c_str(), kind_.c_str(), MS_NOATIME, data) == 0;
    return mounted_;
}

void LoopDisk::unmount() {
    if (!mounted_) return;
    if (::umount2(mount_point_.c_str(), 0) != 0) (void)::umount2(mount_point_.c_str(), MNT_DETACH);
    mounted_ = false;
}

bool LoopDisk::shut_down() {
    const int fd = ::open(mount_point_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    std::uint32_t how = kWithoutLog;
    const bool done = fd >= 0 && ::ioctl(fd, kShutdownRequest, &how) == 0;
    if (fd >= 0) ::close(fd);
    return done;
}

bool LoopDisk::remount() {
    // What a ring of io_uring that is closed had in flight may hold the file system a moment
    // longer.
    while (::umount2(mount_point_.c_str(), 0) != 0) {
        if (errno != EBUSY) return false;
        ::sched_yield();
    }
    mounted_ = false;
    return mount();
}

}  // namespace tailrace::journal
