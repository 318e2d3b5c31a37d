// KeyedLanes: the events of each key, aligned by themselves. Used by EventDiff alone; one thread.
#pragma once

#include "alignment.hpp"

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace tailrace::stream {

// A lane for each key that has events that wait, and one for those without a key.
class KeyedLanes {
public:
    // What was read and isn't in a lane yet.
    struct Entry {
        Mark mark;
        std::uint64_t key;
        bool has_key;
    };

    void add(DiffSide side, const Entry& entry) { read_of(side).push_back(entry); }
    [[nodiscard]] std::uint64_t waiting(DiffSide side) const noexcept {
        return side == DiffSide::a ? read_a_.size() + waiting_a_ : read_b_.size() + waiting_b_;
    }
    void settle(Aligner& aligner, Ended ended, Findings& findings);

private:
    [[nodiscard]] std::vector<Entry>& read_of(DiffSide side) noexcept {
        return side == DiffSide::a ? read_a_ : read_b_;
    }
    [[nodiscard]] bool is_free(const Entry& entry) const;
    void put(DiffSide side, const Entry& entry, Aligner& aligner, Findings& findings);
    void settle_lane(Lane& lane, Aligner& aligner, Findings& findings);
    void settle_all(Aligner& aligner, Findings& findings);
    void forget_empty();

    std::vector<Entry> read_a_;
    std::vector<Entry> read_b_;
    Lane keyless_;
    std::unordered_map<std::uint64_t, Lane> lanes_;
    std::uint64_t waiting_a_ = 0;  // in lanes
    std::uint64_t waiting_b_ = 0;
    std::size_t most_lanes_ = kFewLanes;
    Ended ended_;  // nothing comes into a lane from there any more

    static constexpr std::size_t kFewLanes = std::size_t{1} << 16U;
};

}  // namespace tailrace::stream
