#include "batch_filler.hpp"

#include "event_walk.hpp"

#include <algorithm>
#include <cstring>

namespace tailrace::journal {

namespace {

// What is copied before it is walked: small enough that the walk finds it in the nearest cache.
constexpr std::uint64_t kFillCopyBytes = 32U << 10;

// Of walked events: those up to the last that ends an atomic batch, or is none of one.
FilledPart whole_part(std::span<const std::byte> events, std::uint32_t alignment_bytes) noexcept {
    FilledPart whole;
    FilledPart seen;
    for_each_walked(
        events, alignment_bytes, [&](const EventHeader& header, std::span<const std::byte> event) {
            ++seen.event_count;
            seen.size_bytes += static_cast<std::uint32_t>(event.size());
            if ((header.flags & kBatchContinues) == 0) whole = seen;
        });
    return whole;
}

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

AppendStatus BatchFiller::begin(std::uint64_t record_salt) noexcept {
    if (filling_.event_count > 0 && filling_.record_salt != record_salt) {
        // Another ring's events can't be the rest of an atomic batch of this one.
        if (unfinished_count() > 0) return AppendStatus::malformed;
        finish_all();
    }
    if (!is_filling_) {
        if (!pool_.has_free()) return AppendStatus::full;
        filling_ = {};
        filling_.buffer = pool_.acquire();
        is_filling_ = true;
        note_whole();
    }
    if (filling_.event_count == 0) {
        filling_.first_sequence = next_sequence_;
        filling_.record_salt = record_salt;
    }
    return AppendStatus::taken;
}

void BatchFiller::account(FilledPart part,
                          std::uint64_t first_time_ns,
                          std::uint64_t max_time_ns) noexcept {
    if (filling_.event_count == 0) filling_.first_time_ns = std::max(max_time_ns_, first_time_ns);
    max_time_ns_ = std::max({max_time_ns_, first_time_ns, max_time_ns});
    filling_.max_time_ns = max_time_ns_;
    filling_.event_count += part.event_count;
    filling_.body_size_bytes += part.size_bytes;
    next_sequence_ += part.event_count;
}

void BatchFiller::note_whole() noexcept {
    whole_ = {filling_.event_count, filling_.body_size_bytes};
    whole_time_ns_ = max_time_ns_;
}

std::span<std::byte> BatchFiller::filled() const noexcept {
    return pool_.buffer(filling_.buffer).subspan(sizeof(BatchHeader), filling_.body_size_bytes);
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
    if (const AppendStatus begun = begin(run.record_salt); begun != AppendStatus::taken)
        return begun;
    const std::uint64_t room = body_capacity_ - filling_.body_size_bytes;
    if (room == 0) return make_room();
    const std::uint64_t copied = std::min({rest.want_bytes, room, left.size()});
    std::byte* const to = filled().data() + filling_.body_size_bytes;
    std::memcpy(to, left.data(), copied);

    const EventWalk walk = walk_events({to, copied},
                                       next_sequence_,
                                       run.record_salt,
                                       alignment_bytes_,
                                       run.event_count - taken.event_count);
    if (walk.event_count > 0) {
        const bool is_rest = taken.event_count + walk.event_count == run.event_count;
        const std::span<const std::byte> part(to, walk.size_bytes);
        const std::uint64_t max_ns =
            is_rest ? run.max_publish_time_ns : max_publish_time_ns(part, alignment_bytes_);
        take(part, walk, std::min(max_ns, rest.latest_ns), rest);
        taken.event_count += walk.event_count;
        taken.size_bytes += walk.size_bytes;
        // Of later parts nothing is known but that the running maximum holds.
        rest = {0, kFillCopyBytes, rest.latest_ns};
    }
    if (walk.stop == WalkStop::malformed) return AppendStatus::malformed;
    if (walk.stop == WalkStop::done) {
        if (filling_.body_size_bytes == body_capacity_ && unfinished_count() == 0) finish_all();
        return AppendStatus::taken;
    }
    // The next event goes beyond what was copied: beyond any batch, the run, this batch, or only
    // this copy.
    if (walk.next_size_bytes > body_capacity_) return AppendStatus::too_large;
    if (walk.event_count > 0) return AppendStatus::taken;
    if (copied == left.size()) return AppendStatus::malformed;
    if (copied == room) return make_room();
    rest.want_bytes = walk.next_size_bytes;
    return AppendStatus::taken;
}

// Counts a walked part in, in two steps where an atomic batch goes on behind it.
void BatchFiller::take(std::span<const std::byte> part,
                       const EventWalk& walk,
                       std::uint64_t max_time_ns,
                       const Appending& rest) noexcept {
    const FilledPart all{static_cast<std::uint32_t>(walk.event_count),
                         static_cast<std::uint32_t>(walk.size_bytes)};
    if ((walk.last_flags & kBatchContinues) == 0) {
        account(all, rest.first_time_ns, max_time_ns);
        note_whole();
        return;
    }
    const FilledPart whole = whole_part(part, alignment_bytes_);
    if (whole.event_count > 0) {
        const std::uint64_t whole_max_ns =
            max_publish_time_ns(part.first(whole.size_bytes), alignment_bytes_);
        account(whole, rest.first_time_ns, std::min(whole_max_ns, rest.latest_ns));
        note_whole();
    }
    account({all.event_count - whole.event_count, all.size_bytes - whole.size_bytes},
            whole.event_count > 0 ? 0 : rest.first_time_ns,
            max_time_ns);
}

// The next event doesn't fit into the batch any more.
AppendStatus BatchFiller::make_room() noexcept {
    if (whole_.event_count == 0 || unfinished_count() == 0) {
        finish_all();  // nothing in it is whole: an atomic batch larger than a batch
        return AppendStatus::taken;
    }
    if (!pool_.has_free()) return AppendStatus::full;
    split();
    return AppendStatus::taken;
}

// What is whole is ready; the atomic batch behind it begins the next one.
void BatchFiller::split() noexcept {
    const std::span<const std::byte> rest = filled().subspan(whole_.size_bytes);
    FilledBatch next{};
    next.buffer = pool_.acquire();
    next.first_sequence = filling_.first_sequence + whole_.event_count;
    next.record_salt = filling_.record_salt;
    next.event_count = unfinished_count();
    next.body_size_bytes = static_cast<std::uint32_t>(rest.size());
    EventHeader first{};
    std::memcpy(&first, rest.data(), sizeof(first));
    next.first_time_ns = std::max(whole_time_ns_, publish_time_ns_of(first, rest));
    next.first_time_ns = std::min(next.first_time_ns, max_time_ns_);
    next.max_time_ns = max_time_ns_;
    std::memcpy(pool_.buffer(next.buffer).data() + sizeof(BatchHeader), rest.data(), rest.size());

    filling_.event_count = whole_.event_count;
    filling_.body_size_bytes = whole_.size_bytes;
    filling_.max_time_ns = whole_time_ns_;
    finish_all();
    filling_ = next;
    is_filling_ = true;
}

AppendStatus BatchFiller::skip(Sequence first, std::uint64_t count) noexcept {
    if (first != next_sequence_ || count > kNoSequence - next_sequence_ || unfinished_count() > 0) {
        return AppendStatus::out_of_order;
    }
    if (count == 0) return AppendStatus::taken;
    if (filling_.event_count > 0) finish_all();
    next_sequence_ += count;
    return AppendStatus::taken;
}

void BatchFiller::finish() noexcept {
    if (whole_.event_count == 0) return;
    if (unfinished_count() == 0) {
        finish_all();
    } else if (pool_.has_free()) {
        split();
    }
}

void BatchFiller::finish_all() noexcept {
    TAILRACE_CHECK(ready_count_ < ready_.size());
    ready_[(ready_front_ + ready_count_) % ready_.size()] = filling_;
    ++ready_count_;
    is_filling_ = false;
    filling_ = {};
    whole_ = {};
}

FilledPart BatchFiller::take_back_unfinished() noexcept {
    const FilledPart taken_back{unfinished_count(), filling_.body_size_bytes - whole_.size_bytes};
    if (taken_back.event_count == 0) return {};
    next_sequence_ -= taken_back.event_count;
    max_time_ns_ = whole_time_ns_;
    filling_.event_count = whole_.event_count;
    filling_.body_size_bytes = whole_.size_bytes;
    filling_.max_time_ns = max_time_ns_;
    return taken_back;
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
