// Mapping: a file's bytes in this process's memory, once or twice back to back.
//
// Built on Boost.Interprocess (mapped_region); its exceptions end here. A double mapping shows the
// same bytes again right behind themselves, so that a span that runs over the end of a ring is
// still one span. Made and destroyed on cold paths; the bytes may be used from any thread.
#pragma once

#include <tailrace/base/result.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace tailrace {

enum class MapAccess { read_only, read_write };

class Mapping {
public:
    Mapping() noexcept;
    Mapping(Mapping&&) noexcept;
    Mapping& operator=(Mapping&&) noexcept;
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping();

    // Maps [0, size_bytes) of `fd`, which must be open in the same mode; `name` is for messages.
    // Pages are populated, so that the first touch of a hot path is not a page fault. The
    // descriptor may be closed after. Error `truncated` when the file is shorter.
    [[nodiscard]] static Result<Mapping> map(int fd,
                                             std::uint64_t size_bytes,
                                             MapAccess access,
                                             const std::string& name);

    // The same bytes twice: data()[i] and data()[size_bytes + i] are one byte.
    // Requires: size_bytes is a multiple of the page size and of `alignment_bytes`, that of huge
    // pages or 0. An alignment also asks the kernel for huge pages, where it joins small ones.
    [[nodiscard]] static Result<Mapping> map_twice(int fd,
                                                   std::uint64_t size_bytes,
                                                   MapAccess access,
                                                   const std::string& name,
                                                   std::uint64_t alignment_bytes = 0);

    // Writing through a read-only mapping ends the process by SIGSEGV.
    [[nodiscard]] std::byte* data() const noexcept { return data_; }
    [[nodiscard]] std::uint64_t size_bytes() const noexcept { return size_bytes_; }

private:
    struct Regions;

    std::unique_ptr<Regions> regions_;
    std::byte* data_ = nullptr;
    std::uint64_t size_bytes_ = 0;
};

}  // namespace tailrace
