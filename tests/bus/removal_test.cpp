// A stream in use is never removed, damaged or called dead; and whoever uses one that goes is told.

#include "region_files.hpp"
#include "support/child_process.hpp"
#include "support/received_events.hpp"
#include "support/shared_object.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/file_lock.hpp>
#include <tailrace/bus/region.hpp>

#include <catch2/catch.hpp>

#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

namespace removal_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

namespace fs = std::filesystem;

std::string control_of(const TestStream& stream) {
    return stream.directory() + "/stream/control";
}

// All address space that this process has taken.
std::uint64_t mapped_bytes() {
    std::uint64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

// Changes the header, and signs it anew unless it is to look damaged.
void forge(const std::string& control,
           const std::function<void(StreamHeader&)>& change,
           bool sign) {
    std::fstream file(control, std::ios::in | std::ios::out | std::ios::binary);
    StreamHeader header{};
    file.read(static_cast<char*>(static_cast<void*>(&header)), sizeof(header));
    change(header);
    if (sign) header.header_checksum = header_checksum(header);
    file.seekp(0);
    file.write(static_cast<const char*>(static_cast<void*>(&header)), sizeof(header));
    REQUIRE(file.good());
}

struct Disguise {
    const char* name;
    std::function<void(StreamHeader&)> change;
    bool sign;
};

// Streams that this program can't open, or doesn't like.
const Disguise kDisguises[] = {
    {"a newer layout", [](StreamHeader& header) { ++header.layout_major; }, true},
    {"an older layout", [](StreamHeader& header) { header.layout_major = 1; }, true},
    {"an unknown feature", [](StreamHeader& header) { header.features = 4; }, true},
    {"another boot",
     [](StreamHeader& header) {
         header.boot_id_low ^= 1;
         header.created_ns = 1;
     },
     true},
    {"no boot id",
     [](StreamHeader& header) { header.boot_id_low = header.boot_id_high = 0; },
     true},
    {"a damaged header", [](StreamHeader& header) { header.salt ^= 1; }, false},
    {"foreign bytes", [](StreamHeader& header) { header.magic.fill('x'); }, false},
};

ErrorCode code_of(const Result<void>& result) {
    return result ? ErrorCode::not_found : result.error().code;
}

}  // namespace

TEST_CASE("removal: a stream in use stays, whatever keeps it from being opened", "[bus][removal]") {
    for (const Disguise& disguise : kDisguises) {
        CAPTURE(disguise.name);
        const TestStream stream;
        {
            const Publisher publisher = stream.publisher();
            forge(control_of(stream), disguise.change, disguise.sign);
            CHECK(code_of(Region::unlink("stream", false, stream.directory())) == ErrorCode::busy);
            REQUIRE(fs::exists(control_of(stream)));
        }
        CHECK(Region::unlink("stream", false, stream.directory()));
        CHECK(fs::is_empty(stream.directory()));
    }
    for (const Disguise& disguise : kDisguises) {
        CAPTURE(disguise.name);
        const TestStream stream;
        const Subscriber subscriber = stream.subscriber(SlowPolicy::skip);
        forge(control_of(stream), disguise.change, disguise.sign);
        CHECK(code_of(Region::unlink("stream", false, stream.directory())) == ErrorCode::busy);
    }
}

TEST_CASE("removal: a stream in use stays when there is no room to map it", "[bus][removal]") {
    const Watchdog watchdog("removal: no room to map it");
    StreamOptions options = small_stream();
    options.capacity_bytes = std::uint64_t{64} << 20U;
    const TestStream stream(options);
    const Publisher publisher = stream.publisher();
    ChildProcess remover([&] {
        // Some more than this process has, and less than the ring takes twice.
        const std::uint64_t most_bytes = mapped_bytes() + (std::uint64_t{32} << 20U);
        const rlimit little{most_bytes, most_bytes};
        ::setrlimit(RLIMIT_AS, &little);
        if (Region::open("stream", RegionAccess::observe, stream.directory())) return 2;
        return code_of(Region::unlink("stream", false, stream.directory())) == ErrorCode::busy ? 0
                                                                                               : 1;
    });

    CHECK(remover.wait().exit_code == 0);
    CHECK(fs::exists(control_of(stream)));
}

