// Backup: a copy of a journal up to what is durable, made beside a running writer.
//
// The copy is a journal of its own: it opens, verifies and replays by itself. Takes no lock on the
// source and never makes its writer wait; holds the destination's lock meanwhile. Made again onto
// the same destination it copies only what is new. Stopped at any point, by a crash too, the
// destination is a shorter journal, and the next backup goes on there. Law:
// docs/journal_format.md, "Backup". Any thread.
#pragma once

#include <tailrace/base/event_header.hpp>
#include <tailrace/base/result.hpp>

#include <cstdint>
#include <functional>
#include <string>

namespace tailrace::journal {

struct BackupOptions {
    // What is known to be durable from elsewhere (the stream's board). What the journal itself
    // promises counts too; without a writer, everything up to its end.
    Sequence durable_sequence = 0;
    std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)> progress = {};
};

struct BackupReport {
    std::uint64_t copied_segments = 0;  // wholly or in part
    std::uint64_t kept_segments = 0;    // were there already
    std::uint64_t copied_bytes = 0;
    Sequence first_sequence = 0;
    Sequence end_sequence = 0;  // the copy holds [first_sequence, end_sequence)
};

// Errors: `not_found` (no journal), `already_exists` (the destination is something else, or a
// journal that is no copy of this one), `corrupt` (the source's newest segment), `sequence_gone`
// (the source no longer has what follows the copy), `busy` (another backup or a writer is at work
// there), and what the kernel refuses.
[[nodiscard]] Result<BackupReport> backup(const std::string& source,
                                          const std::string& destination,
                                          const BackupOptions& options = {}) noexcept;

}  // namespace tailrace::journal
