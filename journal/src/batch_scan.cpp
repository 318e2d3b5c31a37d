#include "batch_scan.hpp"

#include <tailrace/base/clock.hpp>

#include <algorithm>
#include <cerrno>

namespace tailrace::journal {

namespace {

constexpr std::uint64_t kWindowBytes = kMaxBatchSizeBytes;  // holds any batch
constexpr std::uint64_t kFirstLookBytes = 16 * kBlockSizeBytes;
constexpr std::uint64_t kHeaderLookBytes = 8 * kBlockSizeBytes;
// After so much in one go the rest of the file will likely be read as well.
constexpr std::uint64_t kLongWalkBytes = 4 * kWindowBytes;
constexpr std::uint64_t kBeyondReadAheadBytes = 32 * kWindowBytes;
// A device that gives less than this past the cache, in so much at a time, is read through it.
constexpr std::uint64_t kTrialBytes = 16 * kWindowBytes;
constexpr std::uint64_t kFastBytesPerUs = 1000;
static_assert(kWindowBytes <= ReadAhead::kPieceBytes);

}  // namespace

bool BatchScan::attach(StoredFile file, const SegmentHeader& header) noexcept {
    if (memory_.bytes().empty()) memory_ = AlignedMemory(kWindowBytes);
    if (memory_.bytes().empty()) return false;
    if (!content_.attach(std::move(file), header)) return false;
    segment_ = header;
    refresh();
    goes_ahead_at_once_ = is_device_fast_;
    return true;
}

void BatchScan::refresh() noexcept {
    ahead_.stop();
    window_ = {};
    ahead_bytes_ = kFirstLookBytes;
    tried_ahead_ = false;
    goes_ahead_at_once_ = false;
    walked_bytes_ = 0;
}

BatchPlace BatchScan::place_at(std::uint64_t offset) const noexcept {
    return {segment_.segment_number,
            segment_.salt,
            offset,
            segment_.segment_size_bytes,
            segment_.event_alignment_bytes};
}

// Whether the rest of the file is better read past the cache.
bool BatchScan::wants_ahead(std::uint64_t offset) noexcept {
    if (tried_ahead_ || is_device_slow_ || content_.is_compressed()) return false;
    const std::uint64_t walk_bytes = goes_ahead_at_once_ ? 0
                                     : expects_no_cache_ ? kWindowBytes
                                                         : kLongWalkBytes;
    if (walked_bytes_ < walk_bytes) return false;
    tried_ahead_ = true;
    if (expects_no_cache_) return true;
    // What lies in the cache comes from there soonest. Asked of a place that the kernel's own
    // reading ahead hasn't come to.
    const std::uint64_t last =
        segment_.segment_size_bytes - std::min(segment_.segment_size_bytes, kLongWalkBytes);
    const IoOutcome cached = files_->cached_bytes(
        content_.file(), std::min(offset + kBeyondReadAheadBytes, last), kLongWalkBytes);
    return cached.ok() && cached.value < kLongWalkBytes / 2;
}

bool BatchScan::read_ahead_window(std::uint64_t offset, std::uint64_t size_bytes) noexcept {
    if (!ahead_.is_running()) {
        if (!wants_ahead(offset) ||
            !ahead_.begin(content_.file(), offset, segment_.segment_size_bytes)) {
            return false;
        }
        ahead_bytes_read_ = 0;
        ahead_time_ns_ = 0;
    }
    const std::uint64_t known_end = window_offset_ + window_.size();
    const std::uint64_t begin_ns = monotonic_ns();
    window_ = ahead_.at(offset, size_bytes);
    ahead_time_ns_ += monotonic_ns() - begin_ns;
    window_offset_ = offset;
    if (window_.empty()) {
        // Not in order any more, or not readable: the plain read says what is wrong.
        ahead_.stop();
        return false;
    }
    const std::uint64_t news_bytes = offset + window_.size() - std::max(known_end, offset);
    read_bytes_ += news_bytes;
    ahead_bytes_read_ += news_bytes;
    return true;
}

// The cache keeps up with a slow device, and has what was read the next time.
bool BatchScan::is_device_too_slow() noexcept {
    if (expects_no_cache_ || ahead_bytes_read_ < kTrialBytes) return false;
    is_device_fast_ = ahead_time_ns_ * kFastBytesPerUs <= ahead_bytes_read_ * 1000;
    ahead_bytes_read_ = 0;
    ahead_time_ns_ = 0;
    return !is_device_fast_;
}

void BatchScan::read_window(std::uint64_t offset,
                            std::uint64_t size_bytes,
                            std::uint64_t want_bytes,
                            int& os_errno) noexcept {
    const bool goes_on = offset >= window_offset_ && offset <= window_offset_ + window_.size();
    if (!goes_on) walked_bytes_ = 0;
    IoOutcome outcome = content_.read(offset, memory_.bytes().first(want_bytes));
    if (!outcome.ok() && outcome.value < size_bytes) {
        // What can't be read may lie behind what was asked for.
        want_bytes = std::min(want_bytes, size_bytes);
        outcome = content_.read(offset, memory_.bytes().first(want_bytes));
    }
    window_offset_ = offset;
    window_ = memory_.bytes().first(outcome.value);
    read_bytes_ += window_.size();
    if (outcome.value < size_bytes) os_errno = outcome.os_errno;
    if (want_bytes == kWindowBytes) walked_bytes_ += window_.size();
}

std::span<const std::byte> BatchScan::window_at(std::uint64_t offset,
                                                std::uint64_t size_bytes,
                                                std::uint64_t ahead_bytes,
                                                int& os_errno) noexcept {
    const bool inside =
        offset >= window_offset_ && offset + size_bytes <= window_offset_ + window_.size();
    if (!inside) {
        if (offset >= segment_.segment_size_bytes) return {};
        if (ahead_.is_running() && is_device_too_slow()) {
            is_device_slow_ = true;
            ahead_.stop();
        }
        if (!read_ahead_window(offset, size_bytes)) {
            const std::uint64_t want = std::clamp(ahead_bytes, size_bytes, kWindowBytes);
            read_window(
                offset, size_bytes, std::min(want, segment_.segment_size_bytes - offset), os_errno);
        }
    }
    return window_.subspan(offset - window_offset_);
}

void BatchScan::fetch(std::uint64_t offset, std::uint64_t size_bytes) noexcept {
    int ignored = 0;  // what isn't there is read again, and then told
    const std::uint64_t most = std::min(size_bytes, kWindowBytes);
    (void)window_at(offset, most, most, ignored);
}

FoundBatch BatchScan::header_at(std::uint64_t offset) noexcept {
    FoundBatch found;
    const auto block = window_at(offset, kBlockSizeBytes, kHeaderLookBytes, found.os_errno);
    if (found.os_errno != 0) return found;
    found.verdict = check_batch_header(block, place_at(offset), found.header);
    return found;
}

FoundBatch BatchScan::batch_at(std::uint64_t offset) noexcept {
    FoundBatch found;
    auto block = window_at(offset, kBlockSizeBytes, ahead_bytes_, found.os_errno);
    if (found.os_errno != 0) return found;
    found.verdict = check_batch_header(block, place_at(offset), found.header);
    if (found.verdict != BatchVerdict::valid) return found;

    // One batch is there, so more are likely: read as much as fits from now on.
    ahead_bytes_ = kWindowBytes;
    const std::uint64_t slot = batch_slot_bytes(found.header.body_size_bytes);
    if (block.size() < slot) block = window_at(offset, slot, ahead_bytes_, found.os_errno);
    if (found.os_errno != 0) return found;
    if (block.size() < slot) {
        found.verdict = BatchVerdict::cut;
        return found;
    }
    // The bytes may be newer than those that were checked: the header counts as it stands beside
    // this body.
    found.verdict = check_batch_header(block, place_at(offset), found.header);
    if (found.verdict != BatchVerdict::valid ||
        batch_slot_bytes(found.header.body_size_bytes) != slot) {
        found.verdict = BatchVerdict::foreign;
        return found;
    }
    found.body = block.subspan(sizeof(BatchHeader), found.header.body_size_bytes);
    found.padding = block.subspan(sizeof(BatchHeader) + found.body.size(),
                                  slot - sizeof(BatchHeader) - found.body.size());
    found.verdict = check_batch_body(found.header, found.body, place_at(offset));
    return found;
}

namespace {

// What can't be read stays zero, and `os_errno` says so. value: up to the end of the file.
IoOutcome read_what_can_be(BatchScan& scan, std::uint64_t offset, std::span<std::byte> into) {
    IoOutcome whole = scan.read(offset, into);
    if (whole.ok()) return whole;
    whole.value = into.size();
    for (std::uint64_t at = 0; at < into.size(); at += kBlockSizeBytes) {
        const auto block = into.subspan(at, std::min(kBlockSizeBytes, into.size() - at));
        if (!scan.read(offset + at, block).ok())
            std::fill(block.begin(), block.end(), std::byte{0});
    }
    return whole;
}

// Where ends what a block that isn't zero says; 0: nothing of this incarnation.
std::uint64_t data_end(const SegmentHeader& segment,
                       const BatchHeader& header,
                       std::uint64_t offset,
                       std::uint64_t block_bytes) {
    if ((segment.features_compat & kSegmentRecycled) == 0) return offset + block_bytes;
    if (header.magic != kBatchMagic || header.salt != segment.salt) return 0;
    const std::uint64_t body = std::min<std::uint64_t>(header.body_size_bytes, kMaxBodySizeBytes);
    return std::min(offset + batch_slot_bytes(body), segment.segment_size_bytes);
}

}  // namespace

std::optional<SoundBatch> find_sound(BatchScan& scan,
                                     const LogPosition& stop,
                                     std::uint64_t end_offset) noexcept {
    end_offset = std::min(end_offset, scan.segment().segment_size_bytes);
    for (std::uint64_t offset = stop.offset + kBlockSizeBytes; offset < end_offset;
         offset += kBlockSizeBytes) {
        FoundBatch found = scan.header_at(offset);
        if (found.os_errno != 0 || found.verdict != BatchVerdict::valid) continue;
        const BatchHeader& header = found.header;
        const bool states_gap = (header.flags & kBatchGapBefore) != 0;
        if (header.first_sequence < stop.sequence + (states_gap ? 1U : 0U)) continue;
        if (header.first_time_ns < stop.max_time_ns) continue;
        if (offset + batch_extent_bytes(header) > end_offset) continue;
        found = scan.batch_at(offset);
        if (found.os_errno != 0 || found.verdict != BatchVerdict::valid) continue;
        SoundBatch sound{stop, found.header};
        sound.position.offset = offset;
        sound.position.sequence = found.header.first_sequence - (states_gap ? 1U : 0U);
        sound.position.last_checksum = found.header.previous_checksum;
        sound.position.follows_loss = states_gap;
        return sound;
    }
    return std::nullopt;
}

std::optional<SoundBatch> find_sound_nearby(BatchScan& scan, const LogPosition& stop) noexcept {
    // A writer puts a marker or two in a row, and a seal behind them.
    constexpr std::uint64_t kReachBytes = 16 * kBlockSizeBytes;
    auto sound = find_sound(scan, stop, stop.offset + kBlockSizeBytes + kReachBytes);
    if (sound && !sound->shows_no_loss_since(stop)) sound.reset();
    return sound;
}

std::optional<PreviousSegment> find_clean_end(BatchScan& scan, const SuperBlock& super) noexcept {
    const SegmentHeader& segment = scan.segment();
    if ((super.flags & kSuperCleanClose) == 0) return std::nullopt;
    if (super.newest_segment_number != segment.segment_number) return std::nullopt;
    const std::uint64_t end = super.clean_end_offset;
    if (end % kBlockSizeBytes != 0 || end < 2 * kBlockSizeBytes ||
        end > segment.segment_size_bytes) {
        return std::nullopt;
    }
    const FoundBatch seal = scan.batch_at(end - kBlockSizeBytes);
    if (seal.os_errno != 0 || seal.verdict != BatchVerdict::valid) return std::nullopt;
    if ((seal.header.flags & kBatchCleanClose) == 0) return std::nullopt;
    if (seal.header.first_sequence < super.durable_sequence) return std::nullopt;
    return PreviousSegment{segment.segment_number,
                           segment.salt,
                           end,
                           seal.header.first_sequence,
                           seal.header.header_checksum};
}

BeyondEnd scan_beyond(BatchScan& scan, std::uint64_t from, std::uint64_t at_most_bytes) noexcept {
    BeyondEnd beyond;
    beyond.data_end_offset = from;
    const AlignedMemory memory(kWindowBytes);
    if (memory.bytes().empty()) {
        beyond.os_errno = ENOMEM;
        return beyond;
    }
    const SegmentHeader& segment = scan.segment();
    const std::uint64_t end = from + std::min(at_most_bytes, segment.segment_size_bytes - from);
    std::uint64_t skip_to = from;  // inside a valid batch no other one begins
    for (std::uint64_t at = from; at < end; at += kWindowBytes) {
        const auto want = std::min(kWindowBytes, end - at);
        const IoOutcome outcome = read_what_can_be(scan, at, memory.bytes().first(want));
        if (!outcome.ok()) beyond.os_errno = outcome.os_errno;
        beyond.scanned_bytes += outcome.value;
        const auto bytes = std::span<const std::byte>(memory.bytes()).first(outcome.value);
        if (is_zero(bytes)) {
            if (outcome.value < want) break;
            continue;
        }
        for (std::uint64_t inner = 0; inner < bytes.size(); inner += kBlockSizeBytes) {
            const auto block =
                bytes.subspan(inner, std::min(kBlockSizeBytes, bytes.size() - inner));
            if (is_zero(block)) continue;
            const std::uint64_t offset = at + inner;
            BatchHeader header{};
            const BatchPlace place{segment.segment_number,
                                   segment.salt,
                                   offset,
                                   segment.segment_size_bytes,
                                   segment.event_alignment_bytes};
            const BatchVerdict verdict = check_batch_header(block, place, header);
            beyond.data_end_offset =
                std::max(beyond.data_end_offset, data_end(segment, header, offset, block.size()));
            if (verdict != BatchVerdict::valid) continue;
            beyond.promised_sequence = std::max(beyond.promised_sequence, header.durable_sequence);
            if (offset < skip_to) continue;
            if (scan.batch_at(offset).verdict != BatchVerdict::valid) continue;
            skip_to = offset + batch_extent_bytes(header);
            ++beyond.valid_batches;
            beyond.valid_events += header.event_count;
        }
        if (outcome.value < want) break;
    }
    return beyond;
}

}  // namespace tailrace::journal
