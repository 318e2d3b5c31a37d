#include "ledger_file.hpp"

#include "aside_file.hpp"
#include "ledger_codec.hpp"
#include "segment_directory.hpp"

#include <tailrace/journal/format.hpp>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace tailrace::journal {

namespace {

// As much of a copy as it says that it uses.
IoOutcome read_copy(FileStore& files,
                    FileId file,
                    std::uint64_t offset,
                    std::vector<std::byte>& bytes) {
    bytes.resize(kBlockSizeBytes);
    IoOutcome outcome = files.read(file, offset, bytes);
    if (!outcome.ok()) return outcome;
    const std::uint64_t used_bytes = std::min(used_ledger_bytes(bytes), kLedgerCopyBytes);
    if (used_bytes > bytes.size()) {
        bytes.resize(used_bytes);
        outcome = files.read(file, offset, bytes);
    }
    bytes.resize(std::min<std::uint64_t>(outcome.value, bytes.size()));
    return outcome;
}

// What the copies of a slot say.
struct SlotContent {
    std::optional<Ledger> ledger;
    std::optional<Error> refusal;  // of one of them
    bool is_blank = true;
};

Result<SlotContent> read_slot(FileStore& files,
                              FileId file,
                              std::uint64_t slot,
                              const std::string& path) {
    SlotContent content;
    for (std::uint64_t copy = 0; copy < kLedgerSlotBytes / kLedgerCopyBytes; ++copy) {
        std::vector<std::byte> bytes;
        const IoOutcome outcome =
            read_copy(files, file, slot * kLedgerSlotBytes + copy * kLedgerCopyBytes, bytes);
        if (!outcome.ok()) return file_trouble("read", path, outcome.os_errno);
        if (is_zero(bytes)) continue;
        content.is_blank = false;
        auto ledger = decode_ledger(bytes, path);
        // A version that isn't known is newer than ours, whatever the others say.
        if (!ledger && ledger.error().code == ErrorCode::incompatible) return ledger.error();
        if (!ledger) {
            content.refusal = std::move(ledger.error());
        } else if (!content.ledger || ledger->generation > content.ledger->generation) {
            content.ledger = std::move(*ledger);
        }
    }
    return content;
}

// Both copies, in the slot of its generation.
IoOutcome write_slot(FileStore& files, FileId file, const Ledger& ledger) {
    const std::vector<std::byte> bytes = encode_ledger(ledger);
    const std::uint64_t offset = ledger.generation % kLedgerSlots * kLedgerSlotBytes;
    const IoOutcome outcome = files.write(file, offset, bytes);
    if (!outcome.ok()) return outcome;
    return files.write(file, offset + kLedgerCopyBytes, bytes);
}

}  // namespace

Error ledger_is_full(const std::string& directory) {
    return make_error(ErrorCode::no_space,
                      "'" + ledger_path(directory) + "' holds " +
                          std::to_string(kMaxLedgerCursors) + " cursors or " +
                          std::to_string(kMaxLedgerIdentities) +
                          " publishers, as many as there may be",
                      "tailrace cursor ls " + directory + "; tailrace cursor rm");
}

std::string ledger_path(const std::string& directory) {
    return directory + "/LEDGER";
}

Result<Ledger> read_ledger(FileStore& files, const std::string& directory) {
    const std::string path = ledger_path(directory);
    const IoOutcome opened = files.open(path, {});
    if (opened.os_errno == ENOENT) return Ledger{};
    if (!opened.ok()) return file_trouble("open", path, opened.os_errno);
    const StoredFile file(files, static_cast<FileId>(opened.value));
    std::optional<Ledger> newest;
    std::optional<Error> refusal;
    std::uint64_t written = 0;  // slots with anything in them
    for (std::uint64_t slot = 0; slot < kLedgerSlots; ++slot) {
        auto content = read_slot(files, file.id(), slot, path);
        if (!content) return content.error();
        if (!content->is_blank) ++written;
        if (!content->ledger) {
            if (content->refusal) refusal = std::move(content->refusal);
        } else if (!newest || content->ledger->generation > newest->generation) {
            newest = std::move(content->ledger);
        }
    }
    if (newest) {
        // Of a slot of which no copy is left it isn't known whether it was the newer one: a write
        // that was torn, or all that somebody was told is kept.
        const bool lacks_slot = newest->generation > kLedgerSlots && written < kLedgerSlots;
        newest->lost_names = newest->lost_names || refusal.has_value() || lacks_slot;
        return *newest;
    }
    if (refusal) return *refusal;
    return make_error(ErrorCode::corrupt,
                      "'" + path + "' is blank, which no program leaves it",
                      "tailrace cursor set makes it anew");
}

Result<void> make_ledger(FileStore& files, const std::string& directory) {
    const std::string path = ledger_path(directory);
    const IoOutcome opened = files.open(path, {});
    if (opened.ok()) files.close(static_cast<FileId>(opened.value));
    if (opened.os_errno != ENOENT)
        return opened.ok() ? Result<void>() : file_trouble("open", path, opened.os_errno);
    Ledger empty;
    empty.generation = kLedgerSlots;  // its slot is the first one
    AsideFile made(files, path + ".new");
    IoOutcome outcome = made.create();
    if (outcome.ok()) {
        // Written, not only allocated: then a later write changes nothing but the bytes, and its
        // flush is that of the data alone.
        const std::vector<std::byte> blank(kLedgerSlots * kLedgerSlotBytes);
        outcome = files.write(made.id(), 0, blank);
    }
    if (outcome.ok()) outcome = write_slot(files, made.id(), empty);
    if (outcome.ok()) outcome = made.flush();
    if (outcome.ok()) outcome = made.take_name(path, directory);
    if (outcome.ok()) return {};
    return file_trouble("make", path, outcome.os_errno);
}

Result<void> write_ledger(FileStore& files, const std::string& directory, Ledger& ledger) {
    const std::string path = ledger_path(directory);
    const std::size_t identities = ledger.identities ? ledger.identities->known.size() : 0;
    if (ledger.cursors.size() > kMaxLedgerCursors || identities > kMaxLedgerIdentities)
        return ledger_is_full(directory);
    auto file = open_file(files, path, {.write = true});
    if (!file) return file.error();
    ++ledger.generation;
    IoOutcome outcome = write_slot(files, file->id(), ledger);
    if (outcome.ok()) outcome = files.sync(file->id());
    if (outcome.ok()) return {};
    --ledger.generation;
    return file_trouble("write", path, outcome.os_errno);
}

}  // namespace tailrace::journal
