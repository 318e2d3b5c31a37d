#include "hand_over/export_directory.hpp"

#include <tailrace/base/shortage.hpp>
#include <tailrace/base/step.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <utility>

namespace tailrace::tool {

namespace {

constexpr std::string_view kNextName = ".tailrace-manifest";
constexpr std::string_view kPartPrefix = ".tailrace-part-";

std::string part_name(const std::string& table) {
    return std::string(kPartPrefix) + table;
}

bool is_there(int directory_fd, const std::string& name) {
    struct stat found {};
    return ::fstatat(directory_fd, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0;
}

// A file that is there is never replaced.
int rename_to_new(int directory_fd, const std::string& from, const std::string& to) {
    const int done =
        ::renameat2(directory_fd, from.c_str(), directory_fd, to.c_str(), RENAME_NOREPLACE);
    if (done == 0 || errno != EINVAL) return done;
    // A file system that doesn't know the word. Nobody else is at work here, by the lock.
    if (is_there(directory_fd, to)) {
        errno = EEXIST;
        return -1;
    }
    return ::renameat(directory_fd, from.c_str(), directory_fd, to.c_str());
}

}  // namespace

Error ExportDirectory::failed(int os_errno, std::string_view what) const {
    const Shortage shortage = shortage_of(os_errno, path_);
    return os_error(os_errno,
                    fmt::format("cannot {} in '{}'", what, path_),
                    shortage.hint.empty() ? fmt::format("ls -ld {}", path_) : shortage.hint);
}

Result<ExportDirectory> ExportDirectory::open(const std::string& path) {
    ExportDirectory directory;
    if (auto taken = directory.take(path); !taken) return taken.error();
    if (auto recovered = directory.recover(); !recovered) return recovered.error();
    return directory;
}

Result<void> ExportDirectory::take(const std::string& path) {
    path_ = path;
    std::error_code failure;
    const auto found = std::filesystem::status(path, failure);
    if (std::filesystem::exists(found) && !std::filesystem::is_directory(found)) {
        return make_error(ErrorCode::already_exists,
                          fmt::format("'{}' is there, and no directory", path),
                          "a directory, or a name that isn't there yet");
    }
    std::filesystem::create_directories(path, failure);
    if (failure) {
        return os_error(
            failure.value(),
            fmt::format("cannot make the directory '{}'", path),
            fmt::format("ls -ld {}", std::filesystem::path(path).parent_path().string()));
    }
    fd_ = UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd_.is_open()) {
        return os_error(errno,
                        fmt::format("cannot open the directory '{}'", path),
                        fmt::format("ls -ld {}", path));
    }
    if (::flock(fd_.get(), LOCK_EX | LOCK_NB) == 0) return {};
    if (errno == EWOULDBLOCK) {
        return make_error(ErrorCode::busy,
                          fmt::format("somebody else exports into '{}'", path),
                          fmt::format("wait until it has ended; fuser {}", path));
    }
    return failed(errno, "take the lock");
}

Result<std::optional<Manifest>> ExportDirectory::read_manifest(std::string_view name) const {
    const std::string where = path_ + "/" + std::string(name);
    UniqueFd fd(::openat(fd_.get(), std::string(name).c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.is_open()) {
        if (errno == ENOENT) return std::optional<Manifest>();
        return os_error(
            errno, fmt::format("cannot read '{}'", where), fmt::format("ls -l {}", where));
    }
    constexpr std::size_t kBlock = std::size_t{64} << 10U;
    std::string text;
    for (;;) {
        const std::size_t before = text.size();
        text.resize(before + kBlock);
        const ssize_t count = ::read(fd.get(), text.data() + before, kBlock);
        text.resize(before + static_cast<std::size_t>(count > 0 ? count : 0));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return failed(errno, "read the manifest");
        if (count == 0) break;
    }
    auto manifest = parse_manifest(text, where);
    if (!manifest) return manifest.error();
    return std::optional(std::move(*manifest));
}

Result<void> ExportDirectory::recover() {
    auto manifest = read_manifest(kManifestName);
    if (!manifest) return manifest.error();
    manifest_ = std::move(*manifest);
    if (!manifest_) {
        if (auto checked = check_is_free(); !checked) return checked;
    }
    auto next = read_manifest(kNextName);
    if (!next) {
        // Whoever wrote it was killed before it was whole, so before any file had its name.
        const ErrorCode code = next.error().code;
        if (code != ErrorCode::corrupt && code != ErrorCode::not_tailrace) return next.error();
    } else if (*next) {
        if (auto checked = check_goes_on(**next); !checked) return checked;
        is_promised_ = true;
        if (auto published = publish(**next); !published) return published;
    }
    drop_unfinished();
    return {};
}

// Only in a directory without a manifest: nothing there but what a first run that was killed left.
Result<void> ExportDirectory::check_is_free() const {
    std::error_code failure;
    for (const auto& entry : std::filesystem::directory_iterator(path_, failure)) {
        const std::string name = entry.path().filename().string();
        if (name == kNextName || name.starts_with(kPartPrefix)) continue;
        // A first part whose files have their names: its manifest is about to have its own.
        if (is_there(fd_.get(), std::string(kNextName))) continue;
        return make_error(
            ErrorCode::already_exists,
            fmt::format("'{}' has no manifest and isn't empty: '{}' is there", path_, name),
            "an empty directory, or one that isn't there yet");
    }
    if (failure) return failed(failure.value(), "list what is");
    return {};
}

// What was promised is the manifest that is there, and a part.
Result<void> ExportDirectory::check_goes_on(const Manifest& next) const {
    if (!manifest_) return {};
    Manifest before = next;
    if (!before.parts.empty()) before.parts.pop_back();
    if (before == *manifest_) return {};
    return make_error(ErrorCode::corrupt,
                      fmt::format("'{0}/{1}' doesn't go on where '{0}/{2}' ends: one of them isn't "
                                  "what the last export wrote",
                                  path_,
                                  kNextName,
                                  kManifestName),
                      "put back what was replaced; else export into another directory");
}

void ExportDirectory::drop_unfinished() noexcept {
    if (is_promised_) return;  // the next run goes on with it
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(path_, ignored)) {
        const std::string name = entry.path().filename().string();
        if (name == kNextName || name.starts_with(kPartPrefix))
            ::unlinkat(fd_.get(), name.c_str(), 0);
    }
}

Result<void> ExportDirectory::begin(Manifest manifest) {
    if (auto written = write_next(manifest); !written) return written;
    return publish(manifest);
}

Result<std::unique_ptr<PartFile>> ExportDirectory::new_file(const std::string& table) {
    return PartFile::create(fd_.get(), path_, part_name(table));
}

Result<void> ExportDirectory::commit(ExportedPart part) {
    for (const ExportedFile& file : part.files) {
        if (is_there(fd_.get(), file.name)) return in_the_way(file);
    }
    Manifest next = *manifest_;
    next.parts.push_back(std::move(part));
    if (auto written = write_next(next); !written) return written;
    return publish(next);
}

Result<void> ExportDirectory::write_next(const Manifest& manifest) {
    ::unlinkat(fd_.get(), std::string(kNextName).c_str(), 0);
    auto file = PartFile::create(fd_.get(), path_, std::string(kNextName));
    if (!file) return file.error();
    const std::string text = manifest.text();
    if (auto written = (*file)->write(std::as_bytes(std::span<const char>(text))); !written)
        return written;
    // From here on it may be on the disk, whatever is said of it.
    is_promised_ = true;
    if (auto finished = (*file)->finish(); !finished) return finished;
    TAILRACE_STEP("export.promised");
    // Behind this the part counts: its files are there, and what they are to be called.
    return flush_names();
}

Result<void> ExportDirectory::publish(const Manifest& next) {
    if (!next.parts.empty()) {
        for (const ExportedFile& file : next.parts.back().files) {
            if (auto named = name_file(file); !named) return named;
            TAILRACE_STEP("export.file_named");
        }
        // Before the manifest speaks of them.
        if (auto flushed = flush_names(); !flushed) return flushed;
        TAILRACE_STEP("export.files_named");
    }
    const std::string from(kNextName);
    const std::string to(kManifestName);
    if (::renameat(fd_.get(), from.c_str(), fd_.get(), to.c_str()) != 0)
        return failed(errno, "replace the manifest");
    TAILRACE_STEP("export.manifest_replaced");
    if (auto flushed = flush_names(); !flushed) return flushed;
    manifest_ = next;
    is_promised_ = false;
    return {};
}

Error ExportDirectory::in_the_way(const ExportedFile& file) const {
    return make_error(
        ErrorCode::already_exists,
        fmt::format("'{}/{}' is in the way: its manifest knows nothing of it", path_, file.name),
        fmt::format("mv {}/{} somewhere else", path_, file.name));
}

// Also when it has its name already: a run that was killed had come so far.
Result<void> ExportDirectory::name_file(const ExportedFile& file) {
    const std::string part = part_name(file.table);
    if (rename_to_new(fd_.get(), part, file.name) == 0) return {};
    const int failure = errno;
    struct stat found {};
    const bool is_named = ::fstatat(fd_.get(), file.name.c_str(), &found, 0) == 0;
    if (failure == ENOENT && is_named && static_cast<std::uint64_t>(found.st_size) == file.bytes)
        return {};
    if (failure == EEXIST) return in_the_way(file);
    if (failure == ENOENT) {
        return make_error(
            ErrorCode::corrupt,
            fmt::format("'{}' of part [{}, {}) is gone from '{}' before it had its name",
                        part,
                        file.first,
                        file.end,
                        path_),
            fmt::format("rm {}/{}; the next export makes the part anew", path_, kNextName));
    }
    return failed(failure, "name a file");
}

Result<void> ExportDirectory::flush_names() const {
    if (::fsync(fd_.get()) != 0) return failed(errno, "flush the directory");
    return {};
}

}  // namespace tailrace::tool
