// Compress: sealed segments of a journal, each replaced by a compressed one that reads the same.
//
// Beside a running writer and readers: the newest segment is left alone, and a reader that has the
// old file open reads on in it. Every frame is about 1 MiB, so a seek decompresses one of them.
// Law: docs/journal_format.md, "Compressed segments". Any thread, one at a time for each journal.
#pragma once

#include <tailrace/base/result.hpp>

#include <cstdint>
#include <functional>
#include <string>

namespace tailrace::journal {

struct CompressOptions {
    int level = 3;  // of zstd: 1 (fast) to 19 (small)
    std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)> progress = {};
};

struct CompressReport {
    std::uint64_t compressed_segments = 0;
    std::uint64_t kept_segments =
        0;                        // the newest, those that are compressed, those that don't shrink
    std::uint64_t raw_bytes = 0;  // of those that were compressed
    std::uint64_t stored_bytes = 0;
};

// Whether this build can compress and decompress.
[[nodiscard]] bool can_compress() noexcept;

// Errors: `unsupported` (built without zstd), `corrupt` (a damaged segment is never compressed),
// `busy` (another one is at it), `not_found`, and what the kernel refuses.
[[nodiscard]] Result<CompressReport> compress(const std::string& directory,
                                              const CompressOptions& options = {}) noexcept;

}  // namespace tailrace::journal
