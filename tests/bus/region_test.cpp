#include "region_files.hpp"
#include "support/child_process.hpp"
#include "support/received_events.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/region.hpp>

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

namespace region_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

constexpr uid_t kNobody = 65534;

std::string control_of(const TestStream& stream) {
    return stream.directory() + "/stream/control";
}
std::string events_of(const TestStream& stream) {
    return stream.directory() + "/stream/events";
}

void overwrite(const std::string& path,
               std::uint64_t offset,
               const void* bytes,
               std::size_t size_bytes) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file.write(static_cast<const char*>(bytes), static_cast<std::streamsize>(size_bytes));
    REQUIRE(file.good());
}

// Changes the header and signs it anew, so that only the changed field can be what is refused.
void forge(const TestStream& stream, const std::function<void(StreamHeader&)>& change) {
    StreamHeader header{};
    std::ifstream(control_of(stream), std::ios::binary)
        .read(static_cast<char*>(static_cast<void*>(&header)), sizeof(header));
    change(header);
    header.header_checksum = header_checksum(header);
    overwrite(control_of(stream), 0, &header, sizeof(header));
}

Error refusal(const TestStream& stream, RegionAccess access = RegionAccess::publish) {
    auto opened = Region::open(stream.name(), access, stream.directory());
    if (opened) return make_error(ErrorCode::invalid_argument, "it was opened");
    return std::move(opened.error());
}

bool mentions(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

// Runs the body as another user; the exit code is its own, 99 when the privileges couldn't be
// dropped.
int as_nobody(const std::function<int()>& body) {
    ChildProcess child([&] {
        if (::setresgid(kNobody, kNobody, kNobody) != 0 ||
            ::setresuid(kNobody, kNobody, kNobody) != 0)
            return 99;
        return body();
    });
    return child.wait().exit_code;
}

bool is_in_memory(const std::string& path) {
    struct statfs status {};
    return ::statfs(path.c_str(), &status) == 0 && status.f_type == TMPFS_MAGIC;
}

bool is_root() {
    return ::geteuid() == 0;
}

std::uint64_t state_of(const std::string& directory) {
    std::uint64_t sum = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
        struct stat status {};
        ::stat(entry.path().c_str(), &status);
        sum += static_cast<std::uint64_t>(status.st_mtim.tv_nsec + status.st_ctim.tv_nsec) + 1;
        if (!entry.is_regular_file()) continue;
        std::ifstream file(entry.path(), std::ios::binary);
        for (char byte = 0; file.get(byte);)
            sum = sum * 31 + static_cast<unsigned char>(byte);
    }
    return sum;
}

}  // namespace

TEST_CASE("region: a stream that isn't there", "[bus][region]") {
    const TemporaryDirectory directory;

    const auto opened = Region::open("stream", RegionAccess::publish, directory.path());

    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == ErrorCode::not_found);
    CHECK(mentions(opened.error().message, "'stream'"));
    CHECK(mentions(opened.error().hint, "create"));
    CHECK(Region::open("a/b", RegionAccess::publish, directory.path()).error().code ==
          ErrorCode::invalid_argument);
    CHECK(Region::open("x", RegionAccess::publish, "/nowhere").error().code ==
          ErrorCode::not_found);
}

