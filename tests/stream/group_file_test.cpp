// The file of a group: what it is made of, what is refused of it, and what is done to it.

#include "group_file.hpp"

#include "stream/group_story.hpp"
#include "support/watchdog.hpp"

#include <tailrace/base/file_lock.hpp>
#include <tailrace/bus/cursor.hpp>

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <thread>

namespace group_file_test {

namespace {

using namespace tailrace;
using namespace tailrace::stream;
using namespace tailrace::test;

std::string path_of(const GroupStory& story) {
    return story.stream().directory() + "/" + story.stream().name() + "/group.work";
}

ErrorCode refusal(const GroupStory& story,
                  const GroupOptions& options,
                  std::string* why = nullptr) {
    const auto member = story.try_join(options);
    REQUIRE_FALSE(member);
    CHECK_FALSE(member.error().hint.empty());
    if (why != nullptr) *why = member.error().message;
    return member.error().code;
}

void overwrite(const std::string& path, std::uint64_t offset, const std::string& bytes) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace

TEST_CASE("group file: a word says which event, how often, in whose hands", "[stream][group]") {
    const Unit unit{kUnitLaps - 1, 0xFFFF, 1023, UnitState::dying};
    CHECK(unpack(pack(unit)) == unit);
    CHECK(unpack(pack({1, 2, 3, UnitState::leased})) == Unit{1, 2, 3, UnitState::leased});
    CHECK(lap_of(0, 1024) == 1);
    CHECK(lap_of(1023, 1024) == 1);
    CHECK(lap_of(1024, 1024) == 2);
    const std::uint64_t word = pack({7, 0, 0, UnitState::done});
    CHECK(laps_ahead(word, 7) == 0);
    CHECK(laps_ahead(word, 8) == -1);
    CHECK(laps_ahead(word, 6) == 1);
    // Laps go round.
    CHECK(laps_ahead(pack({0, 0, 0, UnitState::done}), kUnitLaps - 1) == 1);
    CHECK(laps_ahead(pack({kUnitLaps - 1, 0, 0, UnitState::done}), 0) == -1);
}

TEST_CASE("group file: options that can't work are refused, and say what can", "[stream][group]") {
    const Watchdog watchdog("group options");
    const GroupStory story;
    const auto code_with = [&](const std::function<void(GroupOptions&)>& change) {
        GroupOptions options = story.options();
        change(options);
        return refusal(story, options);
    };
    CHECK(code_with([](auto& o) { o.group = ""; }) == ErrorCode::invalid_argument);
    CHECK(code_with([](auto& o) { o.group = "a/b"; }) == ErrorCode::invalid_argument);
    CHECK(code_with([](auto& o) { o.group = std::string(58, 'x'); }) ==
          ErrorCode::invalid_argument);
    CHECK(code_with([](auto& o) { o.window_events = 1000; }) == ErrorCode::invalid_argument);
    CHECK(code_with([](auto& o) { o.window_events = 512; }) == ErrorCode::invalid_argument);
    CHECK(code_with([](auto& o) { o.window_events = 131072; }) == ErrorCode::invalid_argument);
    CHECK(code_with([](auto& o) { o.max_tries = 1; }) == ErrorCode::invalid_argument);
    CHECK(code_with([](auto& o) { o.max_tries = 1001; }) == ErrorCode::invalid_argument);
    CHECK(code_with([](auto& o) { o.stall_ns = 9'999'999; }) == ErrorCode::invalid_argument);
    CHECK(code_with([&](auto& o) { o.dead_letters = story.stream().name(); }) ==
          ErrorCode::invalid_argument);
    CHECK(code_with([](auto& o) { o.dead_letters = "nowhere"; }) == ErrorCode::not_found);
    CHECK(code_with([](auto& o) { o.from = Position::at(77); }) == ErrorCode::sequence_ahead);
    CHECK_FALSE(std::filesystem::exists(path_of(story)));
    CHECK(read_groups(*story.stream().open()).empty());
}

TEST_CASE("group file: a member with other settings is refused, and told which",
          "[stream][group]") {
    const Watchdog watchdog("group settings");
    const GroupStory story;
    REQUIRE(bus::Region::create("dead", small_stream(), story.stream().directory()));
    const auto member = story.join();
    const auto told = [&](const std::function<void(GroupOptions&)>& change) {
        GroupOptions options = story.options();
        change(options);
        std::string why;
        CHECK(refusal(story, options, &why) == ErrorCode::invalid_argument);
        return why;
    };
    CHECK(told([](auto& o) { o.window_events = 2048; }).find("1024, not 2048") !=
          std::string::npos);
    CHECK(told([](auto& o) { o.max_tries = 6; }).find("5, not 6 tries") != std::string::npos);
    CHECK(told([](auto& o) { o.stall_ns = kNeverStalls; }).find("stall_ns") != std::string::npos);
    CHECK(told([](auto& o) { o.dead_letters = "dead"; }).find("'dead'") != std::string::npos);
    CHECK(told([](auto& o) { o.filter.add_type(1); }).find("filter") != std::string::npos);
    CHECK(told([](auto& o) { o.filter.set_partition(2, 1); }).find("filter") != std::string::npos);
    const auto second = story.join();
    CHECK(story.status().members.size() == 2);
}

TEST_CASE("group file: foreign, damaged and cut off files are refused, and can be removed",
          "[stream][group]") {
    const Watchdog watchdog("group files that are damaged");
    const GroupStory story;
    static_cast<void>(story.join());
    const std::string path = path_of(story);
    REQUIRE(std::filesystem::exists(path));
    ErrorCode expected = ErrorCode::corrupt;
    SECTION("other bytes") {
        overwrite(path, 0, "something else");
        expected = ErrorCode::not_tailrace;
    }
    SECTION("another version") {
        overwrite(path, offsetof(GroupHeader, version), "\x02");
        expected = ErrorCode::incompatible;
    }
    SECTION("a flipped bit") {
        overwrite(path, offsetof(GroupHeader, max_tries), "\x40");
    }
    SECTION("cut off in the middle") {
        std::filesystem::resize_file(path, 9000);
        expected = ErrorCode::truncated;
    }
    SECTION("cut off at its beginning") {
        std::filesystem::resize_file(path, 10);
        expected = ErrorCode::truncated;
    }
    SECTION("of another stream") {
        const GroupStory other;
        static_cast<void>(other.join());
        std::filesystem::copy_file(
            path_of(other), path, std::filesystem::copy_options::overwrite_existing);
        expected = ErrorCode::stale;
    }
    CHECK(refusal(story, story.options()) == expected);
    const auto groups = read_groups(*story.stream().open());
    REQUIRE(groups.size() == 1);
    CHECK_FALSE(groups[0].problem.empty());
    const std::string& directory = story.stream().directory();
    REQUIRE(remove_group(story.stream().name(), "work", false, directory));
    CHECK_FALSE(std::filesystem::exists(path));
    CHECK(read_groups(*story.stream().open()).empty());
    const auto member = story.join();
    CHECK(member.floor() == 0);
}

TEST_CASE("group file: whatever stands in its words, a member comes to an end", "[stream][group]") {
    const Watchdog watchdog("group files that were scribbled on");
    const GroupStory story;
    auto publisher = story.stream().publisher();
    std::optional<GroupMember> member(story.join());
    REQUIRE(publish_numbered(publisher, 1, 0, 20));
    const std::uint64_t size_bytes = std::filesystem::file_size(path_of(story));
    const char filler = GENERATE('\xFF', '\x5A', '\x00');
    overwrite(path_of(story), kGroupPageBytes, std::string(size_bytes - kGroupPageBytes, filler));
    const auto nothing = [](const Delivery&) {
        return Verdict::done;
    };
    for (int round = 0; round < 50; ++round)
        static_cast<void>(member->poll(nothing, 16));
    member.reset();
    if (auto again = story.try_join(story.options())) {
        for (int round = 0; round < 50; ++round)
            static_cast<void>(again->poll(nothing, 16));
    }
    CHECK(read_groups(*story.stream().open()).size() == 1);
}

TEST_CASE("group file: a group with members stays, or they are told", "[stream][group]") {
    const Watchdog watchdog("group removal");
    const GroupStory story;
    const std::string stream = story.stream().name();
    const std::string& directory = story.stream().directory();
    const auto unknown = remove_group(stream, "work", false, directory);
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().code == ErrorCode::not_found);
    auto publisher = story.stream().publisher();
    std::optional<GroupMember> member(story.join());
    REQUIRE(publish_numbered(publisher, 1, 0, 5));
    CHECK(handle_all(*member).size() == 5);
    const auto refused = remove_group(stream, "work", false, directory);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::busy);
    CHECK(refused.error().message.find(std::to_string(::getpid())) != std::string::npos);
    const auto busy = set_group(stream, "work", Position::at(1), directory);
    REQUIRE_FALSE(busy);
    CHECK(busy.error().code == ErrorCode::busy);
    const auto nothing = [](const Delivery&) {
        return Verdict::done;
    };
    CHECK(member->poll(nothing, 1).state == GroupState::idle);
    SECTION("by force") {
        Result<void> removed;
        std::thread remover([&] { removed = remove_group(stream, "work", true, directory); });
        const bus::Deadline patience = bus::Deadline::in_ms(20'000);
        while (member->poll(nothing, 1).state != GroupState::removed)
            REQUIRE_FALSE(patience.has_passed());
        remover.join();
        CHECK(removed);
        CHECK(read_groups(*story.stream().open()).empty());
        auto other = story.join();
        CHECK(handle_all(other).size() == 5);
        CHECK(member->poll(nothing, 1).state == GroupState::removed);
    }
    SECTION("when they have gone") {
        member.reset();
        REQUIRE(remove_group(stream, "work", false, directory));
        CHECK(read_groups(*story.stream().open()).empty());
    }
    SECTION("set elsewhere") {
        member.reset();
        const auto set = set_group(stream, "work", Position::at(2), directory);
        REQUIRE(set);
        CHECK(*set == 2);
        GroupOptions options = story.options();
        options.window_events = 2048;
        auto other = story.join(options);
        CHECK(handle_all(other) == handed_once(2, 5));
    }
}

TEST_CASE("group file: who was killed while removing it has removed nothing", "[stream][group]") {
    const Watchdog watchdog("group removal that was given up");
    const GroupStory story;
    static_cast<void>(story.join());
    const auto region = story.stream().open();
    auto file = expect(GroupFile::open(*region, "work", MapAccess::read_write), "open");
    file.shared().life.store(GroupLife::closing);
    const auto member = story.join();
    CHECK(file.life() == GroupLife::open);
}

TEST_CASE("group file: its seats are taken by the living, and cleared before they are taken anew",
          "[stream][group]") {
    const Watchdog watchdog("group seats");
    const GroupStory story;
    auto publisher = story.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, 3));
    const auto keeps_group = story.join();
    const auto region = story.stream().open();
    auto file = expect(GroupFile::open(*region, "work", MapAccess::read_write), "open");
    // A seat whose owner died with an event in its hands.
    const std::uint32_t seat = keeps_group.seat() + 1;
    const std::uint64_t word = pack({file.lap(1), 1, seat, UnitState::leased});
    file.unit(1).store(word);
    file.seat(seat).turn.store(7);
    CHECK(file.is_deserted(seat));
    SECTION("by whoever sits there next") {
        auto next = story.join();
        CHECK(next.seat() == seat);
        CHECK(file.see(seat).turn == 9);
        CHECK(unpack(file.load_unit(1)) == Unit{file.lap(1), 1, 0, UnitState::again});
    }
    SECTION("not when somebody sits there by now") {
        const SeenSeat seen = file.see(seat);
        auto next = story.join();
        REQUIRE(next.seat() == seat);
        file.unit(2).store(pack({file.lap(2), 1, seat, UnitState::leased}));
        CHECK(file.take_back_of_dead(seat, seen.turn) == 0);
        CHECK(unpack(file.load_unit(2)).state == UnitState::leased);
    }
}

