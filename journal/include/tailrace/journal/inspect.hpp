// Inspect: what a journal consists of, for tools. Reads headers, not bodies; changes nothing, takes
// no lock, needs read permission only (probe_io: write permission). Any thread.
#pragma once

#include <tailrace/base/event_header.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/journal/settings.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::journal {

enum class SegmentState : std::uint8_t {
    active,   // the newest: a writer is or was at work in it
    sealed,   // full and closed with a seal
    cut,      // a crash ended it; it counts up to end_offset
    damaged,  // its header can't be read
};

// The file of the next segment.
enum class SpareState : std::uint8_t {
    none,
    allocated,  // its room is there
    ready,      // filled with zeroes, or recycled
};

[[nodiscard]] std::string_view spare_state_name(SpareState state) noexcept;
[[nodiscard]] std::string_view segment_state_name(SegmentState state) noexcept;

struct SegmentSummary {
    std::uint64_t segment_number = 0;
    std::string path;
    SegmentState state = SegmentState::active;
    Sequence first_sequence = 0;
    Sequence end_sequence = 0;
    std::uint64_t floor_time_ns = 0;  // running maximum of publish times before it
    std::uint64_t max_time_ns = 0;    // and at its end
    std::uint64_t created_ns = 0;
    std::uint64_t size_bytes = 0;       // of the file
    std::uint64_t used_bytes = 0;       // up to the end of the log
    std::uint64_t allocated_bytes = 0;  // on disk
    std::uint64_t writer_epoch = 0;
    bool has_index = false;
    bool is_recycled = false;  // its file held an earlier segment
    bool is_leased = false;    // somebody reads it
};

// Segments that SUPER or a name speaks of, and that are not there.
struct MissingSegments {
    std::uint64_t first_number = 0;  // [first_number, end_number)
    std::uint64_t end_number = 0;
    Sequence first_sequence = 0;  // what is lost with them, as far as anything says it
    Sequence end_sequence = 0;
    std::string text;
};

struct JournalSummary {
    std::string directory;
    std::string stream_name;
    std::string journal_id;  // 32 hexadecimal digits
    std::uint16_t format_major = 0;
    std::uint16_t format_minor = 0;
    std::uint32_t event_alignment_bytes = 0;
    bool clean_close = false;
    bool writer_runs = false;
    std::uint32_t writer_pid = 0;  // 0: unknown or none
    Sequence first_sequence = 0;
    Sequence end_sequence = 0;  // of what is valid now
    Sequence promised_sequence = 0;
    std::uint64_t max_time_ns = 0;
    std::uint64_t used_bytes = 0;
    std::uint64_t allocated_bytes = 0;  // all files
    std::uint64_t oldest_segment_number = 0;
    std::uint64_t catalogued_segments = 0;  // by CATALOGUE, as far as it can be believed
    SpareState spare = SpareState::none;
    std::uint64_t spare_bytes = 0;
    std::uint64_t retired_segments = 0;  // given up by retention, still held by readers
    std::uint64_t retired_bytes = 0;
    JournalSettings settings;
    std::string settings_refusal;  // why they can't be read
    std::vector<SegmentSummary> segments;
    std::vector<MissingSegments> missing;  // empty: all are there
};

[[nodiscard]] Result<JournalSummary> inspect(const std::string& directory) noexcept;

// Whether `directory` holds a journal that was ever recorded into: a cheap look.
[[nodiscard]] bool is_journal(const std::string& directory) noexcept;

// Who writes it at this moment: a cheap look. Error when it can't be told.
struct JournalWriterLook {
    bool runs = false;
    std::uint32_t pid = 0;  // 0: unknown or none
};
[[nodiscard]] Result<JournalWriterLook> look_for_writer(const std::string& directory) noexcept;

// What the writer would use there, and why. Leaves nothing behind.
struct IoProbe {
    std::string backend_name;  // "io_uring" or "pwrite"
    std::string reason;        // one line
    int uring_errno = 0;       // why io_uring was refused
    bool direct_io = false;
    std::string direct_io_reason;
    bool fallocate = false;
    std::string fallocate_reason;
    std::string durable_write_reason;  // what each kind of durable write takes, the fastest first
    std::uint64_t free_bytes = 0;
    std::string file_system;  // "ext4", "xfs", "tmpfs", or the type's number
    // Whether a segment is written over without any new room there, and one line about it.
    bool overwrites_in_place = true;
    std::string overwriting;
};

[[nodiscard]] Result<IoProbe> probe_io(const std::string& directory) noexcept;

}  // namespace tailrace::journal
