// Trim: what goes by hand, what stops it, and that nothing but the old or the new beginning is left
// whenever it is killed.

#include "assessment.hpp"
#include "lease.hpp"
#include "many_segments.hpp"
#include "simulated_lab.hpp"
#include "support/test_length.hpp"
#include "trim_core.hpp"
#include "trim_request.hpp"
#include "verify_core.hpp"

#include <tailrace/journal/ledger.hpp>
#include <tailrace/journal/trim.hpp>
#include <tailrace/journal/verify.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <fstream>

namespace tailrace::journal::trim_test {

namespace {

namespace fs = std::filesystem;

// Six segments, of 16 events each but for the last, with a time of a second for each event.
void write_six(const std::string& directory, Ending ending = Ending::closed) {
    EventShape shape;
    shape.payload_bytes = 60'000;
    shape.step_ns = kSecondNs;
    auto writer = Writer::open(small_options(directory));
    TAILRACE_CHECK(writer.has_value());
    for (Sequence next = 0; next < 88; next += 4) {
        shape.first_time_ns = (1000 + next) * kSecondNs;
        TAILRACE_CHECK(append_all(*writer, make_events(next, 4, shape)));
        TAILRACE_CHECK(writer->sync(30 * kSecondNs).has_value());
    }
    if (ending == Ending::closed) TAILRACE_CHECK(writer->close().has_value());
}

void put_cursor(const std::string& directory, Sequence sequence, std::uint64_t hold_bytes) {
    const auto lock = LedgerLock::lock(directory);
    REQUIRE(lock);
    auto ledger = lock->read();
    REQUIRE(ledger);
    LedgerCursor cursor;
    cursor.name = hold_bytes == 0 ? "passing" : "holding";
    cursor.sequence = sequence;
    cursor.hold_bytes = hold_bytes;
    ledger->put(cursor);
    REQUIRE(lock->write(*ledger));
}

std::uint64_t kept_with(const std::string& directory, const TrimLimits& limits) {
    const auto plan = plan_trim(directory, limits);
    INFO("refused: " << (plan ? "" : plan.error().message));
    REQUIRE(plan);
    CHECK(plan->kept_sequence == (plan->kept_number - 1) * 16);
    CHECK(plan->first_sequence == 0);
    CHECK(plan->end_sequence == 88);
    CHECK((plan->size_bytes == 0) == (plan->kept_number == 1));
    return plan->kept_number;
}

void check_begins_with(const std::string& directory, std::uint64_t number) {
    const Sequence first = (number - 1) * 16;
    CHECK_FALSE(fs::exists(segment_path(directory, number - 1)));
    CHECK_FALSE(fs::exists(index_path(directory, number - 1)));
    CHECK(fs::exists(segment_path(directory, number)));
    const auto report = verify(directory);
    REQUIRE(report);
    CHECK(report->is_sound());
    CHECK(report->findings.empty());
    CHECK(report->first_sequence == first);
    CHECK(is_dense(read_all(directory), first, 88));
}

}  // namespace

TEST_CASE("trim: whole segments that end before a place go, and the plan says which",
          "[journal][trim]") {
    const TempDirectory temp;
    write_six(temp.journal());
    const auto before = [&](const Position& position) {
        return kept_with(temp.journal(), {.before = position});
    };
    CHECK(before(Position::start()) == 1);
    CHECK(before(Position::at(15)) == 1);
    CHECK(before(Position::at(16)) == 2);
    CHECK(before(Position::at(40)) == 3);
    CHECK(before(Position::before_end(30)) == 4);
    CHECK(before(Position::after_start(16)) == 2);
    // Event n is of second 1000 + n: the first segment ends with that of second 1015.
    CHECK(before(Position::at_time(1015 * kSecondNs)) == 1);
    CHECK(before(Position::at_time(1016 * kSecondNs)) == 2);
    CHECK(kept_with(temp.journal(), {.keep_events = 72}) == 2);
    CHECK(kept_with(temp.journal(), {.keep_events = 73}) == 1);
    CHECK(kept_with(temp.journal(), {.keep_events = 1000}) == 1);
    // The newest is half full.
    CHECK(kept_with(temp.journal(), {.keep_size_bytes = 6 * kMiB}) == 1);
    CHECK(kept_with(temp.journal(), {.keep_size_bytes = 2 * kMiB}) == 5);
    // Nobody has seen time pass.
    CHECK(kept_with(temp.journal(), {.keep_age_ns = 3600 * kSecondNs}) == 1);
    // Of several the one that gives up most.
    CHECK(kept_with(temp.journal(), {.before = Position::at(16), .keep_events = 40}) == 4);
    CHECK(fs::exists(segment_path(temp.journal(), 1)));

    const auto all = plan_trim(temp.journal(), {.before = Position::end()});
    REQUIRE(all);
    CHECK(all->kept_number == 6);
    CHECK(all->stop == TrimStop::newest);
    CHECK(plan_trim(temp.journal(), {.before = Position::at(40)})->stop == TrimStop::none);
}

TEST_CASE("trim: of a journal alone what goes is gone, and it stays as sound as it was",
          "[journal][trim]") {
    const TempDirectory temp;
    write_six(temp.journal(), GENERATE(Ending::closed, Ending::abandoned));
    const bool was_closed = preview_recovery(temp.journal())->clean_close;
    const auto plan = plan_trim(temp.journal(), {.before = Position::at(40)});
    REQUIRE(plan);
    CHECK(plan->segment_count() == 2);
    const auto report = trim(*plan);
    REQUIRE(report);
    CHECK(report->first_sequence == 32);
    CHECK(report->held_segments == 0);
    check_begins_with(temp.journal(), 3);
    CHECK(preview_recovery(temp.journal())->clean_close == was_closed);
    CHECK(trim(*plan)->first_sequence == 32);  // and again
    // A writer goes on with it.
    auto writer = Writer::open(small_options(temp.journal()));
    REQUIRE(writer);
    CHECK(writer->next_sequence() == 88);
    CHECK(writer->recovery().first_sequence == 32);
}

TEST_CASE("trim: by age it believes the machine's clock for half of the limit", "[journal][trim]") {
    SimulatedLab lab(41);
    lab.open();
    lab.fill_segments(3);
    for (int second = 0; second < 100; ++second) {
        lab.disk.pass_ns(kSecondNs);
        lab.disk.set_wall_ns(lab.disk.wall_ns() + kSecondNs);
        (void)lab.writer->drive(0);
    }
    lab.fill_segments(3);
    REQUIRE(lab.writer->close(kSecondNs));
    const std::uint64_t wall_ns = lab.disk.wall_ns();
    const auto kept = [&](std::uint64_t keep_s, std::uint64_t later_s) {
        TrimSurroundings around;
        around.wall_ns = wall_ns + later_s * kSecondNs;
        const auto plan = plan_trim(lab.disk, "/sim", {.keep_age_ns = keep_s * kSecondNs}, around);
        REQUIRE(plan);
        return plan->kept_number;
    };
    CHECK(kept(90, 0) > 1);
    CHECK(kept(90, 0) < 5);
    CHECK(kept(190, 0) == 1);
    CHECK(kept(190, 150) > 1);
    // A month, or a clock that is wrong: what is of the last half stays.
    CHECK(kept(190, 30 * 24 * 3600) == kept(190, 150));
    CHECK(kept(3600, 30 * 24 * 3600) == 1);
}

TEST_CASE("trim: stops where a cursor holds, and names those that will find a gap",
          "[journal][trim]") {
    const TempDirectory temp;
    write_six(temp.journal());
    put_cursor(temp.journal(), 20, 0);
    put_cursor(temp.journal(), 40, 10 * kMiB);
    const auto plan = plan_trim(temp.journal(), {.before = Position::at(64)});
    REQUIRE(plan);
    CHECK(plan->kept_number == 3);
    CHECK(plan->stop == TrimStop::cursor);
    CHECK(plan->stopped_by == "holding");
    REQUIRE(plan->cursors.size() == 1);
    CHECK(plan->cursors[0].name == "passing");
    CHECK(plan->cursors[0].lost_events == 12);
    CHECK(trim(*plan)->first_sequence == 32);
    check_begins_with(temp.journal(), 3);
    // One that comes to hold something behind the plan's back is spared too.
    put_cursor(temp.journal(), 40, 0);
    put_cursor(temp.journal(), 70, 0);
    TrimPlan late = *plan_trim(temp.journal(), {.before = Position::at(64)});
    CHECK(late.kept_number == 3);
    put_cursor(temp.journal(), 50, 10 * kMiB);
    late.kept_number = 6;
    CHECK(trim(late)->first_sequence == 48);
    check_begins_with(temp.journal(), 4);
}

TEST_CASE("trim: stops at a segment that somebody reads", "[journal][trim]") {
    const TempDirectory temp;
    write_six(temp.journal());
    auto reader = Reader::open(temp.journal());
    REQUIRE(reader);
    REQUIRE(reader->seek_sequence(20));
    REQUIRE(reader->next_batch());
    const auto plan = plan_trim(temp.journal(), {.before = Position::at(64)});
    REQUIRE(plan);
    CHECK(plan->kept_number == 2);
    CHECK(plan->stop == TrimStop::reader);
    CHECK(plan->stopped_by == segment_path(temp.journal(), 2));
    // One that begins to read behind the plan's back keeps its bytes, and loses their name.
    TrimPlan late = *plan;
    late.kept_number = 5;
    const auto report = trim(late);
    REQUIRE(report);
    CHECK(report->first_sequence == 64);
    CHECK(report->held_segments == 1);
    CHECK(fs::exists(retired_path(temp.journal(), 2)));
    check_begins_with(temp.journal(), 5);
    const auto step = reader->next_batch();
    REQUIRE(step);
    CHECK(step->kind == ReadKind::event);
}

TEST_CASE("trim: a damaged journal is left alone", "[journal][trim]") {
    const TempDirectory temp;
    write_six(temp.journal());
    fs::remove(segment_path(temp.journal(), 4));
    const auto plan = plan_trim(temp.journal(), {.before = Position::at(32)});
    REQUIRE_FALSE(plan);
    CHECK(plan.error().code == ErrorCode::corrupt);
    TrimPlan blind;
    blind.directory = temp.journal();
    blind.kept_number = 3;
    CHECK(trim(blind).error().code == ErrorCode::corrupt);
    CHECK(fs::exists(segment_path(temp.journal(), 1)));
    fs::remove_all(temp.journal());
    fs::create_directory(temp.journal());
    CHECK(plan_trim(temp.journal(), {.before = Position::at(3)}).error().code ==
          ErrorCode::not_found);
}

TEST_CASE("trim: beside a writer it is the writer that gives up what a request names",
          "[journal][trim]") {
    SimulatedLab lab(42);
    lab.open();
    lab.fill_segments(6);
    REQUIRE(lab.segment_count() == 6);
    const JournalId id = assess(lab.disk, "/sim", AssessMode::looking)->newest().journal_id;
    SECTION("of this journal, while nothing else is to be done") {
        REQUIRE(ask_to_trim(lab.disk, "/sim", id, 3));
        lab.drive_idle();
        CHECK(lab.segment_count() == 4);
        CHECK(assess(lab.disk, "/sim", AssessMode::looking)->report.first_sequence == 32);
    }
    SECTION("never its own segment, nor the one before") {
        REQUIRE(ask_to_trim(lab.disk, "/sim", id, 1000));
        lab.drive_idle();
        CHECK(lab.segment_count() == 2);
    }
    SECTION("of another journal it means nothing") {
        JournalId other = id;
        other[0] ^= 1U;
        REQUIRE(ask_to_trim(lab.disk, "/sim", other, 3));
        lab.drive_idle();
        CHECK(lab.segment_count() == 6);
    }
    SECTION("nor does one that isn't whole") {
        REQUIRE(ask_to_trim(lab.disk, "/sim", id, 3));
        lab.disk.flip_bit("/sim/TRIM", 33, 2);
        lab.drive_idle();
        CHECK(lab.segment_count() == 6);
    }
    SECTION("a cursor that holds is spared") {
        lab.writer->hold_back({{20, 100 * kMiB}});
        REQUIRE(ask_to_trim(lab.disk, "/sim", id, 5));
        lab.drive_idle();
        CHECK(lab.segment_count() == 5);
    }
    CHECK_FALSE(lab.disk.exists("/sim/TRIM"));
}

TEST_CASE("trim: what was asked of a writer that died, the next one does", "[journal][trim]") {
    SimulatedLab lab(43);
    lab.open();
    lab.fill_segments(6);
    const JournalId id = assess(lab.disk, "/sim", AssessMode::looking)->newest().journal_id;
    REQUIRE(ask_to_trim(lab.disk, "/sim", id, 4));
    lab.disk.cut();
    lab.writer.reset();
    lab.disk.power_on(Survival::nothing);
    lab.open();
    lab.drive_idle();
    CHECK_FALSE(lab.disk.exists("/sim/TRIM"));
    CHECK(assess(lab.disk, "/sim", AssessMode::looking)->report.first_sequence == 48);
}

TEST_CASE("trim: where the disk is full it makes the room that the next segment waits for",
          "[journal][trim]") {
    SimulatedLab lab(44);
    lab.disk.faults.capacity_bytes = 6 * kMiB + kMiB / 2;
    lab.open();
    lab.fill_segments(6);
    for (int round = 0; round < 100 && lab.writer->state() != WriterState::no_space; ++round)
        lab.fill(1);
    REQUIRE(lab.writer->state() == WriterState::no_space);
    const JournalId id = assess(lab.disk, "/sim", AssessMode::looking)->newest().journal_id;
    REQUIRE(ask_to_trim(lab.disk, "/sim", id, 3));
    lab.drive_idle();
    CHECK(lab.writer->state() == WriterState::running);
    CHECK(lab.writer->sync(kSecondNs));
    CHECK(assess(lab.disk, "/sim", AssessMode::looking)->report.first_sequence >= 16);
}

namespace {

// What is left after a stop: a sound journal, with the old beginning or the new one.
void check_left(SimulatedDisk& disk, Sequence end, bool& is_trimmed) {
    const auto found = assess(disk, "/sim", AssessMode::deciding);
    INFO("recovery: " << (found ? "" : found.error().message));
    REQUIRE(found);
    const Sequence first = found->report.first_sequence;
    CHECK((first == 0 || first == 48));
    CHECK(found->end.sequence == end);
    is_trimmed = first == 48;
    auto report = VerifyCore(disk, "/sim", {}).run();
    REQUIRE(report);
    CHECK(report->is_sound());
    CHECK(report->event_count == end - first);
}

}  // namespace

TEST_CASE("trim: stopped at every step, a sound journal is left, and the next trim ends it",
          "[journal][search][trim][crash]") {
    SimulatedLab lab(45);
    lab.open();
    lab.fill_segments(6);
    lab.fill_half_segment();
    const Sequence end = lab.writer->next_sequence();
    if (GENERATE(true, false)) REQUIRE(lab.writer->close(kSecondNs));
    lab.writer.reset();
    lab.disk.settle();
    const Survival survival = GENERATE(Survival::nothing, Survival::everything, Survival::some);
    std::array<std::uint64_t, 2> seen{};
    bool is_over = false;
    for (std::uint64_t stop = 1; !is_over; ++stop) {
        INFO("stopped in operation " << stop);
        SimulatedDisk disk(lab.disk);
        disk.stop_after(stop);
        (void)give_up_below(disk, "/sim", 4);
        is_over = !disk.is_stopped();
        disk.cut();
        disk.power_on(survival);
        bool is_trimmed = false;
        check_left(disk, end, is_trimmed);
        ++seen[is_trimmed ? 1 : 0];
        REQUIRE(give_up_below(disk, "/sim", 4));
        check_left(disk, end, is_trimmed);
        CHECK(is_trimmed);
        for (std::uint64_t number = 1; number < 4; ++number)
            CHECK_FALSE(disk.exists(segment_path("/sim", number)));
    }
    // The search met both sides.
    CHECK(seen[0] > 3);
    CHECK(seen[1] > 3);
}

TEST_CASE("trim: stopped at every step of a writer that was asked, it opens and the rest is done",
          "[journal][search][trim][crash]") {
    const Survival survival = GENERATE(Survival::nothing, Survival::everything, Survival::some);
    std::array<std::uint64_t, 2> seen{};
    bool is_over = false;
    for (std::uint64_t stop = 1; !is_over; ++stop) {
        INFO("stopped in operation " << stop);
        SimulatedLab lab(46);
        lab.open();
        lab.fill_segments(6);
        const Sequence end = lab.writer->next_sequence();
        const JournalId id = assess(lab.disk, "/sim", AssessMode::looking)->newest().journal_id;
        REQUIRE(ask_to_trim(lab.disk, "/sim", id, 4));
        lab.disk.stop_after(stop);
        lab.drive_idle();
        is_over = !lab.disk.is_stopped();
        lab.disk.cut();
        lab.writer.reset();
        lab.disk.power_on(survival);
        bool is_trimmed = false;
        check_left(lab.disk, end, is_trimmed);
        ++seen[is_trimmed ? 1 : 0];
        lab.open();
        lab.drive_idle();
        CHECK(assess(lab.disk, "/sim", AssessMode::looking)->report.first_sequence == 48);
        CHECK_FALSE(lab.disk.exists("/sim/TRIM"));
        CHECK_FALSE(lab.disk.exists(segment_path("/sim", 3)));
    }
    CHECK(seen[0] > 1);
    CHECK(seen[1] > 3);
}

}  // namespace tailrace::journal::trim_test