TEST_CASE("region: what create was given is what open finds", "[bus][region]") {
    StreamOptions options;
    options.capacity_bytes = 128 * 1024;
    options.max_payload_bytes = 1000;
    options.publishing = Publishing::single;
    options.publish_time = PublishTime::per_batch;
    options.alignment_bytes = 64;
    options.publisher_slots = 7;
    options.subscriber_slots = 9;
    options.first_sequence = 12345;
    options.journal_directory = "/var/lib/journal";
    const TestStream stream(options);

    const auto region = stream.open();
    const StreamHeader& header = region->header();
    CHECK(header.capacity_bytes == 128 * 1024);
    CHECK(header.max_payload_bytes == 1000);
    CHECK(header.publishing == Publishing::single);
    CHECK(header.publish_time == PublishTime::per_batch);
    CHECK(header.alignment_bytes == 64);
    CHECK(header.publisher_slots == 1);  // a single-publisher stream has one
    CHECK(header.subscriber_slots == 9);
    CHECK(header.first_sequence == 12345);
    CHECK(std::string(header.journal_directory.data()) == "/var/lib/journal");
    CHECK(std::string(header.name.data()) == "stream");
    CHECK(region->name() == "stream");
    CHECK(region->path() == stream.directory() + "/stream");
    CHECK(region->tail() == Place{12345, 0});
    CHECK(*Region::list(stream.directory()) == std::vector<std::string>{"stream"});
}

TEST_CASE("region: a create of a name that is taken changes nothing", "[bus][region]") {
    const TestStream stream;
    Publisher publisher = stream.publisher();
    REQUIRE(publisher.try_publish(bytes_of("kept")) == PublishStatus::ok);

    const auto again = Region::create("stream", small_stream(), stream.directory());

    REQUIRE_FALSE(again);
    CHECK(again.error().code == ErrorCode::already_exists);
    CHECK(mentions(again.error().hint, "rm"));
    Subscriber subscriber = stream.subscriber();
    CHECK(drain(subscriber).texts() == std::vector<std::string>{"kept"});
}

TEST_CASE("region: options and names that can't be are refused before anything is made",
          "[bus][region]") {
    const TemporaryDirectory directory;
    StreamOptions options = small_stream();
    options.capacity_bytes = 12345;

    CHECK(Region::create("stream", options, directory.path()).error().code ==
          ErrorCode::invalid_argument);
    CHECK(Region::create("a/b", small_stream(), directory.path()).error().code ==
          ErrorCode::invalid_argument);
    CHECK(std::filesystem::is_empty(directory.path()));
}

TEST_CASE("region: foreign bytes are named as such", "[bus][region]") {
    const TestStream stream;

    SECTION("another file's beginning") {
        overwrite(control_of(stream), 0, "#!/bin/sh\n", 10);
        CHECK(refusal(stream).code == ErrorCode::not_tailrace);
    }
    SECTION("a text-mode copy's beginning") {
        overwrite(control_of(stream), 6, "\n\n", 2);
        CHECK(refusal(stream).code == ErrorCode::not_tailrace);
    }
    SECTION("an empty file") {
        std::filesystem::resize_file(control_of(stream), 0);
        CHECK(refusal(stream).code == ErrorCode::truncated);
    }
}

TEST_CASE("region: truncated files are refused, at every length", "[bus][region]") {
    for (const std::uint64_t size_bytes : {7U, 8U, 100U, 703U, 704U, 4096U, 8192U}) {
        CAPTURE(size_bytes);
        const TestStream stream;
        std::filesystem::resize_file(control_of(stream), size_bytes);
        for (const RegionAccess access :
             {RegionAccess::observe, RegionAccess::subscribe, RegionAccess::publish}) {
            const Error error = refusal(stream, access);
            CHECK(error.code == ErrorCode::truncated);
            CHECK(mentions(error.hint, "rm"));
        }
    }
    const TestStream stream;
    std::filesystem::resize_file(events_of(stream), kMinCapacityBytes - 1);
    CHECK(refusal(stream).code == ErrorCode::truncated);
    std::filesystem::remove(events_of(stream));
    CHECK(refusal(stream).code == ErrorCode::not_found);
}

