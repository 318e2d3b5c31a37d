#include "durable_choice.hpp"

#include <tailrace/base/clock.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

namespace tailrace::journal {

namespace {

constexpr std::size_t kRounds = 5;  // of which the median counts
constexpr std::size_t kMinRounds = 3;
constexpr std::uint64_t kLongestNs = 3'000'000;  // on a slow disk fewer rounds tell as much
constexpr std::uint64_t kWaitNs = 1'000'000'000;
constexpr int kMaxWaits = 30;
// Less than one in a hundred, so that trying the slower ones is not what the slowest hundredth of
// acknowledgements consists of.
constexpr std::uint64_t kWritesPerTrial = 256;

struct Candidate {
    DurableWrite kind = DurableWrite::separate;
    std::vector<std::uint64_t> times_ns;
    bool is_refused = false;

    [[nodiscard]] std::uint64_t median_ns() {
        std::sort(times_ns.begin(), times_ns.end());
        return times_ns[times_ns.size() / 2];
    }
};

bool means_refused(int os_errno) noexcept {
    return os_errno == EOPNOTSUPP || os_errno == EINVAL || os_errno == ENOSYS || os_errno == EPERM;
}

// 0, or why the block isn't durable.
int write_once(WriteQueue& queue,
               DurableWrite kind,
               FileId file,
               std::span<const std::byte> block,
               std::uint64_t offset) {
    if (!queue.submit_durable_write(kind, file, offset, block, 0)) return EBUSY;
    std::array<Completion, 1> done;
    for (int waits = 0; waits < kMaxWaits; ++waits) {
        const IoOutcome outcome = queue.reap(done, kWaitNs);
        if (!outcome.ok()) return outcome.os_errno;
        if (outcome.value == 0) continue;
        if (done[0].outcome < 0) return static_cast<int>(-done[0].outcome);
        if (done[0].outcome != static_cast<std::int64_t>(block.size())) return EAGAIN;
        return done[0].flush_errno;
    }
    return ETIMEDOUT;
}

DurableChoice choice_of(std::vector<Candidate>& candidates) {
    DurableChoice choice;
    std::erase_if(candidates, [](const Candidate& candidate) {
        return candidate.is_refused || candidate.times_ns.empty();
    });
    if (candidates.empty()) choice.reason = "no durable write in one operation works here";
    std::sort(candidates.begin(), candidates.end(), [](Candidate& left, Candidate& right) {
        return left.median_ns() < right.median_ns();
    });
    for (Candidate& candidate : candidates) {
        choice.chooser.add(candidate.kind, candidate.median_ns());
        if (!choice.reason.empty()) choice.reason += ", ";
        choice.reason += std::string(durable_write_name(candidate.kind)) + " " +
                         std::to_string(candidate.median_ns() / kNsPerUs) + " us";
    }
    return choice;
}

}  // namespace

std::string_view durable_write_name(DurableWrite kind) noexcept {
    switch (kind) {
        case DurableWrite::automatic:
            return "automatic";
        case DurableWrite::separate:
            return "write, then flush";
        case DurableWrite::linked_flush:
            return "write linked to fdatasync";
        case DurableWrite::dsync:
            return "RWF_DSYNC by io_uring";
        case DurableWrite::dsync_call:
            return "RWF_DSYNC by pwritev2";
        case DurableWrite::flushed_call:
            return "pwrite and fdatasync";
    }
    return "unknown";
}

void DurableChooser::add(DurableWrite kind, std::uint64_t typical_ns) noexcept {
    if (kind == DurableWrite::separate || count_ == entries_.size()) return;
    entries_.at(count_++) = {kind, typical_ns};
}

std::size_t DurableChooser::fastest_index() const noexcept {
    std::size_t fastest = 0;
    for (std::size_t index = 1; index < count_; ++index) {
        if (entries_.at(index).typical_ns < entries_.at(fastest).typical_ns) fastest = index;
    }
    return fastest;
}

DurableWrite DurableChooser::fastest() const noexcept {
    return count_ == 0 ? DurableWrite::separate : entries_.at(fastest_index()).kind;
}

DurableWrite DurableChooser::next() noexcept {
    ++write_count_;
    if (count_ < 2 || write_count_ % kWritesPerTrial != 0) return fastest();
    return entries_.at(write_count_ / kWritesPerTrial % count_).kind;
}

void DurableChooser::note(DurableWrite kind, std::uint64_t elapsed_ns) noexcept {
    for (Entry& entry : entries_) {
        // A single slow one says little, some in a row say enough.
        if (entry.kind == kind) entry.typical_ns = (3 * entry.typical_ns + elapsed_ns) / 4;
    }
}

Result<DurableChoice> choose_durable_write(WriteQueue& queue,
                                           TimeSource& time,
                                           FileId file,
                                           std::span<const std::byte> zeroes,
                                           std::uint64_t from,
                                           std::uint64_t to,
                                           DurableWrite asked) {
    const auto kinds = queue.durable_writes();
    const bool knows = std::find(kinds.begin(), kinds.end(), asked) != kinds.end();
    if (asked == DurableWrite::separate || (asked != DurableWrite::automatic && knows)) {
        return DurableChoice{DurableChooser(asked),
                             std::string(durable_write_name(asked)) + ", as asked for"};
    }
    std::vector<Candidate> candidates;
    for (const DurableWrite kind : kinds)
        candidates.push_back({kind, {}, false});
    if (candidates.size() == 1) {
        return DurableChoice{DurableChooser(kinds.front()),
                             std::string(durable_write_name(kinds.front()))};
    }
    const std::uint64_t begin_ns = time.elapsed_ns();
    std::uint64_t offset = from;
    for (std::size_t round = 0; round < kRounds; ++round) {
        if (round >= kMinRounds && time.elapsed_ns() - begin_ns > kLongestNs) break;
        for (Candidate& candidate : candidates) {
            if (candidate.is_refused) continue;
            const std::uint64_t before_ns = time.elapsed_ns();
            const int refusal = write_once(queue, candidate.kind, file, zeroes, offset);
            if (refusal == 0) {
                candidate.times_ns.push_back(time.elapsed_ns() - before_ns);
            } else if (means_refused(refusal)) {
                candidate.is_refused = true;
            } else if (refusal != EAGAIN && refusal != EINTR && refusal != ECANCELED) {
                return os_error(refusal, "cannot write durably to the next segment");
            }
            offset = offset + 2 * zeroes.size() > to ? from : offset + zeroes.size();
        }
    }
    return choice_of(candidates);
}

}  // namespace tailrace::journal
