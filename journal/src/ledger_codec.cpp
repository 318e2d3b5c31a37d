#include "ledger_codec.hpp"

#include <tailrace/base/align.hpp>
#include <tailrace/base/checksum.hpp>
#include <tailrace/journal/format.hpp>

#include <algorithm>
#include <cstring>

namespace tailrace::journal {

namespace {

constexpr std::size_t kCheckedFrom = 16;

std::uint64_t checksum_of(std::span<const std::byte> used) noexcept {
    return checksum64(used.subspan(kCheckedFrom), kLedgerMagic);
}

LedgerCursor decode_entry(const LedgerEntry& entry) {
    LedgerCursor cursor;
    const auto end = std::find(entry.name.begin(), entry.name.end(), '\0');
    cursor.name.assign(entry.name.begin(), end);
    cursor.sequence = entry.sequence;
    cursor.record_salt = entry.record_salt;
    cursor.hold_bytes = entry.hold_bytes;
    return cursor;
}

}  // namespace

std::vector<std::byte> encode_ledger(const Ledger& ledger) {
    const std::uint64_t used_bytes =
        sizeof(LedgerHeader) + ledger.cursors.size() * sizeof(LedgerEntry);
    std::vector<std::byte> bytes(align_up(used_bytes, kBlockSizeBytes));
    LedgerHeader header{};
    header.magic = kLedgerMagic;
    header.version = kLedgerVersion;
    header.flags = ledger.lost_names ? kLedgerLostNames : 0;
    header.journal_id = ledger.journal_id;
    header.generation = ledger.generation;
    header.used_bytes = used_bytes;
    header.cursor_count = static_cast<std::uint32_t>(ledger.cursors.size());
    header.entry_size_bytes = sizeof(LedgerEntry);
    std::size_t offset = sizeof(header);
    for (const LedgerCursor& cursor : ledger.cursors) {
        LedgerEntry entry{};
        std::copy_n(cursor.name.begin(),
                    std::min(cursor.name.size(), entry.name.size() - 1),
                    entry.name.begin());
        entry.sequence = cursor.sequence;
        entry.record_salt = cursor.record_salt;
        entry.hold_bytes = cursor.hold_bytes;
        std::memcpy(bytes.data() + offset, &entry, sizeof(entry));
        offset += sizeof(entry);
    }
    std::memcpy(bytes.data(), &header, sizeof(header));
    header.checksum = checksum_of(std::span(bytes).first(used_bytes));
    std::memcpy(bytes.data(), &header, sizeof(header));
    return bytes;
}

std::uint64_t used_ledger_bytes(std::span<const std::byte> slot) noexcept {
    LedgerHeader header{};
    if (slot.size() < sizeof(header)) return 0;
    std::memcpy(&header, slot.data(), sizeof(header));
    return header.used_bytes;
}

Result<Ledger> decode_ledger(std::span<const std::byte> slot, const std::string& path) {
    const auto refuse = [&path](ErrorCode code, const char* what) {
        return make_error(code,
                          "'" + path + "' " + what,
                          code == ErrorCode::incompatible
                              ? "use the tailrace that wrote it, or a newer one"
                              : "tailrace cursor set makes it anew");
    };
    LedgerHeader header{};
    if (slot.size() < sizeof(header)) return refuse(ErrorCode::corrupt, "is too short");
    std::memcpy(&header, slot.data(), sizeof(header));
    if (header.magic != kLedgerMagic)
        return refuse(ErrorCode::corrupt, "is damaged: no ledger begins so");
    if (header.used_bytes < sizeof(header) || header.used_bytes > slot.size())
        return refuse(ErrorCode::corrupt, "is damaged: its size is impossible");
    if (header.checksum != checksum_of(slot.first(header.used_bytes)))
        return refuse(ErrorCode::corrupt, "is damaged: its checksum differs");
    if (header.version != kLedgerVersion)
        return refuse(ErrorCode::incompatible, "is of a version that this program doesn't know");
    const std::uint64_t expected =
        sizeof(header) + std::uint64_t{header.cursor_count} * sizeof(LedgerEntry);
    if (header.entry_size_bytes != sizeof(LedgerEntry) || expected != header.used_bytes)
        return refuse(ErrorCode::corrupt, "is damaged: its counts don't fit its size");
    Ledger ledger;
    ledger.journal_id = header.journal_id;
    ledger.generation = header.generation;
    ledger.lost_names = (header.flags & kLedgerLostNames) != 0;
    ledger.cursors.reserve(header.cursor_count);
    for (std::size_t offset = sizeof(header); offset < header.used_bytes;
         offset += sizeof(LedgerEntry)) {
        LedgerEntry entry{};
        std::memcpy(&entry, slot.data() + offset, sizeof(entry));
        ledger.cursors.push_back(decode_entry(entry));
    }
    return ledger;
}

}  // namespace tailrace::journal
