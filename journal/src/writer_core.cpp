#include "writer_core.hpp"

#include <tailrace/base/cache_line.hpp>
#include <tailrace/base/clock.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace tailrace::journal {

namespace {

constexpr std::uint64_t kSettleWaitNs = 10'000'000;
// Who is asked to end on a full disk does so: nobody says that there will ever be room.
constexpr std::uint64_t kClosePatienceNs = 500'000'000;
// A commit of so many events is one of a group. The next one waits until nothing has come for a
// moment, which is short beside a flush.
constexpr std::uint64_t kGroupEvents = 16;
constexpr std::uint64_t kMostGatherNs = 30'000;
constexpr std::uint64_t kQuietNs = 3'000;
// The spare is filled a little ahead of the segment in use, in steps so large that less than one
// acknowledgement in a hundred meets one: each is a write beside the log's, and some work on the
// file's metadata that the log's next flush waits for. What an idle round adds fills a segment
// within seconds.
constexpr std::uint64_t kSpareBeginShare = 16;  // of a segment: behind that its successor is made
constexpr std::uint64_t kSpareStepBytes = 1U << 20;
constexpr std::uint64_t kSpareIdleStepBytes = 1U << 20;
constexpr std::uint64_t kSpareIdleNs = 5'000'000;
constexpr std::uint64_t kMostIdleSteps = 50;

}  // namespace

WriterCore::~WriterCore() {
    end_writing();
}

bool WriterCore::is_running() const noexcept {
    return phase_ != Phase::closed && !refusal_ && pipeline_->failure() == PipelineFailure::none;
}

WriterState WriterCore::state() const noexcept {
    if (phase_ == Phase::closed) return WriterState::closed;
    if (!is_running()) return WriterState::failed;
    if (lacks_room()) return WriterState::no_space;
    return low_space_errno_ != 0 ? WriterState::low_space : WriterState::running;
}

int WriterCore::failure_errno() const noexcept {
    if (refusal_) return refusal_->os_errno;
    if (pipeline_->failure() != PipelineFailure::none) return pipeline_->failure_errno();
    if (const int refusal = pipeline_->shortage_errno(); refusal != 0) return refusal;
    return no_space_errno_ != 0 ? no_space_errno_ : low_space_errno_;
}

void WriterCore::fail_with(Error error) noexcept {
    if (!refusal_) refusal_ = std::move(error);
}

AppendResult WriterCore::append(const Run& run) noexcept {
    if (!is_running() || closing_) return {0, 0, AppendStatus::failed};
    const bool needs_clock = run.first_publish_time_ns == 0;
    const std::uint64_t now_ns = needs_clock ? around_.time->wall_ns() : 0;
    // The clock is read once in a second of publish times.
    if (run.max_publish_time_ns > latest_time_ns_)
        latest_time_ns_ = around_.time->wall_ns() + kClockToleranceNs;
    const AppendResult taken = filler_.append(run, now_ns, latest_time_ns_);
    event_count_ += taken.event_count;
    event_bytes_ += taken.size_bytes;
    return taken;
}

AppendStatus WriterCore::append_tombstone(Sequence sequence, std::uint64_t record_salt) noexcept {
    alignas(kCacheLineBytes) std::array<std::byte, kCacheLineBytes> record{};
    const EventHeader header{stamp_of(sequence, record_salt), 0, 0, kTombstone, 0};
    std::memcpy(record.data(), &header, sizeof(header));
    Run run;
    run.first_sequence = sequence;
    run.event_count = 1;
    run.bytes = std::span(record).first(options_.event_alignment_bytes);
    run.record_salt = record_salt;
    return append(run).status;
}

AppendStatus WriterCore::note_gap(Sequence first, std::uint64_t count) noexcept {
    if (!is_running() || closing_) return AppendStatus::failed;
    return filler_.skip(first, count);
}

void WriterCore::take_back_unfinished() noexcept {
    const FilledPart taken_back = filler_.take_back_unfinished();
    event_count_ -= taken_back.event_count;
    event_bytes_ -= taken_back.size_bytes;
}

void WriterCore::request_flush() noexcept {
    pipeline_->request_flush();
}