TEST_CASE("region: older and newer layouts are told apart", "[bus][region]") {
    const TestStream stream;

    SECTION("an older one") {
        forge(stream, [](StreamHeader& header) { header.layout_major = 0; });
        CHECK(refusal(stream).code == ErrorCode::incompatible);
        CHECK(mentions(refusal(stream).message, "older"));
    }
    SECTION("one of layout 1, whose header was shorter") {
        forge(stream, [](StreamHeader& header) {
            header.layout_major = 1;
            header.header_size_bytes = 688;
            header.layout_minor = 0;
            header.mode = 0;
            header.group_id = 0;
        });
        const Error error = refusal(stream, RegionAccess::observe);
        CHECK(error.code == ErrorCode::incompatible);
        CHECK(mentions(error.message,
                       "layout 1.0, older than this program's " + std::to_string(kLayoutMajor) +
                           "." + std::to_string(kLayoutMinor)));
        CHECK(mentions(error.hint, "tailrace rm, then create"));
        CHECK(Region::unlink(stream.name(), false, stream.directory()));
    }
    SECTION("a newer one") {
        forge(stream, [](StreamHeader& header) { header.layout_major = kLayoutMajor + 1; });
        CHECK(refusal(stream).code == ErrorCode::incompatible);
        CHECK(mentions(refusal(stream).message, "newer"));
    }
    SECTION("an unknown feature") {
        forge(stream, [](StreamHeader& header) { header.features = kKnownFeatures + 1; });
        CHECK(refusal(stream).code == ErrorCode::incompatible);
    }
    SECTION("one that holds for a journal which it hasn't") {
        forge(stream, [](StreamHeader& header) { header.features = kHoldsForJournal; });
        CHECK(refusal(stream).code == ErrorCode::corrupt);
    }
    SECTION("a newer minor version") {
        forge(stream, [](StreamHeader& header) { header.layout_minor = 99; });
        CHECK(Region::open(stream.name(), RegionAccess::publish, stream.directory()));
    }
}

TEST_CASE("region: a kind of page that doesn't exist is refused", "[bus][region]") {
    for (const unsigned kind : {0U, 5U, 255U}) {
        const TestStream stream;
        forge(stream, [&](StreamHeader& header) { header.pages = static_cast<PageKind>(kind); });
        CHECK(refusal(stream).code == ErrorCode::corrupt);
    }
}

TEST_CASE("region: the tables don't overlap, and fit control", "[bus][region]") {
    StreamOptions options = small_stream();
    options.publisher_slots = 1024;
    options.subscriber_slots = 1024;
    for (const StreamOptions& chosen : {small_stream(), options}) {
        const TestStream stream(chosen);
        const auto region = stream.open();
        const StreamHeader& header = region->header();
        const auto end_of = [](auto& last) {
            return static_cast<const void*>(&last + 1);
        };
        CHECK(end_of(region->publisher_slot(header.publisher_slots - 1U)) ==
              static_cast<const void*>(&region->subscriber_slot(0)));
        CHECK(end_of(region->subscriber_slot(header.subscriber_slots - 1U)) ==
              static_cast<const void*>(&region->latency_histogram(0)));
        CHECK(end_of(region->latency_histogram(header.subscriber_slots - 1U)) ==
              static_cast<const void*>(&region->cursor_slot(0)));
        CHECK(end_of(region->cursor_slot(kCursorSlots - 1U)) ==
              static_cast<const void*>(&region->identity_slot(0)));
        const auto* const state_page =
            static_cast<const std::byte*>(static_cast<const void*>(&region->state()));
        const auto* const end =
            static_cast<const std::byte*>(end_of(region->identity_slot(kIdentitySlots - 1U)));
        const auto used = static_cast<std::uint64_t>(end - state_page) + kStateOffset;
        CHECK(used <= header.control_size_bytes);
        CHECK(header.control_size_bytes < used + kHeaderPageBytes);
        CHECK(header.control_size_bytes < (std::uint64_t{4} << 20U));
    }
}

