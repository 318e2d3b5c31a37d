// LoopDisk: a file system of its own on a loop device, whose backing file the test holds in its
// hand.
//
// is_mounted() is false, and why() says why, where it can't be had (no root, no loop device, no
// such file system). Everything goes away with it. One thread.
#pragma once

#include <cstdint>
#include <string>

namespace tailrace::journal {

class LoopDisk {
public:
    // `image`: the backing file, made sparse. `mount_point`: a directory, made when it isn't there.
    LoopDisk(const std::string& kind,
             const std::string& image,
             std::uint64_t size_bytes,
             const std::string& mount_point);
    LoopDisk(const LoopDisk&) = delete;
    LoopDisk& operator=(const LoopDisk&) = delete;
    ~LoopDisk();

    [[nodiscard]] bool is_mounted() const { return mounted_; }
    [[nodiscard]] const std::string& why() const { return why_; }

    // The file system stops, without writing its log: as if the power went off, but for the cache
    // of the device. What is tried afterwards fails with EIO.
    [[nodiscard]] bool shut_down();
    // Unmounts and mounts again, which recovers the file system.
    [[nodiscard]] bool remount();

private:
    [[nodiscard]] bool attach(const std::string& image);
    [[nodiscard]] bool mount();
    void unmount();

    std::string kind_;
    std::string device_;
    std::string mount_point_;
    std::string why_;
    int loop_fd_ = -1;
    bool mounted_ = false;
};

// Runs a program and waits for it; whether it ended with 0.
[[nodiscard]] bool run_quietly(const std::string& command_line);

}  // namespace tailrace::journal