bool WriterCore::drive(std::uint64_t timeout_ns) noexcept {
    if (phase_ == Phase::closed) return false;
    if (!is_running()) {
        (void)pipeline_->pump(0);  // what is in flight still ends; nothing new begins
        return false;
    }
    bool moved = pipeline_->pump(0);
    if (!is_running()) return moved;
    if (place_batches()) moved = true;
    pipeline_->expect_more(placed_full_);
    if (!placed_full_ && pipeline_->pump(0)) moved = true;
    if (advance_roll()) moved = true;
    if (mark_if_idle()) moved = true;
    pace_spare();
    watch();
    if (retire_by_age_if_idle()) moved = true;
    if (trim_if_asked()) moved = true;
    pipeline_->kick();
    if (moved || timeout_ns == 0) return moved;
    if (pipeline_->is_in_flight()) return pipeline_->pump(timeout_ns);
    if (pipeline_->shortage_errno() != 0 || phase_ == Phase::waiting)
        return wait_for_room(timeout_ns);
    return false;
}

std::uint64_t WriterCore::idle_ns() const noexcept {
    if (phase_ != Phase::writing || filler_.has_whole()) return 0;
    return pipeline_->idle_ns();
}

bool WriterCore::fits(std::uint64_t slot_bytes) const noexcept {
    // One block is kept for the seal.
    return segment_.next.offset + slot_bytes + kBlockSizeBytes <=
           segment_.header.segment_size_bytes;
}

bool WriterCore::place_batches() noexcept {
    bool moved = false;
    bool is_forced = false;
    placed_full_ = false;
    while (phase_ == Phase::writing && pipeline_->has_room()) {
        if (!filler_.has_ready()) {
            is_forced = true;
            // Not full: it goes when nothing else is under way, so that the next one gathers
            // meanwhile.
            const bool under_way = options_.sync_policy == SyncPolicy::group
                                       ? pipeline_->is_busy()
                                       : pipeline_->is_writing();
            if (under_way || (filler_.has_whole() && is_gathering())) break;
            filler_.finish();
        }
        const bool is_gap_only =
            !filler_.has_ready() && segment_.next.sequence != filler_.whole_sequence();
        if (!filler_.has_ready() && !is_gap_only) break;
        const std::uint64_t slot =
            batch_slot_bytes(is_gap_only ? 0 : std::uint64_t{filler_.front().body_size_bytes});
        moved = true;
        if (!fits(slot)) {
            phase_ = Phase::draining;
            place_bare(pool_.seal_block(), kBatchSeal);
        } else if (is_gap_only) {
            place_bare(pool_.marker_block(), kBatchMarker);
        } else {
            const bool is_lonely = is_forced && options_.sync_policy == SyncPolicy::group &&
                                   pipeline_->can_write_durably();
            place(filler_.front(), is_lonely ? Placing::durable : Placing::plain);
            filler_.pop_front();
            if (is_forced) continue;
            placed_full_ = true;
            // The device begins with it while the next one is sealed.
            pipeline_->kick();
        }
    }
    return moved;
}

// Those who were just acknowledged together publish together. If the next commit began with the
// first of them, it would carry few, and the others wait for the one after it: each event would
// wait for two.
bool WriterCore::is_gathering() noexcept {
    if (options_.sync_policy != SyncPolicy::group) return false;
    const std::uint64_t now_ns = around_.time->elapsed_ns();
    const Sequence durable = pipeline_->durable();
    if (durable != gathered_durable_) {
        const bool was_group = durable - gathered_durable_ >= kGroupEvents;
        gathered_durable_ = durable;
        gather_until_ns_ = was_group ? now_ns + kMostGatherNs : 0;
        gathered_sequence_ = 0;
    }
    if (now_ns >= gather_until_ns_) return false;
    if (filler_.next_sequence() != gathered_sequence_) {
        gathered_sequence_ = filler_.next_sequence();
        gathered_last_ns_ = now_ns;
    }
    return now_ns - gathered_last_ns_ < kQuietNs;
}

BatchHeader WriterCore::header_at_next(Sequence first_sequence) noexcept {
    BatchHeader header{};
    sealed_ns_ = std::max(sealed_ns_, around_.time->wall_ns());
    header.first_sequence = first_sequence;
    header.durable_sequence = pipeline_->durable();
    header.sealed_ns = sealed_ns_;
    header.previous_checksum = segment_.next.last_checksum;
    if (first_sequence != segment_.next.sequence) header.flags |= kBatchGapBefore;
    return header;
}

