// The bytes of a ledger's slot. Pure functions, any thread.
#pragma once

#include <tailrace/journal/ledger.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tailrace::journal {

inline constexpr std::uint64_t kLedgerMagic = 0x010000524744'4C54;  // "TLDGR\0\0\1"
inline constexpr std::uint32_t kLedgerVersion = 2;
inline constexpr std::uint64_t kLedgerSlotBytes = 128 * 1024;
inline constexpr std::uint64_t kLedgerSlots = 2;
inline constexpr std::uint64_t kLedgerCopyBytes = kLedgerSlotBytes / 2;  // two of each slot
inline constexpr std::uint64_t kLedgerNameBytes = 64;  // with the terminating zero
inline constexpr std::uint32_t kLedgerLostNames = 1U << 0;
inline constexpr std::uint32_t kLedgerHasIdentities = 1U << 1;
inline constexpr std::uint32_t kLedgerLostIdentities = 1U << 2;

struct LedgerHeader {
    std::uint64_t magic;
    std::uint64_t checksum;  // XXH3-64 of bytes [16, used_bytes), seed kLedgerMagic
    std::uint32_t version;
    std::uint32_t flags;
    std::array<std::uint64_t, 2> journal_id;
    std::uint64_t generation;
    std::uint64_t used_bytes;  // of the slot, this header included
    std::uint32_t cursor_count;
    std::uint32_t entry_size_bytes;
    Sequence as_of_sequence;  // of the identities, which stand behind the cursors
    std::uint32_t identity_count;
    std::uint32_t identity_size_bytes;
    std::array<std::uint64_t, 6> reserved;
};
static_assert(sizeof(LedgerHeader) == 128);

struct LedgerEntry {
    std::array<char, kLedgerNameBytes> name;
    Sequence sequence;
    std::uint64_t record_salt;
    std::uint64_t hold_bytes;
    std::uint64_t reserved;
};
static_assert(sizeof(LedgerEntry) == 96);

struct LedgerIdentityEntry {
    std::array<char, kLedgerNameBytes> name;
    std::uint64_t id;
    OwnSequence last_own;
    std::array<std::uint64_t, 2> reserved;
};
static_assert(sizeof(LedgerIdentityEntry) == 96);
static_assert(sizeof(LedgerHeader) + kMaxLedgerCursors * sizeof(LedgerEntry) +
                  kMaxLedgerIdentities * sizeof(LedgerIdentityEntry) <=
              kLedgerCopyBytes);

// As many bytes as are to be written, a multiple of 4096. Requires: not too many cursors and
// identities, names that fit.
[[nodiscard]] std::vector<std::byte> encode_ledger(const Ledger& ledger);
// What the header says, whatever that is worth; 0 when there is none.
[[nodiscard]] std::uint64_t used_ledger_bytes(std::span<const std::byte> slot) noexcept;
// Errors: incompatible, corrupt.
[[nodiscard]] Result<Ledger> decode_ledger(std::span<const std::byte> slot,
                                           const std::string& path);

}  // namespace tailrace::journal
