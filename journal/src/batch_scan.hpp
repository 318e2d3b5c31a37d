// Reading the batches of one segment: reader, recovery, verify and inspect all look at a segment
// through this.
//
// Reads through a window, so that small batches cost no read each and large ones one. What it
// returns points into the window and is valid until the next call. One thread.
//
// Who walks far through a file that isn't in the page cache is limited by that cache, if the device
// is fast: then the file is read past it, several reads in flight. A slow device is read through
// the cache, where what it gave is there the next time.
#pragma once

#include "aligned_memory.hpp"
#include "batch_codec.hpp"
#include "read_ahead.hpp"
#include "segment_content.hpp"
#include "storage.hpp"

#include <tailrace/base/result.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace tailrace::journal {

struct FoundBatch {
    BatchVerdict verdict = BatchVerdict::absent;
    BatchHeader header{};             // for `valid` and the damaged_ verdicts
    std::span<const std::byte> body;  // for `valid`
    std::span<const std::byte> padding;
    int os_errno = 0;  // the read failed; the verdict means nothing
};

class BatchScan {
public:
    explicit BatchScan(FileStore& files) noexcept
        : files_(&files),
          content_(files),
          ahead_(files) {}

    // Takes over the file. False when there is no memory for the window.
    [[nodiscard]] bool attach(StoredFile file, const SegmentHeader& header) noexcept;
    [[nodiscard]] bool is_attached() const noexcept { return content_.is_attached(); }
    [[nodiscard]] const SegmentHeader& segment() const noexcept { return segment_; }
    [[nodiscard]] FileId file() const noexcept { return content_.file(); }
    [[nodiscard]] const StoredFile& stored_file() const noexcept { return content_.stored_file(); }

    // The file is read past the cache anyway: from its second window on, several reads at a time.
    void expect_no_cache() noexcept { expects_no_cache_ = true; }
    [[nodiscard]] bool is_reading_ahead() const noexcept { return ahead_.is_running(); }

    // The batch that begins at `offset`, wholly checked.
    [[nodiscard]] FoundBatch batch_at(std::uint64_t offset) noexcept;
    // Its header alone.
    [[nodiscard]] FoundBatch header_at(std::uint64_t offset) noexcept;

    // Brings that range, up to 1 MiB of it, into the window by one read: what lies in it then costs
    // none.
    void fetch(std::uint64_t offset, std::uint64_t size_bytes) noexcept;

    // The bytes of the segment, as they stand in it.
    [[nodiscard]] IoOutcome read(std::uint64_t offset, std::span<std::byte> into) noexcept {
        return content_.read(offset, into);
    }

    // The file may have changed: forgets what was read.
    void refresh() noexcept;
    // Lets go of the file.
    void release() noexcept {
        ahead_.stop();
        window_ = {};
        content_.release();
    }
    // Attached with a header that was assumed, and this is the real one: of the same place and
    // salt, not compressed.
    void adopt(const SegmentHeader& header) noexcept { segment_ = header; }

    [[nodiscard]] std::uint64_t read_bytes() const noexcept { return read_bytes_; }

private:
    // At least `size_bytes` from `offset` in the window, less at the end of the file. Reads
    // `ahead_bytes` at once on a miss.
    [[nodiscard]] std::span<const std::byte> window_at(std::uint64_t offset,
                                                       std::uint64_t size_bytes,
                                                       std::uint64_t ahead_bytes,
                                                       int& os_errno) noexcept;
    [[nodiscard]] BatchPlace place_at(std::uint64_t offset) const noexcept;

    void read_window(std::uint64_t offset,
                     std::uint64_t size_bytes,
                     std::uint64_t want_bytes,
                     int& os_errno) noexcept;
    [[nodiscard]] bool read_ahead_window(std::uint64_t offset, std::uint64_t size_bytes) noexcept;
    [[nodiscard]] bool wants_ahead(std::uint64_t offset) noexcept;
    [[nodiscard]] bool is_device_too_slow() noexcept;

    FileStore* files_;
    SegmentContent content_;
    ReadAhead ahead_;
    SegmentHeader segment_{};
    AlignedMemory memory_;
    std::uint64_t window_offset_ = 0;
    std::span<const std::byte> window_;
    bool expects_no_cache_ = false;
    bool is_device_slow_ = false;
    bool is_device_fast_ = false;
    bool goes_ahead_at_once_ = false;  // the segment before was read past the cache as well
    bool tried_ahead_ = false;         // since it was attached or refreshed
    std::uint64_t walked_bytes_ = 0;   // by whole windows, one behind the other
    std::uint64_t ahead_bytes_read_ = 0;
    std::uint64_t ahead_time_ns_ = 0;  // waited for these
    std::uint64_t ahead_bytes_ = 0;
    std::uint64_t read_bytes_ = 0;
};

// A batch that is whole, behind a place where none was.
struct SoundBatch {
    LogPosition position;  // as if the log had been walked up to it
    BatchHeader header{};

    // It begins where the walk had stopped: only batches without events stood between.
    [[nodiscard]] bool shows_no_loss_since(const LogPosition& stop) const noexcept {
        return header.first_sequence == stop.sequence && (header.flags & kBatchGapBefore) == 0;
    }
};
// The first one behind `stop` and before `end_offset` that may be part of the log.
[[nodiscard]] std::optional<SoundBatch> find_sound(BatchScan& scan,
                                                   const LogPosition& stop,
                                                   std::uint64_t end_offset) noexcept;
// In a segment whose end nobody states: one that shows, close behind `stop`, that nothing is lost.
// For who knows that all of it was promised once.
[[nodiscard]] std::optional<SoundBatch> find_sound_nearby(BatchScan& scan,
                                                          const LogPosition& stop) noexcept;

// Where a journal that was closed ends, in its newest segment: as SUPER says, when the seal stands
// there.
[[nodiscard]] std::optional<PreviousSegment> find_clean_end(BatchScan& scan,
                                                            const SuperBlock& super) noexcept;

// What lies behind the place where a walk ended.
struct BeyondEnd {
    Sequence promised_sequence = 0;   // largest promise of any sound header there
    std::uint64_t valid_batches = 0;  // whole and sound, but not part of the log
    std::uint64_t valid_events = 0;
    // Behind the last block that says something, `from` when none does: one that isn't zero, or, in
    // a recycled segment, that belongs to a batch of this incarnation.
    std::uint64_t data_end_offset = 0;
    std::uint64_t scanned_bytes = 0;
    int os_errno = 0;  // a part can't be read; the rest was looked at
};

// Looks at every block of [from, from + at_most_bytes) of the segment.
[[nodiscard]] BeyondEnd scan_beyond(BatchScan& scan,
                                    std::uint64_t from,
                                    std::uint64_t at_most_bytes) noexcept;

}  // namespace tailrace::journal
