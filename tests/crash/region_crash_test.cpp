// Create, open and unlink: killed at every step, and met by others at their worst moment.

#include "support/child_process.hpp"
#include "support/received_events.hpp"
#include "support/step_script.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/declared_types.hpp>

#include <catch2/catch.hpp>

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

namespace region_crash_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

std::size_t entries_in(const std::string& directory) {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        static_cast<void>(entry);
        ++count;
    }
    return count;
}

struct Death {
    const char* step;
    unsigned nth;
    bool is_done;  // the name was given, or taken away, before
};

}  // namespace

TEST_CASE("crash: a create killed at any step leaves a whole stream or none", "[crash][region]") {
    const Watchdog watchdog("crash: a create killed at any step");
    const std::vector<Death> deaths = {
        {"create.directory_made", 1, false},
        {"create.file_made", 1, false},
        {"create.file_reserved", 1, false},
        {"create.file_made", 2, false},
        {"create.file_reserved", 2, false},
        {"create.control_written", 1, false},
        {"create.fifo_made", 1, false},
        {"create.complete", 1, false},
        {"create.named", 1, true},
    };
    for (const Death& death : deaths) {
        CAPTURE(death.step, death.nth);
        const TemporaryDirectory directory;
        ChildProcess victim([&] {
            StepScript script;
            script.die_at(death.step, death.nth);
            return Region::create("stream", small_stream(), directory.path()) ? 0 : 1;
        });
        REQUIRE(victim.wait().was_killed());

        const std::vector<std::string> expected =
            death.is_done ? std::vector<std::string>{"stream"} : std::vector<std::string>{};
        CHECK(*Region::list(directory.path()) == expected);
        const auto opened = Region::open("stream", RegionAccess::publish, directory.path());
        CHECK(opened.has_value() == death.is_done);
        if (!opened) CHECK(opened.error().code == ErrorCode::not_found);
        CHECK(entries_in(directory.path()) == 1);
        CHECK(*Region::remove_leftovers(directory.path()) == (death.is_done ? 0 : 1));
        CHECK(entries_in(directory.path()) == (death.is_done ? 1 : 0));
        CHECK(Region::create("stream", small_stream(), directory.path()).has_value() ==
              !death.is_done);
    }
}

TEST_CASE("crash: a publisher killed while it declares types leaves the old ones or the new",
          "[crash][region]") {
    const Watchdog watchdog("crash: a publisher killed while it declares types");
    for (const bool is_named : {false, true}) {
        CAPTURE(is_named);
        const TestStream stream;
        PublisherOptions options;
        options.directory = stream.directory();
        options.types.add_opaque(1, "Note", "text");
        ChildProcess victim([&] {
            StepScript script;
            script.die_at(is_named ? "schema.named" : "schema.written", 1);
            return Publisher::attach("stream", options) ? 0 : 1;
        });
        REQUIRE(victim.wait().was_killed());
        CHECK(declared_types(*stream.open())->types().size() == (is_named ? 1 : 0));

        options.types.add_opaque(2, "Order", "json");
        REQUIRE(Publisher::attach("stream", options));
        CHECK(declared_types(*stream.open())->types().size() == 2);
        CHECK(entries_in(stream.directory() + "/stream") == 4);  // nothing of it is left aside
        REQUIRE(Region::unlink("stream", false, stream.directory()));
    }
}

TEST_CASE("crash: an unlink killed at any step leaves a whole stream or none", "[crash][region]") {
    const Watchdog watchdog("crash: an unlink killed at any step");
    const std::vector<Death> deaths = {
        {"open.control_read", 1, false},
        {"remove.renamed", 1, true},
        {"remove.marked", 1, true},
        {"remove.control_gone", 1, true},
        {"remove.events_gone", 1, true},
    };
    for (const Death& death : deaths) {
        CAPTURE(death.step);
        const TestStream stream;
        ChildProcess victim([&] {
            StepScript script;
            script.die_at(death.step, death.nth);
            return Region::unlink("stream", false, stream.directory()) ? 0 : 1;
        });
        REQUIRE(victim.wait().was_killed());

        const auto opened = Region::open("stream", RegionAccess::publish, stream.directory());
        CHECK(opened.has_value() == !death.is_done);
        CHECK(*Region::remove_leftovers(stream.directory()) == (death.is_done ? 1 : 0));
        CHECK(entries_in(stream.directory()) == (death.is_done ? 0 : 1));
        if (death.is_done) CHECK(Region::create("stream", small_stream(), stream.directory()));
    }
}

TEST_CASE("crash: what a living process is building isn't swept away", "[crash][region]") {
    const Watchdog watchdog("crash: what a living process is building");
    const TemporaryDirectory directory;
    SharedObject<StepPause> pause;
    ChildProcess builder([&] {
        StepScript script;
        script.pause_at("create.complete", *pause);
        return Region::create("stream", small_stream(), directory.path()) ? 0 : 1;
    });
    pause->wait_until_reached();

    CHECK(*Region::remove_leftovers(directory.path()) == 0);
    pause->let_go();

    CHECK(builder.wait().exit_code == 0);
    CHECK(Region::open("stream", RegionAccess::publish, directory.path()));
}

