// Recovery: where the log of a journal ends after a crash, and whether anything that was
// acknowledged is damaged.
//
// Law: docs/journal_format.md, "Recovery". Writer::open() does it by itself; these functions are
// for tools. A torn tail ends the log there; damage below a promise (docs/durability.md) is refused
// with its exact range, and nothing is truncated or overwritten. Doing it twice gives the same
// answer.
#pragma once

#include <tailrace/base/event_header.hpp>
#include <tailrace/base/result.hpp>

#include <array>
#include <cstdint>
#include <string>

namespace tailrace::journal {

struct RecoveryReport {
    std::array<std::uint64_t, 2> journal_id = {0, 0};  // which journal it is, made at random
    bool created = false;                              // there was no journal
    bool clean_close = false;                          // the last writer had closed it
    Sequence first_sequence = 0;
    Sequence end_sequence = 0;  // the log holds [first_sequence, end_sequence), all of it durable
    std::uint64_t segment_count = 0;
    std::uint64_t newest_segment_number = 0;
    std::uint64_t end_offset = 0;  // in that segment

    bool torn = false;  // bytes of a write stand behind the end that are no valid continuation
    std::uint64_t torn_offset = 0;
    std::uint64_t discarded_batches = 0;  // valid, behind the end, never acknowledged
    std::uint64_t discarded_events = 0;
    Sequence promised_sequence = 0;  // largest durable sequence that was promised anywhere
    std::uint64_t scanned_bytes = 0;
    std::uint64_t max_time_ns = 0;   // running maximum of publish times at the end
    std::uint64_t writer_epoch = 0;  // of the last writer
};

// What recovery would decide, without changing anything and beside a running writer. Needs read
// permission only.
[[nodiscard]] Result<RecoveryReport> preview_recovery(const std::string& directory) noexcept;

// Recovers and leaves the journal cleanly closed. Error `busy` when a writer runs, `corrupt` with
// the exact range.
[[nodiscard]] Result<RecoveryReport> recover(const std::string& directory) noexcept;

}  // namespace tailrace::journal
