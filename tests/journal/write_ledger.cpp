#include "write_ledger.hpp"

#include "batch_codec.hpp"
#include "segment_directory.hpp"

#include <algorithm>
#include <cstring>

namespace tailrace::journal {

namespace {

template <typename Block>
Block block_from(std::span<const std::byte> bytes) {
    Block block{};
    if (bytes.size() >= sizeof(block)) std::memcpy(&block, bytes.data(), sizeof(block));
    return block;
}

}  // namespace

void WriteLedger::note(const std::string& path,
                       std::uint64_t offset,
                       std::span<const std::byte> bytes) {
    if (bytes.size() < sizeof(BatchHeader)) return;
    std::uint64_t magic = 0;
    std::memcpy(&magic, bytes.data(), sizeof(magic));
    if (path == super_path(directory_) && magic == kSuperMagic) {
        const auto super = block_from<SuperBlock>(bytes);
        supers_[super.generation] = super;
    } else if (offset == 0 && magic == kSegmentMagic) {
        const auto header = block_from<SegmentHeader>(bytes);
        headers_[{header.segment_number, header.salt}] = header;
    } else if (offset > 0 && magic == kBatchMagic) {
        LedgerBatch batch;
        batch.header = block_from<BatchHeader>(bytes);
        batch.segment_number = batch.header.segment_number;
        batch.offset = offset;
        const std::size_t used =
            std::min<std::size_t>(sizeof(BatchHeader) + batch.header.body_size_bytes, bytes.size());
        batch.bytes.assign(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(used));
        auto& known = by_offset_[{batch.segment_number, batch.header.salt}];
        // What was interrupted is submitted again.
        const auto same = known.find(offset);
        if (same != known.end() && batches_[same->second].bytes == batch.bytes) return;
        known[offset] = batches_.size();
        batches_.push_back(std::move(batch));
    }
}

void WriteLedger::begin_life(Sequence sequence) {
    flushed_ = batches_.size();
    flushed_sequence_ = sequence;
}

Sequence WriteLedger::flushed_prefix(const SimulatedDisk& disk) {
    while (flushed_ < batches_.size()) {
        const LedgerBatch& batch = batches_[flushed_];
        const std::string path = segment_path(directory_, batch.segment_number);
        // What retention has taken away was durable before.
        const bool is_gone = !disk.exists(path) && !segment_numbers(disk).empty() &&
                             segment_numbers(disk).front() > batch.segment_number;
        if (!is_gone && !disk.survives(path, batch.offset, batch.bytes)) break;
        flushed_sequence_ = batch.end_sequence();
        ++flushed_;
    }
    return flushed_sequence_;
}

std::vector<std::uint64_t> WriteLedger::segment_numbers(const SimulatedDisk& disk) const {
    std::vector<std::uint64_t> numbers;
    for (const std::string& path : disk.paths()) {
        if (!path.ends_with(".seg")) continue;
        const std::string digits = path.substr(directory_.size() + 1, 16);
        numbers.push_back(std::strtoull(digits.c_str(), nullptr, 16));
    }
    std::sort(numbers.begin(), numbers.end());
    if (numbers.empty()) return numbers;
    // What retention gave up may still be there, and is no part of the journal: the rule of
    // docs/journal_format.md, "Where a journal begins", on its own.
    const SegmentHeader newest = header_of(disk, numbers.back());
    const auto noted = super(disk);
    std::uint64_t oldest = noted ? noted->oldest_segment_number : 0;
    const bool is_ahead = !noted || noted->newest_segment_number < newest.segment_number;
    if (is_ahead && (newest.features_compat & kSegmentNamesOldest) != 0) {
        oldest = std::max(oldest, newest.oldest_segment_number);
    }
    numbers.erase(numbers.begin(), std::lower_bound(numbers.begin(), numbers.end(), oldest));
    return numbers;
}

SegmentHeader WriteLedger::header_of(const SimulatedDisk& disk,
                                     std::uint64_t segment_number) const {
    return block_from<SegmentHeader>(
        disk.look_at(segment_path(directory_, segment_number), 0, sizeof(SegmentHeader)));
}

bool WriteLedger::is_written(std::uint64_t segment_number, const SegmentHeader& header) const {
    const auto written = headers_.find({segment_number, header.salt});
    return written != headers_.end() && std::memcmp(&written->second, &header, sizeof(header)) == 0;
}

std::optional<SuperBlock> WriteLedger::super(const SimulatedDisk& disk) const {
    const auto bytes = disk.look_at(super_path(directory_), 0, 2 * kBlockSizeBytes);
    std::optional<SuperBlock> newest;
    for (std::uint64_t slot = 0; slot < 2; ++slot) {
        const auto super = block_from<SuperBlock>(std::span(bytes).subspan(slot * kBlockSizeBytes));
        const auto written = supers_.find(super.generation);
        if (written == supers_.end() || std::memcmp(&written->second, &super, sizeof(super)) != 0) {
            continue;
        }
        if (!newest || super.generation > newest->generation) newest = super;
    }
    return newest;
}

std::vector<const LedgerBatch*> WriteLedger::batches_of(const SimulatedDisk& disk,
                                                        std::uint64_t segment_number) const {
    std::vector<const LedgerBatch*> found;
    const auto known = by_offset_.find({segment_number, header_of(disk, segment_number).salt});
    if (known == by_offset_.end()) return found;
    for (const auto& [offset, index] : known->second)
        found.push_back(&batches_[index]);
    return found;
}

// A batch without events that is damaged costs nothing, where the next that is there begins with
// the same sequence, and what stands there was durable.
WriteLedger::Walk WriteLedger::walk(const SimulatedDisk& disk,
                                    std::uint64_t segment_number,
                                    const Limit& limit) const {
    constexpr std::uint64_t kNearbyBytes = 17 * kBlockSizeBytes;
    const std::string path = segment_path(directory_, segment_number);
    const bool is_stated = limit.end_offset != ~std::uint64_t{0};
    Walk walk;
    walk.sequence = header_of(disk, segment_number).first_sequence;
    for (const LedgerBatch* batch : batches_of(disk, segment_number)) {
        const std::uint64_t end = batch->offset + batch_slot_bytes(batch->header.body_size_bytes);
        if (end > limit.end_offset || walk.sealed) break;
        if (batch->offset < walk.offset || !disk.survives(path, batch->offset, batch->bytes))
            continue;
        if (batch->offset != walk.offset) {
            const bool is_durable = is_stated || (limit.promised > walk.sequence &&
                                                  batch->offset < walk.offset + kNearbyBytes);
            const bool is_loss = batch->header.first_sequence != walk.sequence ||
                                 (batch->header.flags & kBatchGapBefore) != 0;
            walk.next = batch;
            if (!is_durable || is_loss) break;
            walk.next = nullptr;
        }
        walk.offset = end;
        walk.sequence = batch->end_sequence();
        walk.sealed = (batch->header.flags & kBatchSeal) != 0;
    }
    return walk;
}

Sequence WriteLedger::promised_in(const SimulatedDisk& disk, std::uint64_t segment_number) const {
    Sequence promised = 0;
    const std::string path = segment_path(directory_, segment_number);
    for (const LedgerBatch* batch : batches_of(disk, segment_number)) {
        const auto header = std::span(batch->bytes).first(sizeof(BatchHeader));
        if (!disk.survives(path, batch->offset, header)) continue;
        promised = std::max(promised, batch->header.durable_sequence);
    }
    return promised;
}

Outlook WriteLedger::outlook(const SimulatedDisk& disk) const {
    Outlook outlook;
    const auto numbers = segment_numbers(disk);
    if (numbers.empty()) return outlook;
    outlook.has_segments = true;
    const std::uint64_t newest = numbers.back();
    const SegmentHeader header = header_of(disk, newest);
    const auto noted = super(disk);
    outlook.is_trusted = noted.has_value() && noted->newest_segment_number <= newest;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const SegmentHeader one = header_of(disk, numbers[i]);
        // Of its full size: nothing is compared, but for the place.
        const bool is_whole =
            disk.survives(segment_path(directory_, numbers[i]), one.segment_size_bytes, {});
        const bool is_next = numbers[i] == numbers.front() + i;
        outlook.is_trusted =
            outlook.is_trusted && is_written(numbers[i], one) && is_whole && is_next;
    }
    outlook.promised = std::max(promised_in(disk, newest), header.durable_sequence);
    if (noted) outlook.promised = std::max(outlook.promised, noted->durable_sequence);
    Limit limit;
    limit.promised = outlook.promised;
    outlook.end = walk(disk, newest, limit).sequence;
    if (!noted) return outlook;
    if ((noted->flags & kSuperCleanClose) == 0 || noted->newest_segment_number != newest) {
        return outlook;
    }
    for (const LedgerBatch* batch : batches_of(disk, newest)) {
        if (batch->offset + kBlockSizeBytes != noted->clean_end_offset) continue;
        if ((batch->header.flags & kBatchCleanClose) == 0 ||
            !disk.survives(segment_path(directory_, newest), batch->offset, batch->bytes))
            continue;
        outlook.is_clean = true;
        outlook.end = batch->header.first_sequence;
    }
    return outlook;
}

Reading WriteLedger::reading(const SimulatedDisk& disk) const {
    Reading reading;
    const auto numbers = segment_numbers(disk);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        Limit limit;
        limit.promised = promised_in(disk, numbers[i]);
        if (i + 1 < numbers.size()) {
            limit.end_offset = header_of(disk, numbers[i + 1]).previous.end_offset;
        }
        const Walk walked = walk(disk, numbers[i], limit);
        reading.end = walked.sequence;
        if (i + 1 < numbers.size()) {
            // What stands behind the place that the successor names is not part of the log.
            const PreviousSegment bound = header_of(disk, numbers[i + 1]).previous;
            reading.end = std::min(walked.sequence, bound.end_sequence);
            // Where only batches without events are damaged, nothing is missing.
            if (reading.end == bound.end_sequence) continue;
            reading.is_damaged = true;
            reading.damage_end =
                walked.next != nullptr ? walked.next->header.first_sequence : bound.end_sequence;
            return reading;
        }
        reading.is_damaged = limit.promised > walked.sequence && !walked.sealed;
        reading.damage_end = limit.promised;
    }
    return reading;
}

}  // namespace tailrace::journal
