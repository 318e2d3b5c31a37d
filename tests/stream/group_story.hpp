// What the tests of groups share: a stream whose events are their own numbers, and members that
// write down what they were given.
#pragma once

#include "stream/recorded_stream.hpp"

#include <tailrace/stream/group_member.hpp>
#include <tailrace/stream/group_status.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace tailrace::test {

struct Handed {
    Sequence sequence;
    std::uint32_t tries;
    friend bool operator==(const Handed&, const Handed&) = default;
};

// In a ring alone: publishers wait for the floor.
class GroupStory {
public:
    [[nodiscard]] const TestStream& stream() const noexcept { return stream_; }
    [[nodiscard]] stream::GroupOptions options() const {
        stream::GroupOptions options;
        options.group = "work";
        options.window_events = 1024;
        options.bus_directory = stream_.directory();
        return options;
    }
    [[nodiscard]] Result<stream::GroupMember> try_join(const stream::GroupOptions& options) const {
        return stream::GroupMember::join(stream_.name(), options);
    }
    [[nodiscard]] stream::GroupMember join() const { return join(options()); }
    [[nodiscard]] stream::GroupMember join(const stream::GroupOptions& options) const {
        return expect(try_join(options), "join");
    }
    [[nodiscard]] stream::GroupStatus status() const {
        const auto groups = stream::read_groups(*stream_.open(bus::RegionAccess::observe));
        REQUIRE(groups.size() == 1);
        return groups.front();
    }

private:
    TestStream stream_;
};

// Everything that is there now, up to `limit` in its hands at a time.
[[nodiscard]] inline std::vector<Handed> handle_all(
    stream::GroupMember& member,
    std::uint64_t limit = 16,
    stream::Verdict verdict = stream::Verdict::done) {
    std::vector<Handed> handed;
    for (;;) {
        const auto result = member.poll(
            [&](const stream::Delivery& delivery) {
                handed.push_back({delivery.event().sequence(), delivery.tries()});
                return verdict;
            },
            limit);
        if (result.events == 0 && result.state != stream::GroupState::ok) return handed;
    }
}

// The same until there are so many, or patience ends.
[[nodiscard]] inline std::vector<Handed> handle(stream::GroupMember& member,
                                                std::uint64_t count,
                                                std::uint64_t limit = 16) {
    constexpr std::uint64_t kMostWaitMs = 20'000;
    std::vector<Handed> handed;
    const bus::Deadline deadline = bus::Deadline::in_ms(kMostWaitMs);
    while (handed.size() < count && !deadline.has_passed()) {
        const auto result = member.poll_until(
            [&](const stream::Delivery& delivery) {
                handed.push_back({delivery.event().sequence(), delivery.tries()});
                return stream::Verdict::done;
            },
            std::min<std::uint64_t>(limit, count - handed.size()),
            deadline);
        if (result.events == 0 && result.state != stream::GroupState::full) break;
    }
    return handed;
}

[[nodiscard]] inline std::vector<Handed> handed_once(Sequence first,
                                                     Sequence end,
                                                     std::uint32_t tries = 1) {
    std::vector<Handed> handed;
    for (Sequence sequence = first; sequence < end; ++sequence)
        handed.push_back({sequence, tries});
    return handed;
}

[[nodiscard]] inline std::vector<Handed> sorted(std::vector<Handed> handed) {
    std::sort(handed.begin(), handed.end(), [](const Handed& a, const Handed& b) {
        return a.sequence < b.sequence;
    });
    return handed;
}

}  // namespace tailrace::test
