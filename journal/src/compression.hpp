// Compression: zstd, where this build has it. Pure functions over memory, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tailrace::journal {

[[nodiscard]] bool has_compression() noexcept;
// Room for the worst case of compressing `size_bytes`.
[[nodiscard]] std::size_t compressed_bound_bytes(std::size_t size_bytes) noexcept;
// Bytes written to `into`; 0 when it failed. `level`: 1 (fast) to 19.
[[nodiscard]] std::size_t compress_frame(std::span<const std::byte> bytes,
                                         std::span<std::byte> into,
                                         int level) noexcept;
// Whether `bytes` held exactly into.size() bytes, which are now there.
[[nodiscard]] bool decompress_frame(std::span<const std::byte> bytes,
                                    std::span<std::byte> into) noexcept;

}  // namespace tailrace::journal