TEST_CASE("region: a damaged header is refused, whichever byte it is", "[bus][region]") {
    const TestStream stream;
    std::uint64_t accepted = 0;
    std::uint64_t wrong_code = 0;
    for (std::uint64_t offset = 0; offset < sizeof(StreamHeader); ++offset) {
        char byte = 0;
        {
            std::ifstream file(control_of(stream), std::ios::binary);
            file.seekg(static_cast<std::streamoff>(offset));
            file.get(byte);
        }
        const char changed = static_cast<char>(byte ^ 0x40);
        overwrite(control_of(stream), offset, &changed, 1);
        auto opened = Region::open(stream.name(), RegionAccess::publish, stream.directory());
        // The minor version is outside the checksum, and any of it may be read.
        const bool is_minor = offset == 10 || offset == 11;
        if (opened && !is_minor) ++accepted;
        if (!opened && opened.error().code != ErrorCode::corrupt &&
            opened.error().code != ErrorCode::not_tailrace &&
            opened.error().code != ErrorCode::incompatible) {
            ++wrong_code;
        }
        overwrite(control_of(stream), offset, &byte, 1);
    }
    CHECK(accepted == 0);
    CHECK(wrong_code == 0);
    CHECK(Region::open(stream.name(), RegionAccess::publish, stream.directory()));
}

