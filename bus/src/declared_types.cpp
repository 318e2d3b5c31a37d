// A whole new file takes the place of the old one, so a reader finds the one or the other. Who
// writes holds the registry lock: of two who declare at once the second one finds what the first
// one has written. What a killed one left aside, the next one removes.

#include "region_files.hpp"
#include "registry_lock.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/step.hpp>
#include <tailrace/bus/declared_types.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

namespace tailrace::bus {

namespace {

Error schema_trouble(int os_errno, const char* what, const std::string& directory) {
    return os_error(os_errno,
                    std::string("cannot ") + what + " '" + directory + "/" + kSchemaFile + "'",
                    "ls -la " + directory + "; df " + directory);
}

Result<std::string> read_text(int fd, const std::string& directory) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) return schema_trouble(errno, "look at", directory);
    if (!S_ISREG(status.st_mode)) return schema_trouble(EINVAL, "read", directory);
    // One byte more than there may be tells that there is too much.
    std::string text(schema::kMostSchemaBytes + 1, '\0');
    std::size_t size = 0;
    while (size < text.size()) {
        const ssize_t count =
            ::pread(fd, text.data() + size, text.size() - size, static_cast<off_t>(size));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return schema_trouble(errno, "read", directory);
        if (count == 0) break;
        size += static_cast<std::size_t>(count);
    }
    text.resize(size);
    return text;
}

Result<schema::StreamSchema> read_schema(int directory_fd, const std::string& directory) {
    const UniqueFd fd(
        ::openat(directory_fd, kSchemaFile, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd.is_open() && errno == ENOENT) return schema::StreamSchema();
    if (!fd.is_open()) return schema_trouble(errno, "open", directory);
    auto text = read_text(fd.get(), directory);
    if (!text) return text.error();
    return schema::parse_schema(*text, directory + "/" + kSchemaFile);
}

Result<void> write_text(int fd, std::string_view text, const std::string& directory) {
    while (!text.empty()) {
        const ssize_t count = ::write(fd, text.data(), text.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return schema_trouble(errno, "write", directory);
        text.remove_prefix(static_cast<std::size_t>(count));
    }
    return {};
}

Error in_stream(const Region& region, Error error) {
    if (error.code == ErrorCode::incompatible) {
        error.message =
            "stream '" + region.name() + "' and this program don't agree: " + error.message;
        error.hint =
            "cat " + region.path() + "/" + kSchemaFile + " shows what it has; " + error.hint;
    }
    return error;
}

struct MergedTypes {
    schema::StreamSchema types;  // what the stream has, and the others
    bool are_new;                // the stream doesn't have all of them
};

Result<MergedTypes> merge_with_declared(const Region& region, const schema::StreamSchema& others) {
    auto types = declared_types(region);
    if (!types) return types.error();
    auto are_new = types->merge(others);
    if (!are_new) return in_stream(region, are_new.error());
    return MergedTypes{std::move(*types), *are_new};
}

}  // namespace

Result<void> write_schema(int directory_fd,
                          const std::string& directory,
                          const StreamOptions& options) {
    ::unlinkat(directory_fd, kSchemaAside, 0);
    const UniqueFd fd(
        ::openat(directory_fd, kSchemaAside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd.is_open()) return schema_trouble(errno, "make", directory);
    if (auto written = write_text(fd.get(), options.types.text(), directory); !written)
        return written;
    TAILRACE_STEP("schema.written");
    auto given = give_file(fd, directory + "/" + kSchemaAside, options, options.mode & kFileModes);
    if (!given) return given;
    if (::renameat(directory_fd, kSchemaAside, directory_fd, kSchemaFile) != 0)
        return schema_trouble(errno, "name", directory);
    TAILRACE_STEP("schema.named");
    return {};
}

Result<schema::StreamSchema> declared_types(const Region& region) {
    return read_schema(region.directory_fd(), region.path());
}

TypesMark types_mark(const Region& region) noexcept {
    struct stat status {};
    if (::fstatat(region.directory_fd(), kSchemaFile, &status, AT_SYMLINK_NOFOLLOW) != 0) return {};
    return {
        status.st_ino,
        status.st_ctim.tv_sec * static_cast<std::int64_t>(kNsPerSecond) + status.st_ctim.tv_nsec};
}

Result<void> check_types(const Region& region, const schema::StreamSchema& types) {
    if (types.is_empty()) return {};
    if (auto merged = merge_with_declared(region, types); !merged) return merged.error();
    return {};
}

Result<void> declare_types(const Region& region, const schema::StreamSchema& types) {
    if (types.is_empty()) return {};
    auto merged = merge_with_declared(region, types);
    if (!merged) return merged.error();
    if (!merged->are_new) return {};

    LockFile file;
    const auto registry = RegistryLock::lock(region, file, kRegistryTimeoutNs);
    if (!registry) return registry.error();
    merged = merge_with_declared(region, types);
    if (!merged) return merged.error();
    if (!merged->are_new) return {};
    StreamOptions options;
    options.mode = region.header().mode;
    options.group_id = region.header().group_id;
    options.types = std::move(merged->types);
    return write_schema(region.directory_fd(), region.path(), options);
}

}  // namespace tailrace::bus
