// Finding a stream's files: by descriptors, along no link, and waiting for nothing.

#include "region_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace tailrace::bus {

StreamPaths stream_paths(const std::string& name, const std::string& directory) {
    StreamPaths paths;
    paths.parent = directory.empty() ? default_directory() : directory;
    paths.directory = paths.parent + "/" + name;
    paths.control = paths.directory + "/control";
    paths.events = paths.directory + "/events";
    return paths;
}

Error cannot_open(int os_errno, const std::string& stream, const std::string& path) {
    if (os_errno == ENOENT) {
        return make_error(ErrorCode::not_found,
                          "there is no stream '" + stream + "' (no " + path + ")",
                          "tailrace create " + stream);
    }
    Error error = os_error(os_errno, "cannot open stream '" + stream + "' (" + path + ")");
    if (error.code == ErrorCode::no_permission) {
        error.hint = "ls -l " + path + "; run as its owner, or create the stream with --mode 0666";
    }
    if (os_errno == EMFILE)
        error.hint =
            "ulimit -n shows how many descriptors a process may have; LimitNOFILE= in its "
            "unit";
    if (os_errno == ENFILE) error.hint = "sysctl fs.file-nr fs.file-max";
    return error;
}

Result<UniqueFd> open_parent(const StreamPaths& paths, const std::string& stream) {
    UniqueFd fd(::open(paths.parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (fd.is_open()) return fd;
    const bool is_absent = errno == ENOENT || errno == ENOTDIR;
    return cannot_open(is_absent ? ENOENT : errno, stream, paths.directory);
}

Result<UniqueFd> open_stream_directory(int parent_fd,
                                       const StreamPaths& paths,
                                       int flags,
                                       const std::string& stream) {
    const std::string name = paths.directory.substr(paths.directory.rfind('/') + 1);
    UniqueFd fd(::openat(parent_fd, name.c_str(), flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (fd.is_open()) return fd;
    if (errno == ENOTDIR || errno == ELOOP) {
        return make_error(ErrorCode::not_tailrace,
                          "'" + paths.directory + "' is no stream but a link or a file",
                          "choose another --dir, or move it away");
    }
    return cannot_open(errno, stream, paths.directory);
}

Result<UniqueFd> open_control(int directory_fd,
                              const StreamPaths& paths,
                              int flags,
                              const std::string& stream) {
    UniqueFd fd(::openat(directory_fd, "control", flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat status {};
    const int os_errno = fd.is_open() ? 0 : errno;
    if (fd.is_open() && ::fstat(fd.get(), &status) == 0 && S_ISREG(status.st_mode)) return fd;
    if (fd.is_open() || os_errno == ELOOP || os_errno == EISDIR || os_errno == ENXIO) {
        return make_error(ErrorCode::not_tailrace,
                          "'" + paths.control + "' is not a Tailrace ring: it is no file",
                          "choose another --dir, or move that away");
    }
    return cannot_open(os_errno, stream, paths.control);
}

FileIdentity identity_of(int fd) noexcept {
    struct stat status {};
    if (::fstat(fd, &status) != 0) return {};
    return {status.st_dev, status.st_ino};
}

bool leads_to(int parent_fd, const std::string& name, FileIdentity file) noexcept {
    struct stat status {};
    return ::fstatat(parent_fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           FileIdentity{status.st_dev, status.st_ino} == file;
}

}  // namespace tailrace::bus
