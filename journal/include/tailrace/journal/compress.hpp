// Compress: sealed segments of a journal, each replaced by a compressed one that reads the same.
//
// Beside a running writer and readers: the newest segment is left alone, and a reader that has the
// old file open reads on in it. Every frame is about 1 MiB, so a seek decompresses one of them.
// BackgroundCompressor does it for a writer, segment by segment.
// Law: docs/journal_format.md, "Compressed segments". Any thread, one at a time for each journal.
#pragma once

#include <tailrace/base/result.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace tailrace::journal {

inline constexpr int kFastestLevel = 1;  // of zstd
inline constexpr int kSmallestLevel = 19;

struct CompressedSegment {
    std::uint64_t segment_number = 0;
    std::uint64_t raw_bytes = 0;  // up to the end of what was written in it
    std::uint64_t stored_bytes = 0;
};

struct CompressOptions {
    int level = 3;
    std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)> progress = {};
    std::uint64_t first_segment_number = 0;  // those before it are not looked at
    // A segment is begun only when, after the worst case, so much room is left on the file system;
    // else the error is `no_space`.
    std::uint64_t spared_bytes = 0;
    // Told of each as soon as it has its place, on the calling thread.
    std::function<void(const CompressedSegment& segment)> compressed = {};
    // Once it is true, no more than the frame at hand is finished; the report is of what was done.
    const std::atomic<bool>* stop = nullptr;
};

struct CompressReport {
    std::uint64_t compressed_segments = 0;
    std::uint64_t kept_segments =
        0;                        // the newest, those that are compressed, those that don't shrink
    std::uint64_t raw_bytes = 0;  // of those that were compressed
    std::uint64_t stored_bytes = 0;
    // Those below need no other look: they are compressed, or kept for good.
    std::uint64_t next_segment_number = 0;
    // A damaged segment is never compressed: it is left as it is, and this tells of the first. The
    // others are done.
    std::optional<Error> damage;
};

// Whether this build can compress and decompress.
[[nodiscard]] bool can_compress() noexcept;

// Errors: `unsupported` (built without zstd), `busy` (another one is at it), `not_found`,
// `no_space`, and what the kernel refuses. What was compressed before it stays compressed.
[[nodiscard]] Result<CompressReport> compress(const std::string& directory,
                                              const CompressOptions& options = {}) noexcept;

}  // namespace tailrace::journal