TEST_CASE("removal: who uses a stream that can't be opened is told that it is gone",
          "[bus][removal]") {
    const Watchdog watchdog("removal: who uses a stream that can't be opened is told");
    for (const Disguise& disguise : kDisguises) {
        CAPTURE(disguise.name);
        const TestStream stream;
        Publisher publisher = stream.publisher();
        Subscriber subscriber = stream.subscriber();
        forge(control_of(stream), disguise.change, disguise.sign);

        REQUIRE(Region::unlink("stream", true, stream.directory()));

        wait_until(
            [&] { return subscriber.poll([](const Event&) {}, 8).state == PollState::closed; });
        wait_until([&] { return publisher.try_publish(bytes_of("x")) == PublishStatus::closed; });
        CHECK(fs::is_empty(stream.directory()));
    }
}

TEST_CASE("removal: whose files vanish is told within a second", "[bus][removal]") {
    const Watchdog watchdog("removal: whose files vanish");
    const TestStream stream;
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    Subscriber observer = stream.subscriber(SlowPolicy::observe);
    REQUIRE(publisher.try_publish(bytes_of("last")) == PublishStatus::ok);

    SECTION("all of them") {
        fs::remove_all(stream.directory() + "/stream");
    }
    SECTION("one of them") {
        fs::remove(stream.directory() + "/stream/events");
    }
    SECTION("and others stand in their place") {
        fs::remove(stream.directory() + "/stream/poll.fifo");  // can't be copied
        fs::rename(stream.directory() + "/stream", stream.directory() + "/old");
        fs::copy(stream.directory() + "/old", stream.directory() + "/stream");
        fs::remove(control_of(stream));
        fs::remove(stream.directory() + "/old/control");
        fs::copy(stream.directory() + "/old/events", stream.directory() + "/old/control");
    }

    const auto result = subscriber.poll([](const Event&) {}, 8);
    CHECK(result.events == 1);  // what is there is still read
    const auto ended = [](Subscriber& reader) {
        return reader.poll_until([](const Event&) {}, 8, Deadline::in_ms(10'000)).state;
    };
    CHECK(ended(subscriber) == PollState::closed);
    while (observer.poll([](const Event&) {}, 8).events != 0) {
    }
    CHECK(ended(observer) == PollState::closed);
    // The first one may still pass: what it costs to be told costs no event anything.
    static_cast<void>(publisher.try_publish(bytes_of("x")));
    CHECK(publisher.try_publish(bytes_of("x")) == PublishStatus::closed);
}

TEST_CASE("removal: a publisher whom nobody reads is told too", "[bus][removal]") {
    const Watchdog watchdog("removal: a publisher whom nobody reads");
    for (const Publishing publishing : {Publishing::multi, Publishing::single}) {
        StreamOptions options = small_stream(publishing);
        options.capacity_bytes = std::uint64_t{16} << 20U;
        options.publish_time = PublishTime::off;
        const TestStream stream(options);
        Publisher publisher = stream.publisher();
        REQUIRE(publisher.try_publish(bytes_of("x")) == PublishStatus::ok);
        fs::remove_all(stream.directory() + "/stream");

        // Fifty a second.
        std::uint64_t published = 1;
        std::uint64_t last_ns = 0;
        wait_until([&] {
            if (monotonic_ns() - last_ns < 20'000'000) return false;
            last_ns = monotonic_ns();
            ++published;
            return publisher.try_publish(bytes_of("x")) == PublishStatus::closed;
        });

        // Of a ring a sixteenth is granted at a time: it was told before that was full.
        CHECK(published * 32 < options.capacity_bytes / kCheckpointCount);
        CHECK(publisher.region().life() == StreamLife::files_gone);
        CHECK(publisher.region().ending().find("is gone") != std::string::npos);
        CHECK(publisher.wait_durable(publisher.next_own_sequence(), Deadline::at_once())
                  .error()
                  .code == ErrorCode::closed);
    }
}

TEST_CASE("removal: a planted link is neither followed nor taken for a stream", "[bus][removal]") {
    const TestStream stream;  // stands for another user's
    const TemporaryDirectory shared;
    const std::string link = stream.directory() + "/stream";
    for (const char* name : {"planted", ".removed-planted.1.2.3", ".creating-planted.1.2.3"})
        fs::create_directory_symlink(link, shared.path() + "/" + name);

    CHECK(*Region::remove_leftovers(shared.path()) == 0);
    CHECK_FALSE(Region::open("planted", RegionAccess::observe, shared.path()));
    CHECK_FALSE(Region::unlink("planted", true, shared.path()));
    CHECK(Region::list(shared.path())->empty());

    CHECK(fs::exists(control_of(stream)));
    CHECK(fs::exists(stream.directory() + "/stream/events"));
}

TEST_CASE("removal: what stands in control's place is named, never waited for", "[bus][removal]") {
    const Watchdog watchdog("removal: what stands in control's place");
    const TestStream stream;
    fs::rename(control_of(stream), stream.directory() + "/elsewhere");

    SECTION("a FIFO") {
        REQUIRE(::mkfifo(control_of(stream).c_str(), 0600) == 0);
    }
    SECTION("a link") {
        fs::create_symlink(stream.directory() + "/elsewhere", control_of(stream));
    }
    SECTION("a directory") {
        fs::create_directory(control_of(stream));
    }
    for (const RegionAccess access : {RegionAccess::observe, RegionAccess::publish}) {
        const auto refused = Region::open("stream", access, stream.directory());
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == ErrorCode::not_tailrace);
    }
}

TEST_CASE("removal: without a descriptor left, that is what is said", "[bus][removal]") {
    const TestStream stream;
    ChildProcess starved([&] {
        const rlimit few{3, 3};
        ::setrlimit(RLIMIT_NOFILE, &few);
        const auto opened = Region::open("stream", RegionAccess::observe, stream.directory());
        const auto removed = Region::unlink("stream", true, stream.directory());
        const auto names = [](const Error& error) {
            return error.os_errno == EMFILE && error.hint.find("ulimit -n") != std::string::npos;
        };
        return !opened && names(opened.error()) && !removed && names(removed.error()) ? 0 : 1;
    });

    CHECK(starved.wait().exit_code == 0);
    CHECK(fs::exists(control_of(stream)));
}

TEST_CASE("removal: what holds no stream is left alone", "[bus][removal]") {
    const TestStream stream;
    const std::string other = stream.directory() + "/other";
    fs::create_directory(other);
    std::ofstream(other + "/letter") << "mine";

    CHECK(code_of(Region::unlink("other", false, stream.directory())) == ErrorCode::not_tailrace);
    CHECK(code_of(Region::unlink("other", true, stream.directory())) == ErrorCode::not_tailrace);
    CHECK(fs::exists(other + "/letter"));
    // What a cleaner has left of one is no such thing.
    fs::remove(control_of(stream));
    CHECK(Region::unlink("stream", false, stream.directory()));
    CHECK_FALSE(fs::exists(stream.directory() + "/stream"));
}

TEST_CASE("removal: a ring on a disk is of an earlier boot only if all speaks for it",
          "[bus][removal]") {
    std::string place = fs::current_path().string() + "/tailrace-removal-XXXXXX";
    REQUIRE(::mkdtemp(place.data()) != nullptr);
    struct statfs status {};
    REQUIRE(::statfs(place.c_str(), &status) == 0);
    const auto sweep = [&] {
        fs::remove_all(place);
    };
    if (status.f_type == TMPFS_MAGIC) {
        sweep();
        WARN("SKIPPED: needs a working directory on a disk");
        return;
    }
    REQUIRE(Region::create("stream", small_stream(), place));
    const std::string control = place + "/stream/control";
    const auto state = [&] {
        const auto opened = Region::open("stream", RegionAccess::observe, place);
        const auto header = Region::peek("stream", place);
        CHECK(opened.has_value() == header.has_value());
        return opened ? std::string("open") : std::string(error_code_name(opened.error().code));
    };
    const auto change = [&](const std::function<void(StreamHeader&)>& changed) {
        forge(control, changed, true);
    };

    CHECK(state() == "open");
    change([](StreamHeader& header) { header.boot_id_low ^= 1; });
    CHECK(state() == "unsupported");  // made since the machine started, and a container's id, maybe
    change([](StreamHeader& header) { header.created_ns = 1; });
    CHECK(state() == "stale");
    {
        const auto lock = FileLock::try_lock(control, kSubscriberLocks);
        CHECK(state() == "open");  // no lock outlives its boot
    }
    change([](StreamHeader& header) { header.boot_id_low = header.boot_id_high = 0; });
    CHECK(state() == "unsupported");
    sweep();
}

}  // namespace removal_test
