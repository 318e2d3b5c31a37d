#include "batch_filler.hpp"

#include "event_walk.hpp"

#include <algorithm>
#include <cstring>

namespace tailrace::journal {

namespace {

// What is copied before it is walked: small enough that the walk finds it in the nearest cache.
constexpr std::uint64_t kFillCopyBytes = 32U << 10;

}  // namespace

BatchFiller::BatchFiller(BlockPool& pool,
                         std::uint64_t capacity_bytes,
                         std::uint32_t alignment_bytes,
                         Sequence next_sequence,
                         std::uint64_t max_time_ns)
    : pool_(pool),
      body_capacity_(align_down(capacity_bytes - sizeof(BatchHeader), alignment_bytes)),
      alignment_bytes_(alignment_bytes),
      next_sequence_(next_sequence),
      max_time_ns_(max_time_ns),
      ready_(pool.buffer_count()) {}

bool BatchFiller::begin(std::uint64_t record_salt) noexcept {
    if (is_filling_ && filling_.event_count > 0 && filling_.record_salt != record_salt) finish();
    if (!is_filling_) {
        if (!pool_.has_free()) return false;
        filling_ = {};
        filling_.buffer = pool_.acquire();
        is_filling_ = true;
    }
    if (filling_.event_count == 0) {
        filling_.first_sequence = next_sequence_;
        filling_.record_salt = record_salt;
    }
    return true;
}

void BatchFiller::account(std::span<const std::byte> part,
                          std::uint64_t event_count,
                          std::uint64_t first_time_ns,
                          std::uint64_t max_time_ns) noexcept {
    if (filling_.event_count == 0) filling_.first_time_ns = std::max(max_time_ns_, first_time_ns);
    max_time_ns_ = std::max({max_time_ns_, first_time_ns, max_time_ns});
    filling_.max_time_ns = max_time_ns_;
    filling_.event_count += static_cast<std::uint32_t>(event_count);
    filling_.body_size_bytes += static_cast<std::uint32_t>(part.size());
    next_sequence_ += event_count;
}

AppendResult BatchFiller::append(const Run& run,
                                 std::uint64_t now_ns,
                                 std::uint64_t latest_ns) noexcept {
    AppendResult taken{0, 0, AppendStatus::taken};
    if (run.first_sequence != next_sequence_ || run.event_count > kNoSequence - next_sequence_) {
        taken.status = AppendStatus::out_of_order;
        return taken;
    }
    const std::uint64_t first_ns =
        run.first_publish_time_ns != 0 ? run.first_publish_time_ns : now_ns;
    Appending rest{std::min(first_ns, latest_ns), kFillCopyBytes, latest_ns};
    while (taken.event_count < run.event_count && taken.status == AppendStatus::taken) {
        taken.status = append_part(run, taken, rest);
    }
    return taken;
}

// Copies a part of what is left, and walks the copy.
AppendStatus BatchFiller::append_part(const Run& run,
                                      AppendResult& taken,
                                      Appending& rest) noexcept {
    const auto left = run.bytes.subspan(taken.size_bytes);
    if (left.empty()) return AppendStatus::malformed;  // fewer events than promised
    if (!begin(run.record_salt)) return AppendStatus::full;
    const std::uint64_t room = body_capacity_ - filling_.body_size_bytes;
    const std::uint64_t copied = std::min({rest.want_bytes, room, left.size()});
    std::byte* const to =
        pool_.buffer(filling_.buffer).data() + sizeof(BatchHeader) + filling_.body_size_bytes;
    std::memcpy(to, left.data(), copied);

    const EventWalk walk = walk_events({to, copied},
                                       next_sequence_,
                                       run.record_salt,
                                       alignment_bytes_,
                                       run.event_count - taken.event_count);
    if (walk.event_count > 0) {
        const std::span<const std::byte> part(to, walk.size_bytes);
        const bool is_rest = taken.event_count + walk.event_count == run.event_count;
        const std::uint64_t max_ns =
            is_rest ? run.max_publish_time_ns : max_publish_time_ns(part, alignment_bytes_);
        account(part, walk.event_count, rest.first_time_ns, std::min(max_ns, rest.latest_ns));
        taken.event_count += walk.event_count;
        taken.size_bytes += walk.size_bytes;
        // Of later parts nothing is known but that the running maximum holds.
        rest = {0, kFillCopyBytes, rest.latest_ns};
    }
    if (walk.stop == WalkStop::malformed) return AppendStatus::malformed;
    if (walk.stop == WalkStop::done) {
        if (filling_.body_size_bytes == body_capacity_) finish();
        return AppendStatus::taken;
    }
    // The next event goes beyond what was copied: beyond any batch, the run, this batch, or only
    // this copy.
    if (walk.next_size_bytes > body_capacity_) return AppendStatus::too_large;
    if (walk.event_count > 0) return AppendStatus::taken;
    if (copied == left.size()) return AppendStatus::malformed;
    if (copied == room) {
        finish();
    } else {
        rest.want_bytes = walk.next_size_bytes;
    }
    return AppendStatus::taken;
}

AppendStatus BatchFiller::skip(Sequence first, std::uint64_t count) noexcept {
    if (first != next_sequence_ || count > kNoSequence - next_sequence_) {
        return AppendStatus::out_of_order;
    }
    if (count == 0) return AppendStatus::taken;
    if (filling_.event_count > 0) finish();
    next_sequence_ += count;
    return AppendStatus::taken;
}

void BatchFiller::finish() noexcept {
    if (!is_filling_ || filling_.event_count == 0) return;
    TAILRACE_CHECK(ready_count_ < ready_.size());
    ready_[(ready_front_ + ready_count_) % ready_.size()] = filling_;
    ++ready_count_;
    is_filling_ = false;
    filling_ = {};
}

const FilledBatch& BatchFiller::front() const noexcept {
    TAILRACE_CHECK(has_ready());
    return ready_[ready_front_];
}

void BatchFiller::pop_front() noexcept {
    TAILRACE_CHECK(has_ready());
    ready_front_ = (ready_front_ + 1) % ready_.size();
    --ready_count_;
}

}  // namespace tailrace::journal
