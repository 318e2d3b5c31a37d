#include "compression.hpp"

#ifdef TAILRACE_HAS_ZSTD
#include <zstd.h>
#endif

namespace tailrace::journal {

#ifdef TAILRACE_HAS_ZSTD

bool has_compression() noexcept {
    return true;
}

std::size_t compressed_bound_bytes(std::size_t size_bytes) noexcept {
    return ZSTD_compressBound(size_bytes);
}

std::size_t compress_frame(std::span<const std::byte> bytes,
                           std::span<std::byte> into,
                           int level) noexcept {
    const std::size_t size =
        ZSTD_compress(into.data(), into.size(), bytes.data(), bytes.size(), level);
    return ZSTD_isError(size) != 0 ? 0 : size;
}

bool decompress_frame(std::span<const std::byte> bytes, std::span<std::byte> into) noexcept {
    const std::size_t size = ZSTD_decompress(into.data(), into.size(), bytes.data(), bytes.size());
    return ZSTD_isError(size) == 0 && size == into.size();
}

#else

bool has_compression() noexcept {
    return false;
}

std::size_t compressed_bound_bytes(std::size_t size_bytes) noexcept {
    return size_bytes;
}

std::size_t compress_frame(std::span<const std::byte> /*bytes*/,
                           std::span<std::byte> /*into*/,
                           int /*level*/) noexcept {
    return 0;
}

bool decompress_frame(std::span<const std::byte> /*bytes*/,
                      std::span<std::byte> /*into*/) noexcept {
    return false;
}

#endif

}  // namespace tailrace::journal
