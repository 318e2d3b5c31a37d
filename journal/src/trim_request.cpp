#include "trim_request.hpp"

#include "aside_file.hpp"
#include "segment_directory.hpp"

#include <tailrace/base/checksum.hpp>

#include <cstring>
#include <span>

namespace tailrace::journal {

namespace {

std::uint64_t checksum_of(const TrimRequest& request) noexcept {
    return checksum64(
        std::as_bytes(std::span(&request, 1)).subspan(offsetof(TrimRequest, journal_id)),
        kTrimMagic);
}

Error cannot_ask(const std::string& path, int os_errno) {
    return os_error(
        os_errno,
        "cannot make '" + path + "', which would ask the writer" + why_refused(os_errno),
        "'df' shows the room, 'ls -ld' whose the directory is");
}

}  // namespace

std::string trim_path(const std::string& directory) {
    return directory + "/TRIM";
}

Result<void> ask_to_trim(FileStore& files,
                         const std::string& directory,
                         const JournalId& journal_id,
                         std::uint64_t kept_number) {
    TrimRequest request{};
    request.magic = kTrimMagic;
    request.journal_id = journal_id;
    request.kept_segment_number = kept_number;
    request.checksum = checksum_of(request);
    const std::string path = trim_path(directory);
    AsideFile made(files, path + ".new");
    IoOutcome outcome = made.create();
    if (outcome.ok()) outcome = files.write(made.id(), 0, std::as_bytes(std::span(&request, 1)));
    if (outcome.ok()) outcome = made.flush();
    if (outcome.ok()) outcome = made.take_name(path, directory);
    if (outcome.ok()) return {};
    return cannot_ask(path, outcome.os_errno);
}

bool is_trim_asked(FileStore& files, const std::string& directory) noexcept {
    const IoOutcome opened = files.open(trim_path(directory), {});
    if (opened.ok()) files.close(static_cast<FileId>(opened.value));
    return opened.ok();
}

std::optional<std::uint64_t> read_trim_request(FileStore& files,
                                               const std::string& directory,
                                               const JournalId& journal_id) noexcept {
    const IoOutcome opened = files.open(trim_path(directory), {});
    if (!opened.ok()) return std::nullopt;
    const StoredFile file(files, static_cast<FileId>(opened.value));
    TrimRequest request{};
    const IoOutcome outcome =
        files.read(file.id(), 0, std::as_writable_bytes(std::span(&request, 1)));
    if (!outcome.ok()) return std::nullopt;  // asked again
    const bool is_sound = outcome.value == sizeof(request) && request.magic == kTrimMagic &&
                          request.checksum == checksum_of(request);
    return is_sound && request.journal_id == journal_id ? request.kept_segment_number : 0;
}

void end_trim_request(FileStore& files, const std::string& directory) noexcept {
    (void)files.remove(trim_path(directory));
}

}  // namespace tailrace::journal