TEST_CASE("crash: what is built in another pid namespace isn't swept away", "[crash][region]") {
    const Watchdog watchdog("crash: what is built in another pid namespace");
    if (::geteuid() != 0) {
        WARN("SKIPPED: needs root, to make a pid namespace");
        return;
    }
    const TemporaryDirectory directory;
    SharedObject<StepPause> pause;
    SharedObject<std::atomic<bool>> is_refused;
    ChildProcess container([&] {
        if (::unshare(CLONE_NEWPID) != 0) {
            is_refused->store(true);
            return 0;
        }
        const pid_t maker = ::fork();
        if (maker == 0) {
            StepScript script;
            script.pause_at("create.complete", *pause);
            ::_exit(Region::create("stream", small_stream(), directory.path()) ? 0 : 1);
        }
        int status = 0;
        ::waitpid(maker, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
    });
    wait_until([&] { return pause->reached.load() || is_refused->load(); });
    if (is_refused->load()) {
        WARN("SKIPPED: no pid namespace may be made here");
        return;
    }

    CHECK(*Region::remove_leftovers(directory.path()) == 0);
    pause->let_go();

    CHECK(container.wait().exit_code == 0);
    CHECK(Region::open("stream", RegionAccess::publish, directory.path()));
}

TEST_CASE("crash: a slow unlink leaves the successor of its stream alone", "[crash][region]") {
    for (const char* step : {"open.control_read", "remove.checked"}) {
        CAPTURE(step);
        const Watchdog watchdog("crash: a slow unlink");
        const TestStream stream;
        StreamOptions options = small_stream();
        options.capacity_bytes *= 2;
        StepScript script;
        bool was_replaced = false;
        script.at(step, 1, [&] {
            was_replaced = Region::unlink("stream", true, stream.directory()) &&
                           Region::create("stream", options, stream.directory());
        });

        const auto removed = Region::unlink("stream", false, stream.directory());

        REQUIRE(was_replaced);
        REQUIRE_FALSE(removed);
        CHECK(removed.error().code == ErrorCode::not_found);
        CHECK(entries_in(stream.directory()) == 1);
        CHECK(stream.open()->capacity_bytes() == options.capacity_bytes);
    }
}

TEST_CASE("crash: of two creates of one name one wins, whole", "[crash][region]") {
    const Watchdog watchdog("crash: of two creates of one name");
    const TemporaryDirectory directory;
    SharedObject<StepPause> pause;
    ChildProcess late([&] {
        StepScript script;
        script.pause_at("create.complete", *pause);
        const auto made = Region::create("stream", small_stream(), directory.path());
        return !made && made.error().code == ErrorCode::already_exists ? 0 : 1;
    });
    pause->wait_until_reached();
    StreamOptions options = small_stream();
    options.capacity_bytes *= 2;
    REQUIRE(Region::create("stream", options, directory.path()));
    pause->let_go();

    CHECK(late.wait().exit_code == 0);
    CHECK(entries_in(directory.path()) == 1);
    const auto region = Region::open("stream", RegionAccess::publish, directory.path());
    REQUIRE(region);
    CHECK((*region)->capacity_bytes() == options.capacity_bytes);
}

TEST_CASE("crash: an open that meets a removal never mixes two streams", "[crash][region]") {
    const Watchdog watchdog("crash: an open that meets a removal");
    const TestStream stream;
    StreamOptions options = small_stream();
    options.capacity_bytes *= 2;
    StepScript script;
    bool was_replaced = false;
    script.at("open.control_read", 1, [&] {
        was_replaced = Region::unlink("stream", true, stream.directory()) &&
                       Region::create("stream", options, stream.directory());
    });

    const auto opened = Region::open("stream", RegionAccess::publish, stream.directory());

    REQUIRE(was_replaced);
    // The old one is gone; the new one's events must not be taken for the old one's.
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == ErrorCode::not_found);
    const auto anew = Region::open("stream", RegionAccess::publish, stream.directory());
    REQUIRE(anew);
    CHECK((*anew)->capacity_bytes() == options.capacity_bytes);
}

TEST_CASE("crash: a thread that slept while the stream went on by 40 GiB decodes the tail",
          "[crash][region]") {
    const TestStream stream;
    const auto region = stream.open();
    Publisher publisher = stream.publisher();
    REQUIRE(publisher.try_publish(bytes_of("before")) == PublishStatus::ok);
    // What publishers would have done meanwhile.
    const Place far{1'000'000, std::uint64_t{40} << 30U};
    const std::uint64_t far_limit = far.position + grant_step_bytes(kMinCapacityBytes);
    const auto go_on = [&] {
        region->state().reference_sequence.store(far.sequence);
        region->state().write_limit.store(far_limit);
        region->state().tail.store(pack_tail(far));
    };
    StepScript script;
    bool has_gone_on = false;
    script.at("tail.word_read", 1, [&] {
        go_on();
        has_gone_on = true;
    });

    SECTION("a reader of the tail") {
        CHECK(region->tail() == far);
    }
    SECTION("a publisher, which announces nothing beyond") {
        REQUIRE(publisher.try_publish(bytes_of("after")) == PublishStatus::ok);
        CHECK(publisher.next_own_sequence() == far.sequence + 1);
        CHECK(region->state().write_limit.load() <= far_limit + max_claim_bytes(kMinCapacityBytes));
    }
    CHECK(has_gone_on);
}

}  // namespace region_crash_test
