// The LOCK of a journal: one writer at a time. The kernel drops it when the process ends, however
// it ends; the text inside is for people only. Any thread.
#pragma once

#include <tailrace/base/file_lock.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/journal/writer.hpp>

#include <cstdint>
#include <string>

namespace tailrace::journal {

// Of LOCK: the writer's byte, that of whoever exchanges old segments beside it, that of whoever
// changes LEDGER, that of whoever asks for segments to be given up, and those of who reads by a
// cursor of it.
inline constexpr std::uint64_t kWriterByte = 0;
inline constexpr std::uint64_t kCompressorByte = 1;
inline constexpr std::uint64_t kLedgerByte = 2;
inline constexpr std::uint64_t kTrimByte = 3;
inline constexpr std::uint64_t kCursorBytes = std::uint64_t{1} << 41U;

// Makes the file if need be, with this access. Error `busy` names the holder's pid.
[[nodiscard]] Result<FileLock> lock_journal(const std::string& directory,
                                            const JournalAccess& access = {});

// The same file, to be locked by another byte of it.
[[nodiscard]] Result<std::string> make_lock_file(const std::string& directory,
                                                 const JournalAccess& access = {});

struct LockHolder {
    bool is_held = false;
    std::uint32_t pid = 0;  // 0: unknown
};

// Needs read permission only.
[[nodiscard]] LockHolder look_at_lock(const std::string& directory) noexcept;

}  // namespace tailrace::journal
