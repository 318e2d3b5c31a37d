#include <tailrace/observe/reader_health.hpp>

#include <catch2/catch.hpp>

#include <cerrno>

namespace reader_health_test {

using namespace tailrace::observe;

namespace {

ReaderHealth journal(ReaderState state, int os_errno) {
    ReaderHealth health;
    health.stream = "orders";
    health.reader = "journal";
    health.state = state;
    health.picture.sequence = 40;
    health.picture.lag.events = 7;
    health.journal = JournalHealth{"/journals/orders", os_errno, 0, false};
    return health;
}

ReaderHealth reader(std::uint64_t events, std::optional<std::uint64_t> age_ns) {
    ReaderHealth health;
    health.stream = "orders";
    health.reader = "risk";
    health.picture.is_alive = true;
    health.picture.lag.events = events;
    health.picture.lag.age_ns = age_ns;
    return health;
}

}  // namespace

TEST_CASE("reader health: what is wrong with a journal is said with a command that helps.") {
    CHECK_FALSE(trouble_of(reader(1000, 1000)));
    CHECK_FALSE(trouble_of(journal(ReaderState::ok, 0)));

    const auto unrecorded = trouble_of(journal(ReaderState::stopped, 0));
    REQUIRE(unrecorded);
    CHECK(unrecorded->what == "nobody records; the ring still holds 7 events that no journal has");
    CHECK(unrecorded->hint == "tailrace record orders");

    const auto gone = trouble_of(journal(ReaderState::failed, ENOENT));
    REQUIRE(gone);
    CHECK(gone->what.find("nothing from sequence 40 on is durable") != std::string::npos);
    CHECK(gone->hint.find("findmnt -T /journals/orders") != std::string::npos);

    const auto full = trouble_of(journal(ReaderState::disk_full, ENOSPC));
    REQUIRE(full);
    CHECK(full->what == "the disk has no room left, and publishers are held back");
    CHECK(full->hint.find("df /journals/orders") != std::string::npos);
}

TEST_CASE("reader health: one that is recorded again has nothing to tell.") {
    ReaderHealth health = journal(ReaderState::stopped, 0);
    health.picture.lag.events = 0;
    CHECK_FALSE(trouble_of(health));
    CHECK(excesses_of(health, {}).empty());
}

TEST_CASE("reader health: a limit is exceeded by events, by age, and by what can't be known.") {
    LagLimit limit;
    limit.events = 100;
    limit.age_ns = 1'000'000'000;
    CHECK(excesses_of(reader(100, 1'000'000'000), limit).empty());
    CHECK(excesses_of(reader(101, 0), limit) ==
          std::vector<std::string>{"orders/risk is 101 events behind (limit 100)"});
    CHECK(excesses_of(reader(1, 2'000'000'000), limit) ==
          std::vector<std::string>{"orders/risk is 2.0 s behind (limit 1.0 s)"});
    CHECK(excesses_of(reader(1, std::nullopt), limit).empty());
    ReaderHealth spilling = reader(1, std::nullopt);
    spilling.picture.source = tailrace::bus::ReadSource::journal;
    CHECK(excesses_of(spilling, limit) ==
          std::vector<std::string>{"orders/risk is more than the ring holds behind (limit 1.0 s)"});
    // What nobody records is beyond any limit.
    CHECK(excesses_of(journal(ReaderState::stopped, 0), {}).size() == 1);
}

}  // namespace reader_health_test
