#include <tailrace/observe/reader_state.hpp>

#include <catch2/catch.hpp>

namespace reader_state_test {

using namespace tailrace::observe;

namespace {

ReaderPicture picture(tailrace::Sequence sequence, std::uint64_t lag_events, std::uint64_t age_ns) {
    ReaderPicture reader;
    reader.is_alive = true;
    reader.sequence = sequence;
    reader.lag.events = lag_events;
    reader.lag.age_ns = age_ns;
    return reader;
}

}  // namespace

TEST_CASE("reader_state: what is on its way is no lag, what is old or large is.") {
    CHECK(reader_state(picture(10, 0, 0), {}) == ReaderState::ok);
    CHECK(reader_state(picture(10, 5, 2'000), {}) == ReaderState::ok);
    CHECK(reader_state(picture(10, 5, 200'000'000), {}) == ReaderState::lagging);
    ReaderPicture half_full = picture(10, 5, 2'000);
    half_full.room_ratio = 0.4;
    CHECK(reader_state(half_full, {}) == ReaderState::lagging);
}

TEST_CASE("reader_state: a reader that doesn't move while events wait is stalled.") {
    const ReaderPicture before = picture(10, 5, 2'000);
    CHECK(reader_state(picture(10, 9, 3'000), before) == ReaderState::stalled);
    CHECK(reader_state(picture(11, 9, 3'000), before) == ReaderState::ok);
    // Nothing was unread at the first look: it had nothing to move for.
    CHECK(reader_state(picture(10, 9, 3'000), picture(10, 0, 0)) == ReaderState::ok);
}

TEST_CASE("reader_state: a dead reader is stopped, one that loses events is overrun.") {
    ReaderPicture dead = picture(10, 5, 2'000);
    dead.is_alive = false;
    CHECK(reader_state(dead, {}) == ReaderState::stopped);
    dead.journal = tailrace::bus::JournalState::failed;
    CHECK(reader_state(dead, {}) == ReaderState::failed);
    CHECK(reader_state_name(ReaderState::failed) == "FAILED");
    ReaderPicture losing = picture(20, 5, 2'000);
    losing.lost_events = 7;
    CHECK(reader_state(losing, picture(10, 5, 2'000)) == ReaderState::overrun);
    CHECK(reader_state(losing, {}) == ReaderState::ok);  // it may have been long ago
    ReaderPicture outside = picture(20, 5, 2'000);
    outside.room_ratio = 0.0;
    CHECK(reader_state(outside, {}) == ReaderState::overrun);
}

TEST_CASE("reader_state: a gate that is a ring behind blocks publishers and loses nothing.") {
    ReaderPicture gate = picture(10, 500, 2'000'000'000);
    gate.is_gate = true;
    gate.room_ratio = 0.01;
    CHECK(reader_state(gate, {}) == ReaderState::lagging);
    gate.is_blocking = true;
    CHECK(reader_state(gate, {}) == ReaderState::blocking);
    CHECK(reader_state(gate, gate) == ReaderState::blocking);
    gate.is_blocking = false;
    gate.room_ratio = 0.0;
    CHECK(reader_state(gate, {}) == ReaderState::blocking);
    CHECK(reader_state_name(ReaderState::blocking) == "BLOCKING");
    CHECK(urgency_of(ReaderState::blocking) == Urgency::act);
}

TEST_CASE("reader_state: one that reads in the journal spills, or catches up.") {
    ReaderPicture spilling = picture(10, 500, 0);
    spilling.source = tailrace::bus::ReadSource::journal;
    spilling.room_ratio = 0.0;  // no loss: the journal has it
    CHECK(reader_state(spilling, {}) == ReaderState::spilling);
    ReaderPicture later = spilling;
    later.sequence = 20;
    later.lag.events = 600;
    CHECK(reader_state(later, spilling) == ReaderState::spilling);
    later.lag.events = 400;
    CHECK(reader_state(later, spilling) == ReaderState::catching_up);
    later.lost_events = 1;
    CHECK(reader_state(later, spilling) == ReaderState::overrun);
    CHECK(reader_state_name(ReaderState::catching_up) == "CATCHING-UP");
}

TEST_CASE("reader_state: a journal whose disk has no room says so before anything else.") {
    ReaderPicture journal = picture(10, 0, 0);
    journal.journal = tailrace::bus::JournalState::low_space;
    CHECK(reader_state(journal, {}) == ReaderState::low_space);
    CHECK(reader_state_name(ReaderState::low_space) == "LOW-SPACE");
    journal.journal = tailrace::bus::JournalState::no_space;
    CHECK(reader_state(journal, {}) == ReaderState::disk_full);
    journal.is_alive = false;
    CHECK(reader_state(journal, {}) == ReaderState::stopped);
}

TEST_CASE("reader_state: a journal that is being opened is not said to lag.") {
    ReaderPicture journal = picture(0, 1000, 2'000'000'000);
    journal.room_ratio = 0.0;
    journal.journal = tailrace::bus::JournalState::opening;
    CHECK(reader_state(journal, {}) == ReaderState::opening);
    CHECK(reader_state(journal, journal) == ReaderState::opening);
    CHECK(reader_state_name(ReaderState::opening) == "OPENING");
    journal.is_alive = false;
    CHECK(reader_state(journal, {}) == ReaderState::stopped);
}

}  // namespace reader_state_test
