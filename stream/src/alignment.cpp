#include "alignment.hpp"

#include <algorithm>

namespace tailrace::stream {

namespace {

// As many alike in a row are taken for the place where both go on alike. Fewer may be chance, where
// the same event comes again and again.
constexpr std::size_t kAlikeInARow = 8;

// A changed event is cheaper than one that is only in A and one that is only in B, but dearer than
// either alone: so what is alike is found also where everything has moved by one.
constexpr std::uint16_t kOnlyCost = 2;
constexpr std::uint16_t kChangeCost = 3;

}  // namespace

void MarkQueue::drop(std::size_t count) {
    constexpr std::size_t kIdleMarks = 4096;
    head_ += count;
    if (head_ == marks_.size()) {
        marks_.clear();
        head_ = 0;
    } else if (head_ >= kIdleMarks && head_ * 2 >= marks_.size()) {
        marks_.erase(marks_.begin(), marks_.begin() + static_cast<std::ptrdiff_t>(head_));
        head_ = 0;
    }
}

void MarkQueue::shrink() {
    constexpr std::size_t kFewMarks = 64;
    if (marks_.capacity() > kFewMarks) marks_ = {};
}

void Findings::differ(const Difference& difference) {
    if (stopped_) return;
    if (difference.kind == DifferenceKind::changed) ++counts_.changed;
    if (difference.kind == DifferenceKind::only_in_a) ++counts_.only_in_a;
    if (difference.kind == DifferenceKind::only_in_b) ++counts_.only_in_b;
    stopped_ = !sink_->on_difference(difference);
}

void Findings::gap(DiffSide side, bus::Gap gap) {
    if (stopped_) return;
    (side == DiffSide::a ? counts_.lost_in_a : counts_.lost_in_b) += gap.count;
    stopped_ = !sink_->on_gap(side, gap);
}

void Aligner::settle(Lane& lane, Ended ended, Findings& findings) {
    while (!findings.have_stopped()) {
        const std::size_t both = std::min(lane.a.size(), lane.b.size());
        const Mark* const a = lane.a.data();
        const Mark* const b = lane.b.data();
        std::size_t alike = 0;
        while (alike < both && a[alike].hash == b[alike].hash)
            ++alike;
        if (alike != 0) {
            findings.same(alike);
            lane.a.drop(alike);
            lane.b.drop(alike);
        }
        if (alike == both) break;
        if (!resolve(lane, ended, findings)) return;
    }
    while (ended.b && lane.b.is_empty() && !lane.a.is_empty() && !findings.have_stopped())
        make(Move::only_a, lane, findings);
    while (ended.a && lane.a.is_empty() && !lane.b.is_empty() && !findings.have_stopped())
        make(Move::only_b, lane, findings);
}

void Aligner::make(Move move, Lane& lane, Findings& findings) {
    const Sequence a = lane.a.front();
    const Sequence b = lane.b.front();
    if (move == Move::same) findings.same(1);
    if (move == Move::change) findings.differ({DifferenceKind::changed, a, b});
    if (move == Move::only_a) findings.differ({DifferenceKind::only_in_a, a, b});
    if (move == Move::only_b) findings.differ({DifferenceKind::only_in_b, a, b});
    if (move != Move::only_b) lane.a.drop(1);
    if (move != Move::only_a) lane.b.drop(1);
}

Aligner::Reach Aligner::reach_of(const MarkQueue& marks, bool has_ended) const noexcept {
    const bool is_whole = has_ended && marks.size() <= window_;
    return {std::min(marks.size(), window_), is_whole, is_whole || marks.size() >= window_};
}

// The nearest: with the fewest events of both sides before it.
Aligner::Anchor Aligner::find_anchor(const Lane& lane, Reach a, Reach b) noexcept {
    const Mark* const in_a = lane.a.data();
    const Mark* const in_b = lane.b.data();
    const bool ends_with_both = a.is_whole && b.is_whole;
    Anchor anchor;
    for (std::size_t sum = 1; sum + 1 < a.size + b.size; ++sum) {
        const std::size_t first = sum < b.size ? 0 : sum - b.size + 1;
        const std::size_t last = std::min(sum, a.size - 1);
        for (std::size_t at = first; at <= last; ++at) {
            if (in_a[at].hash != in_b[sum - at].hash) continue;
            anchor.has_equals = true;
            const std::size_t room = std::min(a.size - at, b.size - (sum - at));
            const std::size_t longest = std::min(room, kAlikeInARow);
            std::size_t alike = 1;
            while (alike < longest && in_a[at + alike].hash == in_b[sum - at + alike].hash)
                ++alike;
            const bool reaches_both_ends =
                ends_with_both && at + alike == a.size && sum - at + alike == b.size;
            if (alike == kAlikeInARow || reaches_both_ends) return {at, sum - at, true, true};
        }
    }
    return anchor;
}

// Called where the next two differ. False: it needs more of a side to tell.
bool Aligner::resolve(Lane& lane, Ended ended, Findings& findings) {
    const Reach a = reach_of(lane.a, ended.a);
    const Reach b = reach_of(lane.b, ended.b);
    const std::size_t needed = std::min(lane.needed, window_);
    if ((a.size < needed && !a.is_whole) || (b.size < needed && !b.is_whole)) return false;

    const Anchor anchor = find_anchor(lane, a, b);
    // A nearer one might stand where this side can't be seen yet.
    const std::size_t certain_size = anchor.a + anchor.b + kAlikeInARow;
    const bool is_certain = anchor.is_found && (a.is_full || a.size >= certain_size) &&
                            (b.is_full || b.size >= certain_size);
    if (!is_certain && !(a.is_full && b.is_full)) {
        const std::size_t smaller = a.is_full   ? b.size
                                    : b.is_full ? a.size
                                                : std::min(a.size, b.size);
        lane.needed = std::min(window_, 2 * std::max(needed, smaller));
        return false;
    }
    lane.needed = kFirstLook;

    if (!anchor.is_found && !anchor.has_equals) {
        for (std::size_t left = std::min(a.size, b.size); left != 0; --left)
            make(Move::change, lane, findings);
        return true;
    }
    make_cheapest_moves(lane, anchor, a, b, findings);
    return true;
}

void Aligner::make_cheapest_moves(
    Lane& lane, const Anchor& anchor, Reach a, Reach b, Findings& findings) {
    const bool is_cut = !anchor.is_found && !(a.is_whole && b.is_whole);
    const std::size_t a_count = anchor.is_found ? anchor.a : a.size;
    const std::size_t b_count = anchor.is_found ? anchor.b : b.size;
    find_cheapest_moves(lane, a_count, b_count);
    // Near a border that is only the window's, moves are not what they would be without it.
    const std::size_t a_left = is_cut ? lane.a.size() - a_count * 3 / 4 : 0;
    const std::size_t b_left = is_cut ? lane.b.size() - b_count * 3 / 4 : 0;
    for (const Move move : moves_) {
        make(move, lane, findings);
        if (lane.a.size() <= a_left && is_cut) break;
        if (lane.b.size() <= b_left && is_cut) break;
    }
}

// From the first `a_count` events of A to the first `b_count` of B (Wagner and Fischer).
void Aligner::find_cheapest_moves(const Lane& lane, std::size_t a_count, std::size_t b_count) {
    const Mark* const in_a = lane.a.data();
    const Mark* const in_b = lane.b.data();
    const std::size_t width = b_count + 1;
    last_moves_.resize((a_count + 1) * width);
    costs_.resize(width);
    for (std::size_t column = 0; column < width; ++column) {
        costs_[column] = static_cast<std::uint16_t>(column * kOnlyCost);
        last_moves_[column] = Move::only_b;
    }
    for (std::size_t line = 1; line <= a_count; ++line) {
        Move* const moves = last_moves_.data() + line * width;
        std::uint16_t diagonal = costs_[0];
        costs_[0] = static_cast<std::uint16_t>(line * kOnlyCost);
        moves[0] = Move::only_a;
        for (std::size_t column = 1; column < width; ++column) {
            const bool alike = in_a[line - 1].hash == in_b[column - 1].hash;
            unsigned cost = diagonal + (alike ? 0U : kChangeCost);
            Move move = alike ? Move::same : Move::change;
            diagonal = costs_[column];
            if (const unsigned by_a = diagonal + kOnlyCost; by_a < cost) {
                cost = by_a;
                move = Move::only_a;
            }
            if (const unsigned by_b = costs_[column - 1] + kOnlyCost; by_b < cost) {
                cost = by_b;
                move = Move::only_b;
            }
            costs_[column] = static_cast<std::uint16_t>(cost);
            moves[column] = move;
        }
    }
    moves_.clear();
    for (std::size_t line = a_count, column = b_count; line != 0 || column != 0;) {
        const Move move = last_moves_[line * width + column];
        moves_.push_back(move);
        if (move != Move::only_b) --line;
        if (move != Move::only_a) --column;
    }
    std::reverse(moves_.begin(), moves_.end());
}

}  // namespace tailrace::stream
