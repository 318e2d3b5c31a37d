#include "support/child_process.hpp"
#include "support/temporary_directory.hpp"

#include <tailrace/base/unique_fd.hpp>

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace unique_fd_test {

using namespace tailrace;
using namespace tailrace::test;

namespace {

bool is_closed(int fd) {
    return ::fcntl(fd, F_GETFD) < 0;
}

void close_standard() {
    for (int fd = 0; fd <= STDERR_FILENO; ++fd)
        ::close(fd);
}

}  // namespace

TEST_CASE("unique fd: none of the standard three is ever kept", "[base][unique_fd]") {
    const TemporaryDirectory directory;
    const std::string path = directory.path() + "/file";
    ChildProcess child([&] {
        close_standard();
        const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        if (!fd.is_open() || fd.get() <= STDERR_FILENO) return 1;
        if ((::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) == 0) return 2;
        if (!is_closed(0) || !is_closed(1) || !is_closed(2)) return 3;
        // Whoever writes a message now writes it nowhere.
        if (::write(STDOUT_FILENO, "text", 4) >= 0) return 4;
        struct stat status {};
        return ::fstat(fd.get(), &status) == 0 && status.st_size == 0 ? 0 : 5;
    });
    CHECK(child.wait().exit_code == 0);
}

TEST_CASE("unique fd: without a higher number left it says why and keeps nothing",
          "[base][unique_fd]") {
    ChildProcess child([] {
        close_standard();
        while (::open("/dev/null", O_RDONLY) >= 0) {
        }
        ::close(1);
        const UniqueFd fd(::open("/dev/null", O_RDONLY));
        if (fd.is_open() || errno != EMFILE) return 1;
        return is_closed(1) ? 0 : 2;
    });
    CHECK(child.wait().exit_code == 0);
}

TEST_CASE("unique fd: the standard three are taken for as long as somebody else opens",
          "[base][unique_fd]") {
    ChildProcess child([] {
        ::close(0);
        ::close(2);
        {
            const StandardTaken taken;
            if (is_closed(0) || is_closed(1) || is_closed(2)) return 1;
        }
        if (!is_closed(0) || is_closed(1) || !is_closed(2)) return 2;
        take_standard_descriptors();
        return is_closed(0) || is_closed(1) || is_closed(2) ? 3 : 0;
    });
    CHECK(child.wait().exit_code == 0);
}

}  // namespace unique_fd_test
