// What a process is like that was started with the standard descriptors closed.

#include "stream/recorded_stream.hpp"
#include "support/child_process.hpp"
#include "support/watchdog.hpp"

#include <tailrace/stream/recorder.hpp>

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

namespace standard_descriptors_test {

namespace {

using namespace tailrace;
using namespace tailrace::test;

TEST_CASE("standard descriptors: with 0 to 2 closed nothing of the library's gets such a number",
          "[stream][standard_descriptors]") {
    const Watchdog watchdog("standard descriptors: with 0 to 2 closed");
    const RecordedStream recorded;
    ChildProcess child([&] {
        for (int fd = 0; fd <= STDERR_FILENO; ++fd)
            ::close(fd);
        // Kept, that is: a thread that has just opened a file has the lowest number for a moment,
        // until it has taken a higher one.
        const auto none_is_taken = [] {
            constexpr int kLooks = 10'000;
            int fd = 0;
            for (int look = 0; look < kLooks && fd <= STDERR_FILENO; ++look) {
                if (::fcntl(fd, F_GETFD) < 0) {
                    ++fd;
                } else {
                    ::sched_yield();
                }
            }
            return fd > STDERR_FILENO;
        };
        auto publisher = recorded.stream().publisher();
        auto subscriber = recorded.stream().subscriber();
        if (!none_is_taken()) return 1;
        if (!subscriber.poll_fd() || !none_is_taken()) return 2;
        auto recorder = recorded.recorder();
        if (!none_is_taken()) return 3;
        if (!publish_numbered(publisher, 1, 0, 50)) return 4;
        if (!record_all(recorder, publisher.region()) || !none_is_taken()) return 5;
        auto reader = journal::Reader::open(recorded.journal_directory());
        if (!reader || !reader->next() || !none_is_taken()) return 6;
        return recorder.close() && none_is_taken() ? 0 : 7;
    });
    CHECK(child.wait().exit_code == 0);
    CHECK(read_journal(recorded.journal_directory()).events.size() == 50);
}

}  // namespace

}  // namespace standard_descriptors_test
