#include "support/test_stream.hpp"

#include <tailrace/observe/metrics_page.hpp>
#include <tailrace/observe/watcher.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>

namespace watcher_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::observe;
using namespace tailrace::test;

namespace {

constexpr std::array<std::byte, 8> kPayload{};

Look look_of(Watcher& watcher) {
    return expect(watcher.look(), "look");
}

bool has_line(const std::string& page, const std::string& line) {
    return page.find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("watcher: sees streams come and go, and another one under the same name.") {
    const TestStream stream;
    Watcher watcher(stream.directory());
    const Look first = look_of(watcher);
    REQUIRE(first.streams.size() == 1);
    CHECK(first.problems.empty());
    REQUIRE(first.rings);
    CHECK(first.rings->size_bytes >= first.rings->free_bytes);

    REQUIRE(Region::unlink(stream.name(), false, stream.directory()));
    CHECK(look_of(watcher).streams.empty());
    REQUIRE(Region::create(stream.name(), small_stream(), stream.directory()));
    REQUIRE(look_of(watcher).streams.size() == 1);

    // Removed and made anew between two looks.
    REQUIRE(Region::unlink(stream.name(), false, stream.directory()));
    REQUIRE(Region::create(stream.name(), small_stream(), stream.directory()));
    Publisher publisher = stream.publisher("feed");
    REQUIRE(publisher.try_publish(std::span<const std::byte>(kPayload)) == PublishStatus::ok);
    const Look last = look_of(watcher);
    REQUIRE(last.streams.size() == 1);
    CHECK(last.streams[0].picture.status.end_sequence == 1);
    CHECK(last.streams[0].picture.header.stream_id_low !=
          first.streams[0].picture.header.stream_id_low);
}

TEST_CASE("watcher: takes no place and leaves no trace in a stream.") {
    const TestStream stream;
    Watcher watcher(stream.directory());
    for (int round = 0; round < 3; ++round) {
        const Look look = look_of(watcher);
        REQUIRE(look.streams.size() == 1);
        CHECK(look.streams[0].picture.status.subscriber_attaches == 0);
        CHECK(look.streams[0].picture.status.publisher_attaches == 0);
        CHECK(look.streams[0].health.readers.empty());
    }
    // Nobody holds it: it may be removed.
    CHECK(Region::unlink(stream.name(), false, stream.directory()));
}

TEST_CASE("watcher: a stream that can't be read is a problem of its own.") {
    const TestStream stream;
    const std::string broken = stream.directory() + "/broken";
    std::filesystem::create_directory(broken);
    std::ofstream(broken + "/control") << "nothing of ours";
    Watcher watcher(stream.directory());
    const Look look = look_of(watcher);
    CHECK(look.streams.size() == 1);
    REQUIRE(look.problems.size() == 1);
    CHECK(look.problems[0].stream == "broken");
    CHECK(has_line(metrics_page(look, MetricsFormat::open_metrics, "1"),
                   "tailrace_unreadable_streams 1"));
}

TEST_CASE("watcher: its metrics tell of streams, publishers and readers.") {
    const TestStream stream;
    const Subscriber risk = stream.subscriber(SlowPolicy::skip, Start::oldest(), "risk");
    const Subscriber twin = stream.subscriber(SlowPolicy::skip, Start::oldest(), "risk");
    {
        // What it counted is everybody's at the latest when it leaves.
        Publisher gone = stream.publisher("gone");
        for (int event = 0; event < 3; ++event)
            REQUIRE(gone.try_publish(std::span<const std::byte>(kPayload)) == PublishStatus::ok);
    }
    const Publisher feed = stream.publisher("feed");
    Watcher watcher(stream.directory());
    const std::string page = metrics_page(look_of(watcher), MetricsFormat::open_metrics, "0.1.0");
    for (const char* const line :
         {"tailrace_stream_end_sequence{stream=\"stream\"} 3",
          "tailrace_publishers_events_total{stream=\"stream\"} 3",
          "tailrace_publisher_events_total{stream=\"stream\",publisher=\"feed\"} 0",
          "tailrace_reader_lag_events{stream=\"stream\",reader=\"risk\"} 3",
          "tailrace_reader_lag_events{stream=\"stream\",reader=\"risk\",twin=\"2\"} 3",
          "tailrace_reader_read_events_total{stream=\"stream\",reader=\"risk\"} 0",
          "tailrace_reader_urgency{stream=\"stream\",reader=\"risk\",urgency=\"none\"} 1",
          "# TYPE tailrace_reader_lag_seconds gauge",
          "# UNIT tailrace_reader_lag_seconds seconds",
          "# TYPE tailrace_build info",
          "tailrace_build_info{version=\"0.1.0\"} 1"}) {
        INFO(line);
        CHECK(has_line(page, line));
    }
    CHECK(page.ends_with("\n# EOF\n"));
    CHECK(page.find("tailrace_journal_") == std::string::npos);
}

}  // namespace watcher_test
