// The raw device under a journal: what a plain program gets out of it with the same block size and
// depth.
#pragma once

#include "samples.hpp"

#include <tailrace/base/result.hpp>
#include <tailrace/base/unique_fd.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace tailrace::bench {

// A file of its own on the device, written once before anything is measured (so that no block is
// written for the first time), removed when this object goes. One thread.
class RawDevice {
public:
    // What the buffers lie on. Of huge pages a device gets one piece where it gets hundreds of
    // small ones; a plain program has small ones.
    enum class Pages : bool { small, huge };

    [[nodiscard]] static Result<RawDevice> prepare(const std::string& directory,
                                                   std::uint64_t size_bytes);
    RawDevice(RawDevice&&) noexcept = default;
    RawDevice& operator=(RawDevice&&) noexcept = default;
    RawDevice(const RawDevice&) = delete;
    RawDevice& operator=(const RawDevice&) = delete;
    ~RawDevice();

    // Sequential direct writes of 1 MiB, eight in flight, by io_uring, and one flush at the end:
    // bytes a second over the whole file. Error where io_uring is refused.
    [[nodiscard]] Result<double> write_all(Pages pages = Pages::small);

    // Sequential direct reads of other files, one after the other, 1 MiB, eight in flight, by
    // io_uring, into the same eight buffers: bytes a second.
    [[nodiscard]] Result<double> read_files(const std::vector<std::string>& paths,
                                            Pages pages = Pages::small) const;

    // One 4 KiB direct write and a flush, `count` times at advancing offsets. Ticks of each into
    // `samples`.
    [[nodiscard]] Result<void> flush_blocks(std::uint64_t count, Samples& samples);

private:
    RawDevice(std::string path, UniqueFd fd, std::uint64_t size_bytes) noexcept;

    struct Transfer;

    std::string path_;
    UniqueFd fd_;
    std::uint64_t size_bytes_ = 0;
    std::uint64_t flush_offset_ = 0;
    bool is_direct_ = true;
};

}  // namespace tailrace::bench
