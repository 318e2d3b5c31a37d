#include "durable_choice.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

namespace tailrace::journal {

namespace {

constexpr std::size_t kRounds = 9;  // of which the median counts
constexpr std::size_t kMinRounds = 3;
constexpr std::uint64_t kLongestNs = 6'000'000;  // on a slow disk fewer rounds tell as much
constexpr std::uint64_t kWaitNs = 1'000'000'000;
constexpr int kMaxWaits = 30;

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

DurableChoice fastest_of(std::vector<Candidate>& candidates) {
    DurableChoice choice;
    std::erase_if(candidates, [](const Candidate& candidate) {
        return candidate.is_refused || candidate.times_ns.empty();
    });
    if (candidates.empty()) {
        choice.reason = "no durable write in one operation works here";
        return choice;
    }
    std::sort(candidates.begin(), candidates.end(), [](Candidate& left, Candidate& right) {
        return left.median_ns() < right.median_ns();
    });
    choice.kind = candidates.front().kind;
    constexpr std::uint64_t kNsPerUs = 1000;
    for (Candidate& candidate : candidates) {
        if (!choice.reason.empty()) choice.reason += ", ";
        choice.reason += std::string(durable_write_name(candidate.kind)) + " " +
                         std::to_string(candidate.median_ns() / kNsPerUs) + " us";
    }
    return choice;
}

}  // namespace

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
        return DurableChoice{asked, std::string(durable_write_name(asked)) + ", as asked for"};
    }
    std::vector<Candidate> candidates;
    for (const DurableWrite kind : kinds)
        candidates.push_back({kind, {}, false});
    if (candidates.size() == 1) {
        return DurableChoice{kinds.front(), std::string(durable_write_name(kinds.front()))};
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
    return fastest_of(candidates);
}

}  // namespace tailrace::journal
