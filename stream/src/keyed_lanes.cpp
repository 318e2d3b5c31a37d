#include "keyed_lanes.hpp"

#include <algorithm>
#include <utility>

namespace tailrace::stream {

bool KeyedLanes::is_free(const Entry& entry) const {
    if (waiting_a_ + waiting_b_ == 0) return true;
    if (!entry.has_key) return keyless_.is_empty();
    const auto found = lanes_.find(entry.key);
    return found == lanes_.end() || found->second.is_empty();
}

void KeyedLanes::settle_lane(Lane& lane, Aligner& aligner, Findings& findings) {
    const std::size_t of_a = lane.a.size();
    const std::size_t of_b = lane.b.size();
    aligner.settle(lane, ended_, findings);
    waiting_a_ -= of_a - lane.a.size();
    waiting_b_ -= of_b - lane.b.size();
    if (lane.a.is_empty()) lane.a.shrink();
    if (lane.b.is_empty()) lane.b.shrink();
}

void KeyedLanes::put(DiffSide side, const Entry& entry, Aligner& aligner, Findings& findings) {
    Lane& lane = entry.has_key ? lanes_[entry.key] : keyless_;
    (side == DiffSide::a ? lane.a : lane.b).push(entry.mark);
    ++(side == DiffSide::a ? waiting_a_ : waiting_b_);
    settle_lane(lane, aligner, findings);
}

void KeyedLanes::settle(Aligner& aligner, Ended ended, Findings& findings) {
    std::size_t a = 0;
    std::size_t b = 0;
    while (!findings.have_stopped()) {
        const bool has_a = a != read_a_.size();
        const bool has_b = b != read_b_.size();
        if (has_a && has_b) {
            const Entry& in_a = read_a_[a++];
            const Entry& in_b = read_b_[b++];
            // Mostly both runs go on alike, and no lane is needed.
            if (in_a.mark.hash == in_b.mark.hash && in_a.has_key == in_b.has_key &&
                in_a.key == in_b.key && is_free(in_a)) {
                findings.same(1);
                continue;
            }
            put(DiffSide::a, in_a, aligner, findings);
            put(DiffSide::b, in_b, aligner, findings);
        } else if (has_a && (ended.a || ended.b || waiting_b_ != 0)) {
            put(DiffSide::a, read_a_[a++], aligner, findings);
        } else if (has_b && (ended.a || ended.b || waiting_a_ != 0)) {
            put(DiffSide::b, read_b_[b++], aligner, findings);
        } else {
            break;
        }
    }
    read_a_.erase(read_a_.begin(), read_a_.begin() + static_cast<std::ptrdiff_t>(a));
    read_b_.erase(read_b_.begin(), read_b_.begin() + static_cast<std::ptrdiff_t>(b));
    if (ended != ended_) {
        ended_ = ended;
        settle_all(aligner, findings);
    }
    if (lanes_.size() > most_lanes_) forget_empty();
}

// In the order of the events that wait, so that it is the same each time.
void KeyedLanes::settle_all(Aligner& aligner, Findings& findings) {
    std::vector<std::pair<Sequence, Lane*>> waiting;
    const auto take = [&](Lane& lane) {
        if (!lane.is_empty()) waiting.emplace_back(std::min(lane.a.front(), lane.b.front()), &lane);
    };
    take(keyless_);
    for (auto& [key, lane] : lanes_)
        take(lane);
    std::sort(waiting.begin(), waiting.end());
    for (const auto& [sequence, lane] : waiting)
        settle_lane(*lane, aligner, findings);
}

void KeyedLanes::forget_empty() {
    std::erase_if(lanes_, [](const auto& one) { return one.second.is_empty(); });
    most_lanes_ = std::max(kFewLanes, 2 * lanes_.size());
}

}  // namespace tailrace::stream
