#include "type_keeper.hpp"

#include "stream/recorded_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/declared_types.hpp>
#include <tailrace/journal/kept_types.hpp>
#include <tailrace/stream/stream_reader.hpp>

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <string>

namespace type_keeper_test {

using namespace tailrace;
using namespace tailrace::test;

namespace {

schema::StreamSchema note(EventType type, const char* encoding = "text") {
    schema::StreamSchema types;
    types.add_opaque(type, "Note" + std::to_string(type), encoding);
    return types;
}

Result<bus::Publisher> publisher_of(const RecordedStream& recorded,
                                    const schema::StreamSchema& types) {
    bus::PublisherOptions options;
    options.directory = recorded.stream().directory();
    options.types = types;
    return bus::Publisher::attach(recorded.stream().name(), options);
}

std::size_t kept_count(const RecordedStream& recorded) {
    return journal::load_types(recorded.journal_directory())->types().size();
}

}  // namespace

TEST_CASE("type keeper: what is declared before, beside and after a recorder is kept",
          "[stream][schema]") {
    const Watchdog watchdog("type keeper");
    const RecordedStream recorded;
    auto first = publisher_of(recorded, note(1)).value();
    auto recorder = recorded.recorder();
    CHECK(kept_count(recorded) == 1);

    REQUIRE(publisher_of(recorded, note(2)));
    while (kept_count(recorded) != 2)
        REQUIRE(recorder.step(1'000'000));

    // One that comes between the last look and the end.
    REQUIRE(publisher_of(recorded, note(3)));
    REQUIRE(recorder.close());
    CHECK(kept_count(recorded) == 3);
    CHECK_FALSE(recorder.take_trouble());
}

TEST_CASE("type keeper: a ring learns what its journal knows", "[stream][schema]") {
    const Watchdog watchdog("type keeper of a known journal");
    const RecordedStream recorded;
    {
        auto recorder = recorded.recorder();
        REQUIRE(recorder.close());
    }
    REQUIRE(journal::keep_types(recorded.journal_directory(), note(7)));
    auto recorder = recorded.recorder();
    CHECK(bus::declared_types(*recorded.stream().open())->find(7) != nullptr);
    CHECK_FALSE(publisher_of(recorded, note(7, "json")));
}

TEST_CASE("type keeper: ring and journal that contradict each other aren't joined",
          "[stream][schema]") {
    const Watchdog watchdog("type keeper of another journal");
    const RecordedStream recorded;
    {
        auto recorder = recorded.recorder();
        REQUIRE(recorder.close());
    }
    REQUIRE(journal::keep_types(recorded.journal_directory(), note(7)));
    REQUIRE(publisher_of(recorded, note(7, "json")));
    const auto refused = recorded.try_record();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::incompatible);
}

TEST_CASE("type keeper: what can't be kept is told once, and events are recorded",
          "[stream][schema]") {
    const Watchdog watchdog("type keeper in trouble");
    const RecordedStream recorded;
    auto publisher = publisher_of(recorded, note(1)).value();
    {
        auto recorder = recorded.recorder();
        REQUIRE(recorder.close());
    }
    std::ofstream(recorded.journal_directory() + "/SCHEMA") << "of somebody else";
    auto recorder = recorded.recorder();
    const auto trouble = recorder.take_trouble();
    REQUIRE(trouble);
    CHECK(trouble->code == ErrorCode::not_tailrace);
    CHECK_FALSE(recorder.take_trouble());
    REQUIRE(publish_numbered(publisher, 1, 0, 10));
    REQUIRE(record_all(recorder, publisher.region()));

    std::filesystem::remove(recorded.journal_directory() + "/SCHEMA");
    REQUIRE(recorder.close());
    CHECK(kept_count(recorded) == 1);
}

TEST_CASE("type keeper: a reader of the journal alone is checked too", "[stream][schema]") {
    const Watchdog watchdog("a journal's types");
    const RecordedStream recorded;
    auto publisher = publisher_of(recorded, note(1)).value();
    auto recorder = recorded.recorder();
    REQUIRE(publish_numbered(publisher, 1, 0, 10));
    REQUIRE(record_all(recorder, publisher.region()));
    stream::StreamReaderOptions options;
    options.types = note(1, "json");
    const auto refused = stream::StreamReader::open_journal(recorded.journal_directory(), options);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::incompatible);
    options.bus_directory = recorded.stream().directory();
    CHECK_FALSE(stream::StreamReader::attach(recorded.stream().name(), options));
    options.types = note(1);
    CHECK(stream::StreamReader::open_journal(recorded.journal_directory(), options));
    CHECK(stream::StreamReader::attach(recorded.stream().name(), options));
}

}  // namespace type_keeper_test
