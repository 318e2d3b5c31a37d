#include <tailrace/observe/disk_room.hpp>
#include <tailrace/observe/figure.hpp>
#include <tailrace/observe/group_health.hpp>
#include <tailrace/observe/holder.hpp>
#include <tailrace/observe/journal_figures.hpp>
#include <tailrace/observe/listing.hpp>
#include <tailrace/observe/machine_check.hpp>
#include <tailrace/observe/reader_health.hpp>
#include <tailrace/observe/stream_picture.hpp>

#include <catch2/catch.hpp>

#include <set>
#include <string>

namespace figure_test {

using namespace tailrace::observe;

namespace {

// What a name of this unit has in it; empty: anything.
std::string_view word_of(Unit unit) {
    switch (unit) {
        case Unit::bytes:
            return "bytes";
        case Unit::nanoseconds:
        case Unit::time_ns:
            return "_ns";
        case Unit::ratio:
            return "_ratio";
        case Unit::change_per_s:
            return "_per_s";
        case Unit::sequence:
            return "seq";
        default:
            return "";
    }
}

template <typename Row>
void check_described(std::span<const Figure<Row>> figures, const Row& row = {}) {
    std::set<std::string_view> names;
    CHECK_FALSE(figures.empty());
    for (const Figure<Row>& figure : figures) {
        INFO(figure.name);
        CHECK(names.insert(figure.name).second);
        CHECK(figure.name.find(word_of(figure.unit)) != std::string_view::npos);
        CHECK_FALSE(figure.help.empty());
        REQUIRE(figure.get != nullptr);
        // What only grows is an amount, and not named as how things stand.
        const bool is_amount = figure.unit == Unit::count || figure.unit == Unit::bytes ||
                               figure.unit == Unit::nanoseconds;
        if (figure.kind == Kind::counter) CHECK(is_amount);
        // Of a row that nobody has filled there is something to say, too.
        CHECK_FALSE(text_of(figure, row).empty());
    }
}

}  // namespace

TEST_CASE("figure: each is named once, with its unit last, and says what it means.") {
    check_described(reader_figures());
    check_described(group_figures());
    check_described(group_member_figures());
    check_described(holder_figures());
    check_described(held_publisher_figures());
    check_described(listing_figures());
    check_described(disk_room_figures());
    check_described(stream_figures());
    check_described(publisher_figures());
    check_described(subscriber_figures());
    check_described(publisher_count_figures());
    check_described(subscriber_count_figures());
    check_described(journal_figures());
    check_described(segment_figures());
    check_described(missing_segments_figures());
    check_described(check_figures());
    StreamPicture journaled;
    journaled.status.journal.emplace();
    check_described(ring_journal_figures(), journaled);
}

TEST_CASE("figure: a value is written as its unit says.") {
    CHECK(value_text(std::uint64_t{1482990}, Unit::count) == "1,482,990");
    CHECK(value_text(std::uint64_t{1482990}, Unit::number) == "1482990");
    CHECK(value_text(std::uint64_t{65536}, Unit::bytes) == "64 KiB");
    CHECK(value_text(std::uint64_t{3100}, Unit::nanoseconds) == "3.1 us");
    CHECK(value_text(std::uint64_t{0}, Unit::nanoseconds) == "0");
    CHECK(value_text(0.999, Unit::ratio) == "99.9%");
    CHECK(value_text(1200.0, Unit::change_per_s) == "+1200/s");
    CHECK(value_text(-1200.0, Unit::change_per_s) == "-1200/s");
    CHECK(value_text(0.5, Unit::change_per_s) == "=");
    CHECK(value_text(true, Unit::flag) == "yes");
    CHECK(value_text(std::string("gate"), Unit::text) == "gate");
    CHECK(value_text(Unknown{}, Unit::count) == "-");
    CHECK(value_text(Absent{}, Unit::text) == "-");
}

TEST_CASE("figure: one is found by its name.") {
    ReaderHealth reader;
    reader.picture.lag.events = 1200;
    CHECK(text_of(figure_named(reader_figures(), "lag_events"), reader) == "1,200");
}

}  // namespace figure_test
