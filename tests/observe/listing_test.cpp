#include "support/temporary_directory.hpp"
#include "support/test_stream.hpp"

#include <tailrace/journal/writer.hpp>
#include <tailrace/observe/listing.hpp>

#include <catch2/catch.hpp>

#include <string>

namespace listing_test {

using namespace tailrace;
using namespace tailrace::observe;
using namespace tailrace::test;

namespace {

// An empty journal, closed.
void make_journal(const std::string& directory, const std::string& stream) {
    journal::JournalOptions options;
    options.directory = directory;
    options.stream_name = stream;
    options.segment_size_bytes = std::uint64_t{1} << 20U;
    options.start_sequence = 40;
    auto writer = expect(journal::Writer::open(options), "journal");
    constexpr std::uint64_t kDeadlineNs = 60'000'000'000;
    REQUIRE(writer.close(kDeadlineNs));
}

}  // namespace

TEST_CASE("listing: streams with their members, and journals whose ring is gone.") {
    const TemporaryDirectory journals;
    make_journal(journals.path() + "/old", "old");
    make_journal(journals.path() + "/named", "stream");
    bus::StreamOptions options = small_stream();
    // Written in another way: it is the same directory.
    options.journal_directory = journals.path() + "/./named";
    const TestStream stream(options);
    const bus::Publisher publisher = stream.publisher();

    const auto rows = expect(list_streams(stream.directory(), journals.path()), "list");

    REQUIRE(rows.size() == 2);
    CHECK(rows[0].stream == "stream");
    CHECK(rows[0].has_ring());
    CHECK(rows[0].publishers == 1);
    CHECK(rows[0].readers == 0);
    CHECK(rows[0].journal == options.journal_directory);
    CHECK(rows[0].journal_state == "stopped");
    CHECK(rows[1].stream == "old");
    CHECK(rows[1].state == "journal only");
    CHECK(rows[1].end_sequence == 40);
}

TEST_CASE("listing: a journal in the usual place is that of the stream of its name.") {
    const TemporaryDirectory journals;
    make_journal(journals.path() + "/stream", "stream");
    const TestStream stream;

    const auto rows = expect(list_streams(stream.directory(), journals.path()), "list");

    REQUIRE(rows.size() == 1);
    CHECK(rows[0].journal == journals.path() + "/stream");
    CHECK(rows[0].journal_state == "stopped");
}

TEST_CASE("listing: where there is nothing, nothing is listed.") {
    const TemporaryDirectory empty;
    CHECK(expect(list_streams(empty.path() + "/none", empty.path() + "/none"), "list").empty());
}

}  // namespace listing_test
