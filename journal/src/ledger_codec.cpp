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

std::array<char, kLedgerNameBytes> name_bytes(const std::string& name) noexcept {
    std::array<char, kLedgerNameBytes> bytes{};
    std::copy_n(name.begin(), std::min(name.size(), bytes.size() - 1), bytes.begin());
    return bytes;
}

std::string name_text(const std::array<char, kLedgerNameBytes>& bytes) {
    return {bytes.begin(), std::find(bytes.begin(), bytes.end(), '\0')};
}

LedgerCursor decode_entry(const LedgerEntry& entry) {
    return {name_text(entry.name), entry.sequence, entry.record_salt, entry.hold_bytes};
}

LedgerIdentity decode_entry(const LedgerIdentityEntry& entry) {
    return {name_text(entry.name), entry.id, entry.last_own};
}

LedgerEntry encode_entry(const LedgerCursor& cursor) noexcept {
    return {name_bytes(cursor.name), cursor.sequence, cursor.record_salt, cursor.hold_bytes, 0};
}

LedgerIdentityEntry encode_entry(const LedgerIdentity& identity) noexcept {
    return {name_bytes(identity.name), identity.id, identity.last_own, {}};
}

// Entries one after the other, from `offset` on, which goes with them.
template <typename Known>
void append_entries(std::vector<std::byte>& bytes,
                    std::size_t& offset,
                    const std::vector<Known>& known) {
    for (const Known& one : known) {
        const auto entry = encode_entry(one);
        std::memcpy(bytes.data() + offset, &entry, sizeof(entry));
        offset += sizeof(entry);
    }
}

template <typename Entry, typename Known>
void take_entries(std::span<const std::byte> slot,
                  std::size_t& offset,
                  std::uint32_t count,
                  std::vector<Known>& known) {
    known.reserve(count);
    for (std::uint32_t nth = 0; nth < count; ++nth) {
        Entry entry{};
        std::memcpy(&entry, slot.data() + offset, sizeof(entry));
        offset += sizeof(entry);
        known.push_back(decode_entry(entry));
    }
}

std::uint64_t used_bytes_of(std::uint64_t cursors, std::uint64_t identities) noexcept {
    return sizeof(LedgerHeader) + cursors * sizeof(LedgerEntry) +
           identities * sizeof(LedgerIdentityEntry);
}

}  // namespace

std::vector<std::byte> encode_ledger(const Ledger& ledger) {
    const std::uint64_t identity_count = ledger.identities ? ledger.identities->known.size() : 0;
    const std::uint64_t used_bytes = used_bytes_of(ledger.cursors.size(), identity_count);
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
    header.identity_count = static_cast<std::uint32_t>(identity_count);
    header.identity_size_bytes = sizeof(LedgerIdentityEntry);
    std::size_t offset = sizeof(header);
    append_entries(bytes, offset, ledger.cursors);
    if (ledger.identities) {
        header.flags |= kLedgerHasIdentities;
        if (!ledger.identities->is_complete) header.flags |= kLedgerLostIdentities;
        header.as_of_sequence = ledger.identities->as_of_sequence;
        append_entries(bytes, offset, ledger.identities->known);
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
    const bool has_sizes = header.entry_size_bytes == sizeof(LedgerEntry) &&
                           header.identity_size_bytes == sizeof(LedgerIdentityEntry);
    if (!has_sizes ||
        used_bytes_of(header.cursor_count, header.identity_count) != header.used_bytes)
        return refuse(ErrorCode::corrupt, "is damaged: its counts don't fit its size");
    Ledger ledger;
    ledger.journal_id = header.journal_id;
    ledger.generation = header.generation;
    ledger.lost_names = (header.flags & kLedgerLostNames) != 0;
    std::size_t offset = sizeof(header);
    take_entries<LedgerEntry>(slot, offset, header.cursor_count, ledger.cursors);
    if ((header.flags & kLedgerHasIdentities) != 0) {
        LedgerIdentities& identities = ledger.identities.emplace();
        identities.as_of_sequence = header.as_of_sequence;
        identities.is_complete = (header.flags & kLedgerLostIdentities) == 0;
        take_entries<LedgerIdentityEntry>(slot, offset, header.identity_count, identities.known);
    }
    return ledger;
}

}  // namespace tailrace::journal
