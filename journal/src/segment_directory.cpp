#include "segment_directory.hpp"

#include "batch_codec.hpp"

#include <tailrace/base/shortage.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

namespace tailrace::journal {

namespace {

constexpr std::string_view kSegmentSuffix = ".seg";
constexpr std::string_view kIndexSuffix = ".idx";
constexpr std::string_view kRetiredSuffix = ".retired";
constexpr std::size_t kNumberDigits = 16;
constexpr std::uint64_t kSuperSlots = 2;

std::string numbered_path(const std::string& directory,
                          std::uint64_t number,
                          std::string_view suffix) {
    std::array<char, kNumberDigits> digits{};
    const auto [end, error] = std::to_chars(digits.begin(), digits.end(), number, 16);
    const auto count = static_cast<std::size_t>(end - digits.begin());
    std::string path = directory + '/' + std::string(kNumberDigits - count, '0');
    path.append(digits.data(), count).append(suffix);
    return path;
}

// The number in a name of exactly 16 hexadecimal digits and the suffix.
std::optional<std::uint64_t> number_in(std::string_view name, std::string_view suffix) {
    if (name.size() != kNumberDigits + suffix.size() || !name.ends_with(suffix)) {
        return std::nullopt;
    }
    std::uint64_t number = 0;
    const char* const end = name.data() + kNumberDigits;
    const auto [stop, error] = std::from_chars(name.data(), end, number, 16);
    if (error != std::errc{} || stop != end || number == 0) return std::nullopt;
    return number;
}

}  // namespace

std::string segment_path(const std::string& directory, std::uint64_t segment_number) {
    return numbered_path(directory, segment_number, kSegmentSuffix);
}
std::string index_path(const std::string& directory, std::uint64_t segment_number) {
    return numbered_path(directory, segment_number, kIndexSuffix);
}
std::string retired_path(const std::string& directory, std::uint64_t segment_number) {
    return numbered_path(directory, segment_number, kRetiredSuffix);
}
std::string super_path(const std::string& directory) {
    return directory + "/SUPER";
}
std::string lock_path(const std::string& directory) {
    return directory + "/LOCK";
}
std::string settings_path(const std::string& directory) {
    return directory + "/SETTINGS";
}
std::string spare_path(const std::string& directory) {
    return directory + "/spare";
}
std::string partial_spare_path(const std::string& directory) {
    return directory + "/spare.partial";
}

std::string kept_parent(const std::string& directory) {
    return directory + "/repaired";
}

bool is_journal_name(std::string_view name) noexcept {
    constexpr std::array<std::string_view, 15> kNames = {"SUPER",
                                                         "LOCK",
                                                         "SETTINGS",
                                                         "SETTINGS.new",
                                                         "SCHEMA",
                                                         "SCHEMA.new",
                                                         "CATALOGUE",
                                                         "CATALOGUE.new",
                                                         "LEDGER",
                                                         "LEDGER.new",
                                                         "TRIM",
                                                         "TRIM.new",
                                                         "spare",
                                                         "spare.partial",
                                                         kRemovingName};
    if (std::find(kNames.begin(), kNames.end(), name) != kNames.end()) return true;
    return number_in(name, kSegmentSuffix) || number_in(name, kIndexSuffix) ||
           number_in(name, kRetiredSuffix) || half_made_segment(name);
}

Error half_removed(const std::string& directory) {
    return make_error(ErrorCode::corrupt,
                      "the journal in '" + directory +
                          "' is half removed: somebody was told to remove it, and was stopped",
                      "tailrace rm " + directory + "/ --yes ends it");
}

Result<DirectoryListing> list_journal(FileStore& files, const std::string& directory) {
    std::vector<std::string> names;
    if (const IoOutcome listed = files.list(directory, names); !listed.ok()) {
        return os_error(listed.os_errno,
                        "cannot list the journal '" + directory + "'",
                        "check the path and its permissions with 'ls -ld'");
    }
    DirectoryListing listing;
    for (std::string& name : names) {
        if (const auto number = number_in(name, kSegmentSuffix)) {
            listing.segment_numbers.push_back(*number);
        } else if (const auto retired = number_in(name, kRetiredSuffix)) {
            listing.retired_numbers.push_back(*retired);
        } else if (name == "SUPER") {
            listing.has_super = true;
        } else if (name == "LOCK") {
            listing.has_lock = true;
        } else if (name == kRemovingName) {
            listing.is_half_removed = true;
        } else if (name != "repaired" && (!is_journal_name(name) || half_made_segment(name))) {
            listing.foreign_names.push_back(std::move(name));
        }
    }
    std::sort(listing.segment_numbers.begin(), listing.segment_numbers.end());
    std::sort(listing.retired_numbers.begin(), listing.retired_numbers.end());
    return listing;
}

void disown_below(DirectoryListing& listing, std::uint64_t oldest_segment_number) {
    auto& numbers = listing.segment_numbers;
    const auto kept = std::lower_bound(numbers.begin(), numbers.end(), oldest_segment_number);
    listing.disowned_numbers.insert(listing.disowned_numbers.end(), numbers.begin(), kept);
    numbers.erase(numbers.begin(), kept);
}

std::optional<std::uint64_t> half_made_segment(std::string_view name) noexcept {
    constexpr std::string_view kSuffix = ".copying";
    if (!name.ends_with(kSuffix)) return std::nullopt;
    name.remove_suffix(kSuffix.size());
    return number_in(name, kSegmentSuffix);
}

std::string why_refused(int os_errno) {
    if (os_errno == ELOOP) return ", which is a symbolic link";
    if (os_errno == EPERM) return ", which isn't ours to write to";
    return {};
}

Error file_trouble(const char* what, const std::string& path, int os_errno) {
    return os_error(os_errno,
                    std::string("cannot ") + what + " '" + path + "'" + why_refused(os_errno),
                    shortage_of(os_errno, path).hint);
}

Result<StoredFile> open_file(FileStore& files, const std::string& path, OpenFlags flags) {
    const IoOutcome opened = files.open(path, flags);
    if (!opened.ok()) {
        return os_error(opened.os_errno,
                        std::string("cannot ") + (flags.create ? "create '" : "open '") + path +
                            "'" + why_refused(opened.os_errno),
                        opened.os_errno == ELOOP || opened.os_errno == EPERM
                            ? "ls -l '" + path + "': who made it? nobody needs it here"
                            : "'tailrace doctor' checks permissions and limits");
    }
    return StoredFile(files, static_cast<FileId>(opened.value));
}

Result<StoredFile> open_unbuffered(FileStore& files,
                                   const std::string& path,
                                   OpenFlags flags,
                                   bool& unbuffered) {
    if (unbuffered) {
        flags.unbuffered = true;
        const IoOutcome opened = files.open(path, flags);
        if (opened.ok()) return StoredFile(files, static_cast<FileId>(opened.value));
        if (opened.os_errno != EINVAL) return open_file(files, path, flags);
        unbuffered = false;
    }
    flags.unbuffered = false;
    return open_file(files, path, flags);
}

Result<SegmentHeader> read_segment_header(FileStore& files,
                                          const StoredFile& file,
                                          const std::string& path,
                                          Access access) {
    alignas(kBlockSizeBytes) std::array<std::byte, kBlockSizeBytes> block{};
    const IoOutcome outcome = files.read(file.id(), 0, block);
    if (!outcome.ok()) {
        return os_error(outcome.os_errno,
                        "cannot read the header of '" + path + "'",
                        "look at 'dmesg' for errors of the disk");
    }
    return decode_segment_header(std::span(block).first(outcome.value), path, access);
}

Result<SuperState> read_super(FileStore& files, const std::string& directory, Access access) {
    SuperState state;
    const std::string path = super_path(directory);
    const IoOutcome opened = files.open(path, {});
    if (opened.os_errno == ENOENT) return state;
    if (!opened.ok()) {
        return os_error(opened.os_errno,
                        "cannot open '" + path + "'",
                        "'tailrace doctor' checks permissions and limits");
    }
    const StoredFile file(files, static_cast<FileId>(opened.value));
    std::array<std::byte, kSuperSlots * kBlockSizeBytes> bytes{};
    const IoOutcome outcome = files.read(file.id(), 0, bytes);
    if (!outcome.ok()) return os_error(outcome.os_errno, "cannot read '" + path + "'");

    state.blank = is_zero(bytes);
    std::uint64_t slots = 0;
    for (std::uint64_t slot = 0; slot < kSuperSlots; ++slot) {
        const auto block = std::span(bytes).subspan(slot * kBlockSizeBytes, kBlockSizeBytes);
        if (is_zero(block)) continue;
        auto super = decode_super(block, path, access);
        if (super && super->generation % kSuperSlots == slot) {
            ++slots;
            if (!state.newest || super->generation > state.newest->generation) {
                state.newest = *super;
            }
        } else if (!super) {
            state.refusal = std::move(super.error());
        }
    }
    // The first generation has the other slot blank.
    state.lacks_slot =
        slots < kSuperSlots && !(state.newest && state.newest->generation == 1 && !state.refusal);
    // A slot of a version that we don't know is newer than ours, whatever the other slot says.
    if (state.refusal && state.refusal->code == ErrorCode::incompatible) return *state.refusal;
    return state;
}

Result<void> write_super(FileStore& files, const std::string& directory, SuperBlock super) {
    seal_super(super);
    const std::string path = super_path(directory);
    auto file = open_file(files, path, {.write = true});
    if (!file) return file.error();
    const std::uint64_t offset = (super.generation % kSuperSlots) * kBlockSizeBytes;
    IoOutcome outcome = files.write(file->id(), offset, std::as_bytes(std::span(&super, 1)));
    if (outcome.ok()) outcome = files.sync(file->id());
    if (outcome.ok()) return {};
    return os_error(outcome.os_errno,
                    "cannot write '" + path + "'",
                    "look at 'dmesg' for errors of the disk, at 'df' for room");
}

Error no_journal(const std::string& directory, bool is_begun) {
    if (!is_begun) {
        return make_error(ErrorCode::not_found,
                          "there is no journal in '" + directory + "'",
                          "'tailrace record' makes one");
    }
    return make_error(ErrorCode::not_found,
                      "the journal in '" + directory +
                          "' is empty: it was made with its stream, and nobody has recorded yet",
                      "'tailrace record' does; 'tailrace ls' names the stream");
}

void write_index(FileStore& files, const std::string& path, const std::vector<std::byte>& bytes) {
    const IoOutcome opened = files.open(path, {.write = true, .create = true});
    if (!opened.ok()) return;
    const StoredFile file(files, static_cast<FileId>(opened.value));
    (void)files.write(file.id(), 0, bytes);
}

Result<SegmentIndex> read_index(FileStore& files,
                                const std::string& path,
                                const SegmentHeader& segment) {
    auto file = open_file(files, path, {});
    if (!file) return file.error();
    const IoOutcome size = files.size_bytes(file->id());
    if (!size.ok()) return os_error(size.os_errno, "cannot look at '" + path + "'");
    const std::uint64_t most =
        sizeof(IndexHeader) + sizeof(IndexEntry) * max_index_entries(segment.segment_size_bytes);
    if (size.value > most) {
        return make_error(ErrorCode::corrupt, "the index '" + path + "' is larger than any can be");
    }
    std::vector<std::byte> bytes(size.value);
    const IoOutcome outcome = files.read(file->id(), 0, bytes);
    if (!outcome.ok()) return os_error(outcome.os_errno, "cannot read '" + path + "'");
    bytes.resize(outcome.value);
    return decode_index(bytes, path, segment);
}

}  // namespace tailrace::journal
