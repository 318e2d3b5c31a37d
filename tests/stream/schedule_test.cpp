#include "schedule.hpp"

#include <catch2/catch.hpp>

#include <cstdint>

namespace schedule_test {

using tailrace::stream::Schedule;

constexpr std::uint64_t kS = 1'000'000'000;
constexpr std::uint64_t kNone = UINT64_MAX;  // no cut of pauses

TEST_CASE("schedule: due times follow publish times, however late somebody is") {
    Schedule schedule(2.0, kNone);
    schedule.take(100 * kS, 7 * kS);
    CHECK_FALSE(schedule.is_timed());  // the first one begins it
    schedule.take(110 * kS, 7 * kS);
    CHECK(schedule.is_timed());
    CHECK(schedule.due_ns() == 12 * kS);
    schedule.take(112 * kS, 30 * kS);
    CHECK(schedule.due_ns() == 13 * kS);
    schedule.take(111 * kS, 30 * kS);
    CHECK(schedule.due_ns() == 13 * kS);
    schedule.take(0, 30 * kS);
    CHECK_FALSE(schedule.is_timed());
    schedule.take(114 * kS, 30 * kS);
    CHECK(schedule.due_ns() == 14 * kS);
}

TEST_CASE("schedule: another pace scales what is left of a pause") {
    Schedule schedule(1.0, kNone);
    schedule.take(100 * kS, 0);
    schedule.take(110 * kS, 0);
    schedule.set_speed(2.0, 4 * kS);
    CHECK(schedule.due_ns() == 7 * kS);
    schedule.set_speed(0.5, 5 * kS);
    CHECK(schedule.due_ns() == 13 * kS);
    schedule.set_speed(0.5, 6 * kS);
    CHECK(schedule.due_ns() == 13 * kS);
    // The next ones by the new pace alone.
    schedule.take(111 * kS, 13 * kS);
    CHECK(schedule.due_ns() == 15 * kS);
}

TEST_CASE("schedule: whoever was late before another pace isn't late behind it") {
    Schedule schedule(1.0, kNone);
    schedule.take(100 * kS, 0);
    schedule.take(101 * kS, 50 * kS);
    CHECK(schedule.due_ns() == 1 * kS);
    schedule.set_speed(2.0, 50 * kS);
    CHECK(schedule.due_ns() == 50 * kS);
    schedule.take(103 * kS, 50 * kS);
    CHECK(schedule.due_ns() == 51 * kS);
}

TEST_CASE("schedule: full speed has no due times, and who leaves it begins anew") {
    Schedule schedule(1.0, kNone);
    schedule.take(100 * kS, 0);
    schedule.take(110 * kS, 0);
    schedule.set_speed(0, 1 * kS);
    CHECK_FALSE(schedule.is_timed());
    schedule.take(500 * kS, 2 * kS);
    CHECK_FALSE(schedule.is_timed());
    schedule.set_speed(1.0, 3 * kS);
    CHECK_FALSE(schedule.is_timed());  // the one at hand
    schedule.take(504 * kS, 3 * kS);
    CHECK(schedule.is_timed());
    CHECK(schedule.due_ns() == 7 * kS);
}

TEST_CASE("schedule: a hold keeps what is left of the pause") {
    Schedule schedule(1.0, kNone);
    schedule.take(100 * kS, 0);
    schedule.take(110 * kS, 0);
    schedule.hold(4 * kS);
    schedule.hold(20 * kS);
    CHECK(schedule.remaining_ns(30 * kS) == 6 * kS);
    schedule.set_speed(2.0, 30 * kS);
    schedule.go_on(1'000 * kS);
    CHECK(schedule.due_ns() == 1'003 * kS);
    schedule.go_on(2'000 * kS);
    CHECK(schedule.due_ns() == 1'003 * kS);
}

TEST_CASE("schedule: steps in a hold begin it anew each time") {
    Schedule schedule(1.0, kNone);
    schedule.take(100 * kS, 0);
    schedule.take(110 * kS, 0);
    schedule.hold(1 * kS);
    schedule.advance(500 * kS);
    CHECK_FALSE(schedule.is_timed());
    schedule.take(112 * kS, 501 * kS);
    schedule.advance(600 * kS);
    schedule.take(115 * kS, 601 * kS);
    CHECK(schedule.remaining_ns(700 * kS) == 3 * kS);
    schedule.go_on(700 * kS);
    CHECK(schedule.is_timed());
    CHECK(schedule.due_ns() == 703 * kS);
}

TEST_CASE("schedule: no pause is longer than was allowed, nor than a number holds") {
    Schedule cut(1.0, 2 * kS);
    cut.take(100 * kS, 0);
    cut.take(200 * kS, 0);
    CHECK(cut.due_ns() == 2 * kS);
    cut.set_speed(0.001, 1 * kS);
    CHECK(cut.due_ns() == 3 * kS);
    Schedule slow(1e-6, kNone);
    slow.take(1, 0);
    slow.take(1'000'000'000 * kS, 5);
    CHECK(slow.due_ns() > 1'000'000'000 * kS);
}

}  // namespace schedule_test
