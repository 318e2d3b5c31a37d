#include "support/child_process.hpp"

#include <tailrace/base/file_size_signal.hpp>
#include <tailrace/base/random.hpp>
#include <tailrace/base/shortage.hpp>

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <set>
#include <string>

namespace file_size_signal_test {

using namespace tailrace;
using test::in_child;

namespace {

// A file without a name, and a limit of 4096 bytes on how large it may become.
int limited_file() {
    std::string name = "/var/tmp/tailrace-base-XXXXXX";
    const int fd = ::mkostemp(name.data(), O_CLOEXEC);
    ::unlink(name.c_str());
    const rlimit limit{4096, RLIM_INFINITY};
    return ::setrlimit(RLIMIT_FSIZE, &limit) == 0 ? fd : -1;
}

}  // namespace

TEST_CASE("file size signal: a write beyond the limit ends the process, but not under a hold",
          "[base][file_size]") {
    CHECK(in_child([] { return ::pwrite(limited_file(), "x", 1, 5000) == 1 ? 1 : 2; }) ==
          1000 + SIGXFSZ);
    CHECK(in_child([] {
              const int fd = limited_file();
              for (int time = 0; time < 3; ++time) {
                  const FileSizeSignalHold hold;
                  if (::pwrite(fd, "x", 1, 5000) != -1 || errno != EFBIG) return 2;
              }
              if (is_file_size_allowed(4097) || !is_file_size_allowed(4096)) return 3;
              return ::pwrite(fd, "x", 1, 4000) == 1 ? 0 : 4;
          }) == 0);
}

TEST_CASE("file size signal: what the process does about it stays as it was", "[base][file_size]") {
    CHECK(in_child([] {
              const int fd = limited_file();
              sigset_t held;
              ::sigemptyset(&held);
              ::sigaddset(&held, SIGXFSZ);
              ::pthread_sigmask(SIG_BLOCK, &held, nullptr);
              {
                  const FileSizeSignalHold hold;
                  if (::pwrite(fd, "x", 1, 5000) != -1) return 2;
              }
              // Somebody who holds it back by himself still gets it.
              sigset_t pending;
              ::sigpending(&pending);
              return ::sigismember(&pending, SIGXFSZ) == 1 ? 0 : 3;
          }) == 0);
}

TEST_CASE("random: no word comes twice", "[base][random]") {
    std::set<std::uint64_t> words;
    for (int count = 0; count < 1000; ++count)
        words.insert(random_word());
    CHECK(words.size() == 1000);
}

TEST_CASE("shortage: each is called what it is", "[base][shortage]") {
    const auto hint_of = [](int os_errno) {
        return shortage_of(os_errno, "/where").hint;
    };
    CHECK(hint_of(ENOSPC).find("df /where") != std::string::npos);
    for (const int other : {EFBIG, EMFILE, ENFILE, ENOMEM, EPERM, EROFS, ENOENT}) {
        CHECK(hint_of(other).find("df ") == std::string::npos);
        CHECK_FALSE(shortage_of(other, "/where").what.empty());
    }
    CHECK(hint_of(EFBIG).find("ulimit -f") != std::string::npos);
    CHECK(hint_of(EMFILE).find("ulimit -n") != std::string::npos);
    CHECK(errno_text(ENOSPC) == "No space left on device (ENOSPC)");
}

}  // namespace file_size_signal_test
