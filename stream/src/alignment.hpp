// Alignment: two runs of fingerprints, of which more and more comes, brought in step. Used by
// EventDiff alone; one thread.
#pragma once

#include <tailrace/stream/event_diff.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tailrace::stream {

// An event as an alignment sees it.
struct Mark {
    std::uint64_t hash;
    Sequence sequence;
};

// Marks in a row, first in first out.
class MarkQueue {
public:
    void push(Mark mark) { marks_.push_back(mark); }
    void drop(std::size_t count);
    // Requires: it is empty. Gives memory back that a few events don't need.
    void shrink();
    [[nodiscard]] std::size_t size() const noexcept { return marks_.size() - head_; }
    [[nodiscard]] bool is_empty() const noexcept { return head_ == marks_.size(); }
    [[nodiscard]] const Mark* data() const noexcept { return marks_.data() + head_; }
    // The sequence of the next one; kNoSequence: none.
    [[nodiscard]] Sequence front() const noexcept {
        return is_empty() ? kNoSequence : data()->sequence;
    }

private:
    std::vector<Mark> marks_;
    std::size_t head_ = 0;
};

// Events ahead that are looked at first; twice as many each time that this decides nothing.
inline constexpr std::size_t kFirstLook = 32;

// The events of both sides that are not decided yet.
struct Lane {
    MarkQueue a;
    MarkQueue b;
    std::size_t needed = kFirstLook;  // events of each side, before it is looked at again

    [[nodiscard]] bool is_empty() const noexcept { return a.is_empty() && b.is_empty(); }
};

struct Ended {
    bool a = false;
    bool b = false;
    friend bool operator==(const Ended&, const Ended&) = default;
};

// Counts, and tells the sink.
class Findings {
public:
    explicit Findings(DiffSink& sink) noexcept : sink_(&sink) {}

    void same(std::uint64_t events) noexcept { counts_.same += events; }
    void differ(const Difference& difference);
    void gap(DiffSide side, bus::Gap gap);
    [[nodiscard]] bool have_stopped() const noexcept { return stopped_; }
    [[nodiscard]] const DiffCounts& counts() const noexcept { return counts_; }

private:
    DiffSink* sink_;
    DiffCounts counts_;
    bool stopped_ = false;
};

class Aligner {
public:
    explicit Aligner(std::size_t window) noexcept : window_(window) {}

    // Takes from the lane what can be decided.
    void settle(Lane& lane, Ended ended, Findings& findings);

private:
    enum class Move : std::uint8_t { same, change, only_a, only_b };

    // How much of a side is looked at.
    struct Reach {
        std::size_t size;
        bool is_whole;  // nothing comes behind it
        bool is_full;   // it can't become more
    };
    [[nodiscard]] Reach reach_of(const MarkQueue& marks, bool has_ended) const noexcept;

    // Where both sides go on alike.
    struct Anchor {
        std::size_t a = 0;
        std::size_t b = 0;
        bool is_found = false;
        bool has_equals = false;  // not found, but some events of both are alike
    };
    [[nodiscard]] static Anchor find_anchor(const Lane& lane, Reach a, Reach b) noexcept;

    [[nodiscard]] bool resolve(Lane& lane, Ended ended, Findings& findings);
    void make_cheapest_moves(
        Lane& lane, const Anchor& anchor, Reach a, Reach b, Findings& findings);
    void find_cheapest_moves(const Lane& lane, std::size_t a_count, std::size_t b_count);
    static void make(Move move, Lane& lane, Findings& findings);

    std::size_t window_;
    std::vector<Move> last_moves_;  // to each cell of the table of find_cheapest_moves
    std::vector<std::uint16_t> costs_;
    std::vector<Move> moves_;
};

}  // namespace tailrace::stream