TEST_CASE("group file: losses are counted once each, whoever was killed at it", "[stream][group]") {
    const Watchdog watchdog("group losses");
    const GroupStory story;
    auto publisher = story.stream().publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, 20));
    auto member = story.join();
    const auto region = story.stream().open();
    auto file = expect(GroupFile::open(*region, "work", MapAccess::read_write), "open");
    const auto make_lost = [&](Sequence sequence) {
        file.unit(sequence).store(pack({file.lap(sequence), 1, 0, UnitState::lost}));
    };
    for (const Sequence sequence : {3U, 4U, 5U, 9U})
        make_lost(sequence);
    // Somebody noted the first three, ended one of them, and was killed.
    file.unit(3).store(pack({file.lap(3), 1, 0, UnitState::done}));
    GroupLosses& losses = file.shared().losses;
    losses.first.store(3);
    losses.events_after.store(3);
    losses.listed_after.store(1);
    losses.end.store(6);
    std::vector<Sequence> handed;
    std::uint64_t told = 0;
    for (int round = 0; round < 10; ++round) {
        const auto result = member.poll(
            [&](const Delivery& delivery) {
                handed.push_back(delivery.event().sequence());
                return Verdict::done;
            },
            16);
        if (result.state == GroupState::lost) told += member.last_lost().count;
    }
    CHECK(handed.size() == 16);
    CHECK(told == 1);  // the others were told to whoever was killed, and are listed
    CHECK(member.floor() == 20);
    const GroupStatus status = story.status();
    CHECK(status.lost_events == 4);
    REQUIRE(status.losses.size() == 2);
    CHECK(status.losses[0].first == 3);
    CHECK(status.losses[0].count == 3);
    CHECK(status.losses[1].first == 9);
    CHECK(status.losses[1].count == 1);
}

TEST_CASE("group file: a stream that is removed takes its groups along", "[stream][group]") {
    const Watchdog watchdog("groups of a stream that is removed");
    const GroupStory story;
    std::optional<GroupMember> member(story.join());
    const std::string directory = story.stream().directory() + "/" + story.stream().name();
    std::ofstream(directory + "/group-new.half") << "of somebody who was killed";
    REQUIRE_FALSE(bus::Region::unlink(story.stream().name(), false, story.stream().directory()));
    SECTION("when nobody uses it") {
        member.reset();
    }
    SECTION("by force, and its members are told") {}
    REQUIRE(
        bus::Region::unlink(story.stream().name(), member.has_value(), story.stream().directory()));
    CHECK_FALSE(std::filesystem::exists(directory));
    if (!member) return;
    const auto nothing = [](const Delivery&) {
        return Verdict::done;
    };
    CHECK(member->poll_until(nothing, 1, bus::Deadline::in_ms(20'000)).state == GroupState::closed);
}

}  // namespace group_file_test
