// PageCompression: zstd for the pages of a file, with one context for all of them; the only code of
// this room that knows zstd. Without zstd it compresses nothing. One thread.
#pragma once

#include "byte_buffer.hpp"

#include <cstddef>
#include <memory>
#include <span>

namespace tailrace::parquet {

class PageCompression {
public:
    explicit PageCompression(int level);
    PageCompression(PageCompression&&) noexcept;
    PageCompression& operator=(PageCompression&&) noexcept;
    PageCompression(const PageCompression&) = delete;
    PageCompression& operator=(const PageCompression&) = delete;
    ~PageCompression();

    // Appends a frame. False: zstd can't, for want of memory or because this build has none.
    [[nodiscard]] bool append(std::span<const std::byte> bytes, ByteBuffer& into);

private:
    class Context;
    std::unique_ptr<Context> context_;
    int level_;
};

}  // namespace tailrace::parquet
