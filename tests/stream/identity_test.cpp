#include "stream/cursor_story.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/identity.hpp>
#include <tailrace/bus/journal_board.hpp>
#include <tailrace/journal/backup.hpp>
#include <tailrace/journal/ledger.hpp>
#include <tailrace/journal/reader.hpp>
#include <tailrace/journal/verify.hpp>
#include <tailrace/stream/identity_place.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace identity_test {

namespace {

using namespace tailrace;
using namespace tailrace::stream;
using namespace tailrace::test;
namespace fs = std::filesystem;

constexpr std::uint64_t kSegmentBytes = std::uint64_t{1} << 20U;

Result<bus::Publisher> try_attach(const RecordedStream& recorded, const std::string& name) {
    bus::PublisherOptions options;
    options.directory = recorded.stream().directory();
    options.identity = name;
    return bus::Publisher::attach(recorded.stream().name(), options);
}

bus::Publisher attach(const RecordedStream& recorded, const std::string& name = "gateway") {
    return expect(try_attach(recorded, name), "attach");
}

OwnSequence last_published(const RecordedStream& recorded, const std::string& name = "gateway") {
    return attach(recorded, name).last_published();
}

bool publish(bus::Publisher& publisher, OwnSequence first, OwnSequence last) {
    const std::array<std::byte, 32> payload{};
    for (OwnSequence own = first; own <= last; ++own) {
        bus::EventFields fields;
        fields.own_sequence = own;
        if (publisher.publish(payload, fields) != bus::PublishStatus::ok) return false;
    }
    return true;
}

void publish_as(const RecordedStream& recorded,
                const std::string& name,
                OwnSequence first,
                OwnSequence last) {
    auto publisher = attach(recorded, name);
    REQUIRE(publish(publisher, first, last));
}

bool is_durable(const RecordedStream& recorded) {
    const auto region = recorded.stream().open();
    return bus::wait_durable(*region, region->tail().sequence, bus::Deadline::in_ms(kPatienceMs))
        .has_value();
}

// As the ledger has it; 0: not at all.
OwnSequence kept(const RecordedStream& recorded, const std::string& name = "gateway") {
    const auto ledger = ledger_of(recorded);
    if (!ledger.identities) return 0;
    for (const journal::LedgerIdentity& identity : ledger.identities->known) {
        if (identity.id == bus::identity_id(name)) return identity.last_own;
    }
    return 0;
}

// The watchdog ends it when that never comes.
void wait_until_kept(const RecordedStream& recorded, OwnSequence own) {
    while (kept(recorded) != own)
        keep(recorded);
}

std::string ledger_path(const RecordedStream& recorded) {
    return recorded.journal_directory() + "/LEDGER";
}

void damage_ledger(const RecordedStream& recorded) {
    std::fstream file(ledger_path(recorded), std::ios::in | std::ios::out | std::ios::binary);
    for (std::uint64_t copy = 0; copy < 4; ++copy) {
        file.seekp(static_cast<std::streamoff>(copy * 64 * 1024 + 24));
        file.put('!');
    }
    REQUIRE(file.good());
}

IdentityPlace place_of(const RecordedStream& recorded) {
    return expect(
        IdentityPlace::of_stream(
            recorded.stream().name(), bus::RegionAccess::publish, recorded.stream().directory()),
        "open the place");
}

Sequence first_sequence(const RecordedStream& recorded) {
    return expect(journal::Reader::open(recorded.journal_directory()), "open").first_sequence();
}

// Plain events, enough for some segments.
void fill_segments(const RecordedStream& recorded, std::uint64_t count) {
    auto publisher = recorded.stream().publisher();
    const std::vector<std::byte> payload(4'000);
    for (std::uint64_t bytes = 0; bytes < count * kSegmentBytes; bytes += payload.size())
        REQUIRE(publisher.publish(payload) == bus::PublishStatus::ok);
}

}  // namespace

TEST_CASE("identity: the ring made anew goes on where the log says", "[stream][identity]") {
    const Watchdog watchdog("identity behind a new ring");
    const RecordedStream recorded;
    {
        const RunningRecorder recorder(recorded);
        publish_as(recorded, "idle", 1, 3);
        publish_as(recorded, "gateway", 1, 50);
        attach(recorded, "silent");
        REQUIRE(is_durable(recorded));
    }
    CHECK(kept(recorded) == 50);
    CHECK(ledger_of(recorded).identities->as_of_sequence == 53);
    remake_stream(recorded);
    const auto early = try_attach(recorded, "gateway");
    REQUIRE_FALSE(early);
    CHECK(early.error().code == ErrorCode::no_writer);
    const RunningRecorder recorder(recorded);
    CHECK(last_published(recorded) == 50);
    CHECK(last_published(recorded, "idle") == 3);
    CHECK(last_published(recorded, "silent") == 0);
    publish_as(recorded, "gateway", 51, 60);
    CHECK(last_published(recorded) == 60);
}

TEST_CASE("identity: what the ledger doesn't say yet the log does", "[stream][identity]") {
    const Watchdog watchdog("identity behind an old ledger");
    const RecordedStream recorded;
    const std::string old = recorded.stream().directory() + "/ledger.old";
    {
        const RunningRecorder recorder(recorded);
        publish_as(recorded, "gateway", 1, 10);
        REQUIRE(is_durable(recorded));
        wait_until_kept(recorded, 10);
        fs::copy_file(ledger_path(recorded), old);
        publish_as(recorded, "gateway", 11, 40);
        publish_as(recorded, "late", 7, 9);  // no ledger has its name
        REQUIRE(is_durable(recorded));
    }
    // As if the power had been cut before the keeper came to it.
    fs::copy_file(old, ledger_path(recorded), fs::copy_options::overwrite_existing);
    CHECK(kept(recorded) == 10);
    remake_stream(recorded);
    const RunningRecorder recorder(recorded);
    CHECK(last_published(recorded) == 40);
    CHECK(last_published(recorded, "late") == 9);
}

TEST_CASE("identity: on the disk it is never ahead of what is durable", "[stream][identity]") {
    const Watchdog watchdog("identity that waits for its log");
    const RecordedStream recorded;
    auto recorder = recorded.recorder();
    const auto region = recorded.stream().open();
    auto publisher = attach(recorded);
    REQUIRE(publish(publisher, 1, 5));
    REQUIRE(record_all(recorder, *region));
    while (kept(recorded) != 5) {
        REQUIRE(recorder.step(0));
        keep(recorded);
    }
    REQUIRE(publish(publisher, 6, 20));  // nobody steps the recorder
    keep(recorded);
    CHECK(kept(recorded) == 5);
    CHECK(ledger_of(recorded).identities->as_of_sequence <= bus::durable_sequence(*region));
    CHECK(publisher.last_published() == 20);
}

TEST_CASE("identity: retention takes nothing that only the log says", "[stream][identity]") {
    const Watchdog watchdog("identity and retention");
    const RecordedStream recorded;
    RecorderOptions options = recorded.options();
    options.journal.retain_size_bytes = 2 * kSegmentBytes;
    {
        const RunningRecorder recorder(recorded, options);
        publish_as(recorded, "gateway", 1, 3);
        while (first_sequence(recorded) <= 3) {
            fill_segments(recorded, 1);
            keep(recorded);
            CHECK(first_sequence(recorded) <= ledger_of(recorded).identities->as_of_sequence);
        }
    }
    remake_stream(recorded);
    const RunningRecorder recorder(recorded, options);
    CHECK(last_published(recorded) == 3);
}

TEST_CASE("identity: a ledger that can't be written holds segments back", "[stream][identity]") {
    const Watchdog watchdog("identity and a ledger that stands still");
    const RecordedStream recorded;
    RecorderOptions options = recorded.options();
    options.journal.retain_size_bytes = 2 * kSegmentBytes;
    auto recorder = expect(Recorder::attach(recorded.stream().name(), options), "record");
    auto publisher = attach(recorded);
    REQUIRE(publish(publisher, 1, 3));
    const auto region = recorded.stream().open();
    REQUIRE(record_all(recorder, *region));
    {
        // Whoever changes the ledger now keeps the keeper from it.
        const auto lock = expect(journal::LedgerLock::lock(recorded.journal_directory()), "lock");
        const std::vector<std::byte> payload(4'000);
        auto plain = recorded.stream().publisher();
        for (std::uint64_t bytes = 0; bytes < 6 * kSegmentBytes; bytes += payload.size()) {
            REQUIRE(plain.publish(payload) == bus::PublishStatus::ok);
            REQUIRE(recorder.step(0));
            REQUIRE(record_all(recorder, *region));
        }
        CHECK(first_sequence(recorded) == 0);
        CHECK(ledger_of(recorded).identities->as_of_sequence <= 3);
    }
    REQUIRE(recorder.close());
    CHECK(kept(recorded) == 3);
}

TEST_CASE("identity: a damaged ledger is read anew from the log, or told", "[stream][identity]") {
    const Watchdog watchdog("identity in a damaged ledger");
    const bool is_whole = GENERATE(true, false);
    const RecordedStream recorded;
    RecorderOptions options = recorded.options();
    if (!is_whole) options.journal.retain_size_bytes = 2 * kSegmentBytes;
    {
        const RunningRecorder recorder(recorded, options);
        publish_as(recorded, "gateway", 1, 30);
        fill_segments(recorded, 1);
        while (!is_whole && first_sequence(recorded) <= 30) {
            fill_segments(recorded, 1);
            keep(recorded);
        }
        publish_as(recorded, "newer", 1, 5);
        REQUIRE(is_durable(recorded));
    }
    damage_ledger(recorded);
    CHECK_FALSE(journal::read_ledger(recorded.journal_directory()));
    remake_stream(recorded);
    const RunningRecorder recorder(recorded, options);
    CHECK(last_published(recorded, "newer") == 5);
    const auto gateway = try_attach(recorded, "gateway");
    CHECK(gateway.has_value() == is_whole);
    if (is_whole) {
        CHECK(gateway->last_published() == 30);
        return;
    }
    CHECK(gateway.error().code == ErrorCode::corrupt);
    CHECK(gateway.error().hint.find("tailrace publisher set") != std::string::npos);
    REQUIRE(place_of(recorded).set("gateway", 30));
    CHECK(last_published(recorded) == 30);
}

TEST_CASE("identity: what is set or removed stays so, whoever records", "[stream][identity]") {
    const Watchdog watchdog("identity that is set");
    const bool records = GENERATE(true, false);
    const RecordedStream recorded;
    std::optional<RunningRecorder> recorder;
    recorder.emplace(recorded);
    publish_as(recorded, "gateway", 1, 50);
    publish_as(recorded, "other", 1, 8);
    publish_as(recorded, "gone", 1, 9);
    REQUIRE(is_durable(recorded));
    wait_until_kept(recorded, 50);
    if (!records) recorder.reset();
    REQUIRE(place_of(recorded).set("gateway", 20));
    REQUIRE(place_of(recorded).remove("gone"));
    CHECK(kept(recorded) == 20);
    CHECK(last_published(recorded) == 20);
    if (!records) recorder.emplace(recorded);
    publish_as(recorded, "other", 9, 9);
    REQUIRE(is_durable(recorded));
    recorder.reset();
    CHECK(kept(recorded) == 20);
    CHECK(kept(recorded, "gone") == 0);
    std::vector<PublisherName> names;
    REQUIRE(place_of(recorded).list(names));
    REQUIRE(names.size() == 2);
    CHECK(names[0].status.name == "gateway");
    CHECK(names[0].kept_own == 20);
    CHECK(names[1].status.last_own == 9);
    remake_stream(recorded);
    recorder.emplace(recorded);
    CHECK(last_published(recorded) == 20);
    CHECK(last_published(recorded, "other") == 9);
    CHECK(last_published(recorded, "gone") == 0);
}

// Set while what it had published isn't recorded yet: that doesn't count any more.
TEST_CASE("identity: set counts for what is recorded later too", "[stream][identity]") {
    const Watchdog watchdog("identity that is set early");
    const RecordedStream recorded;
    publish_as(recorded, "gateway", 1, 50);
    REQUIRE(place_of(recorded).set("gateway", 20));
    publish_as(recorded, "other", 1, 1);
    {
        const RunningRecorder recorder(recorded);
        REQUIRE(is_durable(recorded));
    }
    CHECK(kept(recorded) == 20);
    publish_as(recorded, "gateway", 21, 22);
    {
        const RunningRecorder recorder(recorded);
        REQUIRE(is_durable(recorded));
    }
    CHECK(kept(recorded) == 22);
}

TEST_CASE("identity: a backup has them as of its end, and verify looks at them",
          "[stream][identity]") {
    const Watchdog watchdog("identity in a backup");
    const RecordedStream recorded;
    {
        const RunningRecorder recorder(recorded);
        publish_as(recorded, "gateway", 1, 50);
        REQUIRE(is_durable(recorded));
    }
    const std::string copy = recorded.stream().directory() + "/copy";
    REQUIRE(journal::backup(recorded.journal_directory(), copy));
    const auto ledger = expect(journal::read_ledger(copy), "read");
    REQUIRE(ledger.identities);
    CHECK(ledger.identities->as_of_sequence == 50);
    REQUIRE(ledger.identities->known.size() == 1);
    CHECK(ledger.identities->known.front().last_own == 50);
    CHECK(expect(journal::verify(copy), "verify").findings.empty());
    {
        const auto lock = expect(journal::LedgerLock::lock(copy), "lock");
        auto ahead = ledger;
        ahead.identities->as_of_sequence = 51;
        REQUIRE(lock.write(ahead));
    }
    const auto report = expect(journal::verify(copy), "verify");
    REQUIRE(report.findings.size() == 1);
    CHECK(report.findings.front().kind == journal::FindingKind::damaged_ledger);
}

TEST_CASE("identity: a ledger holds as many as it may, and no more", "[stream][identity]") {
    const Watchdog watchdog("identity: a full ledger");
    const TemporaryDirectory directory;
    const auto lock = expect(journal::LedgerLock::lock(directory.path()), "lock");
    auto ledger = expect(lock.read(), "read");
    for (std::size_t nth = 0; nth < journal::kMaxLedgerCursors; ++nth)
        ledger.put({"c" + std::to_string(nth), nth, 0, 0});
    ledger.identities.emplace();
    ledger.identities->as_of_sequence = 77;
    ledger.identities->is_complete = false;
    for (std::size_t nth = 0; nth < journal::kMaxLedgerIdentities; ++nth)
        ledger.identities->known.push_back({std::string(63, 'n'), nth, nth + 1});
    REQUIRE(lock.write(ledger));
    auto found = expect(lock.read(), "read");
    CHECK((found.cursors == ledger.cursors));
    REQUIRE((found.identities == ledger.identities));
    found.identities->known.push_back({"more", 1, 1});
    CHECK(lock.write(found).error().code == ErrorCode::no_space);
    found.identities.reset();
    REQUIRE(lock.write(found));
    CHECK_FALSE(expect(lock.read(), "read").identities);
}

}  // namespace identity_test