TEST_CASE("region: a signed header that can't be is refused all the same", "[bus][region]") {
    const std::vector<std::function<void(StreamHeader&)>> forgeries = {
        [](StreamHeader& header) { header.capacity_bytes += 1; },
        [](StreamHeader& header) { header.capacity_bytes = std::uint64_t{1} << 50U; },
        [](StreamHeader& header) { header.capacity_bytes = 0; },
        [](StreamHeader& header) { header.control_size_bytes = 8192; },
        [](StreamHeader& header) { header.publisher_slots = 0; },
        [](StreamHeader& header) { header.publisher_slots = 60'000; },
        [](StreamHeader& header) { header.subscriber_slots = 60'000; },
        [](StreamHeader& header) { header.max_payload_bytes = UINT32_MAX; },
        [](StreamHeader& header) { header.max_payload_bytes = 0; },
        [](StreamHeader& header) { header.alignment_bytes = 3; },
        [](StreamHeader& header) { header.publishing = static_cast<Publishing>(9); },
        [](StreamHeader& header) { header.publishing = Publishing::single; },
        [](StreamHeader& header) { header.publish_time = static_cast<PublishTime>(9); },
        [](StreamHeader& header) { header.header_size_bytes = 4; },
        [](StreamHeader& header) { header.name.fill('x'); },
        [](StreamHeader& header) { header.journal_directory.fill('x'); },
    };
    for (std::size_t index = 0; index < forgeries.size(); ++index) {
        CAPTURE(index);
        const TestStream stream;
        forge(stream, forgeries[index]);
        CHECK(refusal(stream).code == ErrorCode::corrupt);
    }
}

TEST_CASE("region: a ring of an earlier boot is stale, and can be removed", "[bus][region]") {
    const TestStream stream;
    // In memory nothing is of an earlier boot, whatever a container says of itself.
    forge(stream, [](StreamHeader& header) {
        header.boot_id_low ^= 1;
        header.created_ns = 1;
    });
    if (is_in_memory(stream.directory())) {
        CHECK(stream.open());
    } else {
        const Error error = refusal(stream);
        CHECK(error.code == ErrorCode::stale);
        CHECK(mentions(error.message, "earlier boot"));
    }
    CHECK(Region::unlink(stream.name(), false, stream.directory()));
    CHECK(std::filesystem::is_empty(stream.directory()));
}

TEST_CASE("region: unlink refuses while somebody is attached, unless it is forced",
          "[bus][region]") {
    const TestStream stream;
    {
        const Publisher publisher = stream.publisher();
        const auto refused = Region::unlink(stream.name(), false, stream.directory());
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == ErrorCode::busy);
        CHECK(mentions(refused.error().hint, "--force"));
    }
    {
        const Subscriber subscriber = stream.subscriber(SlowPolicy::skip);
        CHECK(Region::unlink(stream.name(), false, stream.directory()).error().code ==
              ErrorCode::busy);
    }
    const Subscriber observer =
        stream.subscriber(SlowPolicy::observe);  // leaves no trace, so it holds nothing up
    CHECK(Region::unlink(stream.name(), false, stream.directory()));
    CHECK(Region::unlink(stream.name(), true, stream.directory()).error().code ==
          ErrorCode::not_found);
    CHECK(Region::list(stream.directory())->empty());
}

TEST_CASE("region: after a forced unlink the name is free while the old stream is still in use",
          "[bus][region]") {
    const TestStream stream;
    Publisher publisher = stream.publisher();
    Subscriber subscriber = stream.subscriber();
    REQUIRE(publisher.try_publish(bytes_of("older")) == PublishStatus::ok);

    REQUIRE(Region::unlink(stream.name(), true, stream.directory()));
    REQUIRE(Region::create(stream.name(), small_stream(), stream.directory()));
    // A slow one is told at once, a fast one after some events more.
    CHECK(publisher.try_publish(bytes_of("old")) == PublishStatus::closed);

    const Drained drained = drain(subscriber);
    CHECK(drained.texts() == std::vector<std::string>{"older"});
    CHECK(drained.last == PollState::closed);
    Subscriber fresh = stream.subscriber();
    CHECK(drain(fresh).events.empty());
}

TEST_CASE("region: a list names streams and nothing else", "[bus][region]") {
    const TestStream stream;
    REQUIRE(Region::create("another", small_stream(), stream.directory()));
    REQUIRE(Region::create("b.c-d_e", small_stream(), stream.directory()));
    std::filesystem::create_directory(stream.directory() + "/.creating-x.1.2.3");
    std::filesystem::create_directory(stream.directory() + "/not-a-stream");
    std::ofstream(stream.directory() + "/file") << "x";

    CHECK(*Region::list(stream.directory()) ==
          std::vector<std::string>{"another", "b.c-d_e", "stream"});
    CHECK(Region::list("/nowhere/at/all")->empty());
}

TEST_CASE("region: without permission the error says what to look at", "[bus][region]") {
    if (!is_root()) {
        WARN("SKIPPED: needs root, to become somebody else");
        return;
    }
    StreamOptions options = small_stream();
    options.mode = 0600;
    const TestStream stream(options);

    CHECK(as_nobody([&] {
              for (const RegionAccess access :
                   {RegionAccess::observe, RegionAccess::subscribe, RegionAccess::publish}) {
                  const Error error = refusal(stream, access);
                  if (error.code != ErrorCode::no_permission || !mentions(error.hint, "--mode"))
                      return 1;
              }
              return 0;
          }) == 0);
    CHECK(as_nobody([&] {
              const auto made = Region::create("other", small_stream(), stream.directory());
              return !made && made.error().code == ErrorCode::no_permission ? 0 : 1;
          }) == 0);
    CHECK(as_nobody([&] {
              const auto removed = Region::unlink(stream.name(), true, stream.directory());
              return !removed && removed.error().code == ErrorCode::no_permission ? 0 : 1;
          }) == 0);
    CHECK(Region::open(stream.name(), RegionAccess::publish, stream.directory()));
}

TEST_CASE("region: an observer needs read permission alone, and leaves no trace", "[bus][region]") {
    if (!is_root()) {
        WARN("SKIPPED: needs root, to become somebody else");
        return;
    }
    StreamOptions options = small_stream();
    options.mode = 0444;
    const TestStream stream(options);
    Publisher publisher = stream.publisher();
    REQUIRE(publisher.try_publish(bytes_of("seen")) == PublishStatus::ok);
    const std::uint64_t before = state_of(stream.directory());

    CHECK(as_nobody([&] {
              Subscriber observer = stream.subscriber(SlowPolicy::observe);
              const PollResult waited =
                  observer.poll_until([](const Event&) {}, 10, Deadline::in_ms(5));
              const PollResult idle =
                  observer.poll_until([](const Event&) {}, 10, Deadline::in_ms(5));
              return waited.events == 1 && idle.state == PollState::idle ? 0 : 1;
          }) == 0);
    CHECK(as_nobody([&] {
              return refusal(stream, RegionAccess::subscribe).code == ErrorCode::no_permission ? 0
                                                                                               : 1;
          }) == 0);
    CHECK(state_of(stream.directory()) == before);
}

TEST_CASE("region: what isn't asked for can't be written", "[bus][region]") {
    const TestStream stream;
    const auto dies = [&](RegionAccess access, const std::function<void(Region&)>& write) {
        const auto region = stream.open(access);
        ChildProcess writer([&] {
            ::signal(SIGSEGV, SIG_DFL);
            write(*region);
            return 0;
        });
        const Ending ending = writer.wait();
        return ending.signal == SIGSEGV || ending.exit_code > 0;
    };
    const auto write_event = [](Region& region) {
        *region.event_at(0) = std::byte{1};
    };
    const auto write_state = [](Region& region) {
        region.state().registry.rescued_events.store(1);
    };

    CHECK(dies(RegionAccess::observe, write_event));
    CHECK(dies(RegionAccess::observe, write_state));
    CHECK(dies(RegionAccess::subscribe, write_event));
    CHECK_FALSE(dies(RegionAccess::subscribe, write_state));
    CHECK_FALSE(dies(RegionAccess::publish, write_event));
}

TEST_CASE("region: a limit on file sizes is an error at create, not a signal", "[bus][region]") {
    const TemporaryDirectory directory;
    const pid_t child = ::fork();
    if (child == 0) {
        const rlimit limit{16 * 1024, RLIM_INFINITY};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        const auto made = Region::create("s", small_stream(), directory.path());
        const bool is_told = !made && made.error().os_errno == EFBIG &&
                             made.error().hint.find("ulimit -f") != std::string::npos;
        ::_exit(is_told ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    CHECK(std::filesystem::is_empty(directory.path()));
}

TEST_CASE("region: a full file system is an error at create, and leaves nothing", "[bus][region]") {
    const TemporaryDirectory directory;
    if (!is_root() || ::mount("tmpfs", directory.path().c_str(), "tmpfs", 0, "size=1m") != 0) {
        WARN("SKIPPED: needs the right to mount a small tmpfs");
        return;
    }
    StreamOptions options = small_stream();
    options.capacity_bytes = std::uint64_t{4} << 20U;

    const auto made = Region::create("stream", options, directory.path());
    const bool is_empty = std::filesystem::is_empty(directory.path());
    options.capacity_bytes = kMinCapacityBytes;
    const auto small = Region::create("stream", options, directory.path());
    static_cast<void>(Region::unlink("stream", true, directory.path()));
    ::umount2(directory.path().c_str(), MNT_DETACH);

    REQUIRE_FALSE(made);
    CHECK(made.error().code == ErrorCode::no_space);
    CHECK(mentions(made.error().message, "4 MiB"));
    CHECK(is_empty);
    CHECK(small.has_value());
}

TEST_CASE("region: the mode of the files is the one that was asked for, whatever the umask",
          "[bus][region]") {
    const mode_t before = ::umask(077);
    StreamOptions options = small_stream();
    options.mode = 0664;
    const TestStream stream(options);
    ::umask(before);

    const auto mode_of = [](const std::string& path) {
        struct stat status {};
        ::stat(path.c_str(), &status);
        return status.st_mode & 0777U;
    };
    CHECK(mode_of(control_of(stream)) == 0664);
    CHECK(mode_of(events_of(stream)) == 0664);
    CHECK(mode_of(stream.directory() + "/stream") == 0775);
}

}  // namespace region_test