void WriterCore::place(const FilledBatch& batch, Placing placing) noexcept {
    BatchHeader header = header_at_next(batch.first_sequence);
    header.record_salt = batch.record_salt;
    header.first_time_ns = batch.first_time_ns;
    header.max_time_ns = batch.max_time_ns;
    header.event_count = batch.event_count;
    header.body_size_bytes = batch.body_size_bytes;
    const auto block = pool_.buffer(batch.buffer).first(batch_slot_bytes(batch.body_size_bytes));
    submit(block, header, batch.buffer, placing);
}

// A batch without events: marker or seal. It stands for the sequence behind all that is whole, or,
// while batches still wait for a place, for the one that was placed last.
void WriterCore::place_bare(std::span<std::byte> block, std::uint16_t flags) noexcept {
    const bool all_placed = !filler_.has_whole();
    BatchHeader header =
        header_at_next(all_placed ? filler_.whole_sequence() : segment_.next.sequence);
    header.flags = static_cast<std::uint16_t>(header.flags | flags);
    header.first_time_ns = segment_.next.max_time_ns;
    header.max_time_ns = segment_.next.max_time_ns;
    submit(block, header, std::nullopt);
}

void WriterCore::submit(std::span<std::byte> block,
                        const BatchHeader& header,
                        std::optional<BufferIndex> buffer,
                        Placing placing) noexcept {
    LogPosition& next = segment_.next;
    const BatchPlace place{segment_.header.segment_number,
                           segment_.header.salt,
                           next.offset,
                           segment_.header.segment_size_bytes,
                           segment_.header.event_alignment_bytes};
    BatchHeader sealed = header;
    sealed.header_checksum = seal_batch(block, header, place);
    const std::uint64_t offset = next.offset;
    segment_.index.note(next, header.first_sequence, block.size());
    advance(next, sealed);
    marked_sequence_ = header.durable_sequence;
    ++batch_count_;
    if (placing == Placing::durable) {
        pipeline_->submit_durable(block, offset, next.sequence, buffer);
    } else {
        pipeline_->submit(block, offset, next.sequence, buffer);
    }
}

bool WriterCore::advance_roll() noexcept {
    if (phase_ == Phase::draining) {
        if (!pipeline_->is_settled()) {
            if (!pipeline_->is_writing()) pipeline_->request_flush();
            return false;
        }
        phase_ = Phase::waiting;
    }
    if (phase_ != Phase::waiting || closing_) return false;
    if (no_space_errno_ != 0 && around_.time->elapsed_ns() < next_spare_try_ns_) return false;
    roll();
    return phase_ == Phase::writing;
}

// While a write is on its way to a power cut, the last acknowledged batch could pass for a torn
// one; a promise that stands behind it can't be explained away. So the promise is written down as
// soon as there is time for it.
bool WriterCore::mark_if_idle() noexcept {
    if (options_.marker_idle_ns == 0 || phase_ != Phase::writing) return false;
    const Sequence durable = pipeline_->durable();
    if (durable <= marked_sequence_ || pipeline_->is_busy() || filler_.has_whole()) return false;
    const std::uint64_t now_ns = around_.time->elapsed_ns();
    if (durable != seen_durable_) {
        seen_durable_ = durable;
        durable_since_ns_ = now_ns;
        return false;
    }
    if (now_ns - durable_since_ns_ < options_.marker_idle_ns || !fits(kBlockSizeBytes))
        return false;
    place_bare(pool_.marker_block(), kBatchMarker);
    return true;
}

