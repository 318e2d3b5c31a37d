// Who takes, commits to, moves or removes a cursor is killed at every step of it. Whatever the
// step, the cursor is there whole or not at all, where it stood or where it was going to, and the
// next one gets it.

#include "support/child_process.hpp"
#include "support/shared_object.hpp"
#include "support/step_script.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/cursor.hpp>

#include <catch2/catch.hpp>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace cursor_crash_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

// Kills a child at that step of `work`. True: it came so far.
bool dies_at(const char* step, const std::function<void()>& work) {
    ChildProcess child([&] {
        StepScript script;
        script.die_at(step);
        work();
        return 0;
    });
    return child.wait().was_killed();
}

std::optional<CursorStatus> find(const Region& region, const std::string& name) {
    std::optional<CursorStatus> found;
    for (const CursorStatus& cursor : read_cursors(region)) {
        if (cursor.name != name) continue;
        REQUIRE_FALSE(found);  // never twice
        found = cursor;
    }
    return found;
}

}  // namespace

TEST_CASE("cursor: whoever makes or takes it dies at any step", "[crash][cursor]") {
    for (const char* const step : {"cursor.named", "cursor.made", "cursor.taken"}) {
        CAPTURE(step);
        const Watchdog watchdog(step);
        const TestStream stream;
        const auto region = stream.open();
        REQUIRE(
            dies_at(step, [&] { static_cast<void>(Cursor::take(region, "risk", Sequence{7})); }));
        const auto left = find(*region, "risk");
        if (left) {
            CHECK(left->sequence == 7);
            CHECK_FALSE(left->is_owned);
        }
        auto next = Cursor::take(region, "risk", Sequence{7});
        REQUIRE(next);
        CHECK(next->sequence() == 7);
        CHECK(find(*region, "risk")->is_owned);
        CHECK(CursorKeeping::has_any(*region));
    }
}

TEST_CASE("cursor: an owner that dies while it goes where it was moved is followed by one there",
          "[crash][cursor]") {
    for (const char* const step : {"cursor.moved_seen", "cursor.move_accepted"}) {
        CAPTURE(step);
        const Watchdog watchdog(step);
        const TestStream stream;
        const auto region = stream.open();
        SharedObject<StepPause> owns;
        ChildProcess owner([&] {
            StepScript script;
            script.die_at(step);
            auto cursor = expect(Cursor::take(region, "risk", Sequence{7}), "take");
            static_cast<void>(cursor.commit(8));
            owns->pause_here();
            if (cursor.commit(9)) return 1;
            static_cast<void>(cursor.accept_move());
            return 0;
        });
        owns->wait_until_reached();
        REQUIRE(move_cursor(*region, "risk", 100, true));
        owns->let_go();
        REQUIRE(owner.wait().was_killed());
        auto next = Cursor::take(region, "risk", std::nullopt);
        REQUIRE(next);
        CHECK(next->sequence() == 100);
        CHECK_FALSE(find(*region, "risk")->moved_to);
        CHECK(next->commit(101));
    }
}

TEST_CASE("cursor: whoever moves it dies at any step", "[crash][cursor]") {
    for (const char* const step : {"cursor.place_noted", "cursor.moved", "cursor.move_settled"}) {
        CAPTURE(step);
        const Watchdog watchdog(step);
        const TestStream stream;
        const auto region = stream.open();
        REQUIRE(move_cursor(*region, "risk", 7, false));
        REQUIRE(dies_at(step, [&] { static_cast<void>(move_cursor(*region, "risk", 9, false)); }));
        auto next = Cursor::take(region, "risk", std::nullopt);
        REQUIRE(next);
        CHECK(next->sequence() == (std::string(step) == "cursor.place_noted" ? 7 : 9));
        CHECK(next->commit(10));
    }
}

TEST_CASE("cursor: whoever removes it dies at any step", "[crash][cursor]") {
    const Watchdog watchdog("cursor removed");
    const TestStream stream;
    const auto region = stream.open();
    REQUIRE(move_cursor(*region, "risk", 7, false));
    REQUIRE(dies_at("cursor.removed", [&] { static_cast<void>(remove_cursor(*region, "risk")); }));
    CHECK_FALSE(find(*region, "risk"));
    REQUIRE(move_cursor(*region, "risk", 3, false));
    CHECK(find(*region, "risk")->sequence == 3);
}

TEST_CASE("cursor: whoever waits for the disk dies, and the keeper dies in its round",
          "[crash][cursor]") {
    for (const char* const step : {"keeper.began", "keeper.told"}) {
        CAPTURE(step);
        const Watchdog watchdog(step);
        const TestStream stream;
        const auto region = stream.open();
        REQUIRE(move_cursor(*region, "risk", 7, false));
        REQUIRE(dies_at("cursor.asked", [&] { CursorKeeping::ask(*region); }));
        const auto keep = [&] {
            CursorKeeping keeping(*region);
            const auto cursors = keeping.collect(5);
            keeping.kept(cursors);
        };
        REQUIRE(dies_at(step, keep));
        CursorKeeping successor(*region);
        const auto cursors = successor.collect(5);
        REQUIRE(cursors.size() == 1);
        CHECK(cursors.front().sequence == 5);  // as far as it is durable
        successor.kept(cursors);
        CHECK(find(*region, "risk")->kept_sequence == 5);
        CHECK(region->state().cursors.kept.load() == region->state().cursors.requested.load());
    }
}

}  // namespace cursor_crash_test