// A writer whose first segment stays nearly empty takes no second one's room. The spare keeps a
// little ahead of the segment in use; while nothing happens it gets further.
void WriterCore::pace_spare() noexcept {
    const std::uint64_t size = segment_.header.segment_size_bytes;
    if (phase_ != Phase::writing || spare_limit_bytes_ >= size) return;
    const std::uint64_t used = segment_.next.offset;
    if (!is_spare_asked_for_) {
        if (used < size / kSpareBeginShare) return;
        is_spare_asked_for_ = true;
        spare_->prepare(spare_limit_bytes_);
    }
    std::uint64_t limit = align_down(used + used / 4, kSpareStepBytes) + kSpareStepBytes;
    if (!pipeline_->is_busy() && !filler_.has_whole()) {
        const std::uint64_t now_ns = around_.time->elapsed_ns();
        if (const std::uint64_t turns = (now_ns - idle_look_ns_) / kSpareIdleNs; turns != 0) {
            idle_look_ns_ = now_ns;
            const bool is_idle = used == idle_offset_;
            const std::uint64_t step = std::min(turns, kMostIdleSteps) * kSpareIdleStepBytes;
            if (is_idle) limit = std::max(limit, spare_limit_bytes_ + step);
            idle_offset_ = used;
        }
    }
    if (limit < spare_limit_bytes_ + kSpareStepBytes) return;
    spare_limit_bytes_ = limit;
    spare_->limit_fill(limit);
}

Result<void> WriterCore::settle(std::uint64_t deadline_ns, std::uint64_t patience_ns) noexcept {
    std::optional<std::uint64_t> lacks_room_since_ns;
    while (true) {
        if (!is_running()) return failure();
        const bool placed = !filler_.has_whole() &&
                            segment_.next.sequence == filler_.whole_sequence() &&
                            (phase_ == Phase::writing || closing_);
        if (placed && pipeline_->is_settled()) return {};
        if (placed && !pipeline_->is_writing()) pipeline_->request_flush();
        (void)drive(kSettleWaitNs);
        const std::uint64_t now_ns = around_.time->elapsed_ns();
        if (!lacks_room()) {
            lacks_room_since_ns.reset();
        } else if (!lacks_room_since_ns) {
            lacks_room_since_ns = now_ns;
        } else if (now_ns - *lacks_room_since_ns >= patience_ns) {
            return failure();
        }
        if (now_ns < deadline_ns) continue;
        if (lacks_room()) return failure();
        return make_error(ErrorCode::timed_out,
                          "the journal '" + options_.directory + "' didn't become durable in time",
                          "'tailrace doctor' measures the disk");
    }
}

Result<void> WriterCore::sync(std::uint64_t timeout_ns) noexcept {
    if (phase_ == Phase::closed) return failure();
    return settle(around_.time->elapsed_ns() + timeout_ns, timeout_ns);
}

Result<void> WriterCore::close(std::uint64_t timeout_ns) noexcept {
    if (phase_ == Phase::closed) return {};
    const std::uint64_t deadline_ns = around_.time->elapsed_ns() + timeout_ns;
    if (auto durable = settle(deadline_ns, kClosePatienceNs); !durable) return durable.error();

    closing_ = true;
    phase_ = Phase::draining;
    place_bare(pool_.seal_block(), kBatchSeal | kBatchCleanClose);
    if (auto durable = settle(deadline_ns, kClosePatienceNs); !durable) return durable.error();
    return finish_close();
}

Result<void> WriterCore::finish_close() noexcept {
    spare_.reset();
    write_segment_index();
    const std::uint64_t end = segment_.next.offset;
    around_.files->deallocate(segment_.file.id(), end, segment_.header.segment_size_bytes - end);
    if (auto noted = note_newest(kSuperCleanClose, end); !noted) {
        fail_with(noted.error());
        return noted.error();
    }
    catalogue_.add(catalogued(segment_.header, segment_.next));
    catalogue_.write(super_.journal_id, super_.oldest_segment_number);
    phase_ = Phase::closed;
    end_writing();
    segment_.file.reset();
    lock_.unlock();
    return {};
}

std::array<std::uint64_t, 2> WriterCore::journal_id() const noexcept {
    std::array<std::uint64_t, 2> id{};
    static_assert(sizeof(id) == sizeof(JournalId));
    std::memcpy(id.data(), super_.journal_id.data(), sizeof(id));
    return id;
}

WriterStatistics WriterCore::statistics() const noexcept {
    const RetiredSegments::Figures retired = retired_->figures();
    return {event_count_,
            event_bytes_,
            batch_count_,
            pipeline_->written_bytes(),
            pipeline_->flush_count(),
            segment_count_,
            segment_.header.segment_size_bytes - segment_.next.offset,
            pipeline_->resubmission_count(),
            retired.recycled_segments,
            retired.unlinked_segments,
            retired.held_segments,
            retired.held_bytes};
}

}  // namespace tailrace::journal
