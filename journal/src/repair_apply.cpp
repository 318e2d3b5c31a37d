#include "repair_apply.hpp"

#include "aligned_memory.hpp"
#include "index_builder.hpp"

#include <tailrace/base/sequence_range.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tailrace::journal {

namespace {

constexpr std::uint64_t kRepairCopyBytes = 1U << 20;

Error repair_cannot(const char* what, const std::string& path, int os_errno) {
    return os_error(os_errno,
                    std::string("repair cannot ") + what + " '" + path + "'",
                    "what was replaced so far is repaired, all else as it was; repair again when "
                    "the cause is gone");
}

// What a repaired segment is written with: its content as it is.
SegmentHeader uncompressed(SegmentHeader header) {
    if ((header.features_incompat & kFeatureCompressed) == 0) return header;
    header.features_incompat &= ~kFeatureCompressed;
    header.stored_size_bytes = 0;
    header.content_end_offset = 0;
    header.frame_count = 0;
    header.frame_table_offset = 0;
    header.frame_table_checksum = 0;
    seal_segment_header(header);
    return header;
}

}  // namespace

std::string RepairWorker::kept(const std::string& path) const {
    return work_.plan.kept_directory + path.substr(directory_.size());
}

std::string RepairWorker::aside(const std::string& path) const {
    return kept(path) + ".new";
}

Result<void> RepairWorker::make_kept_directory() {
    for (const std::string& path : {kept_parent(directory_), work_.plan.kept_directory}) {
        const IoOutcome made = files_.make_directory(path);
        if (!made.ok() && made.os_errno != EEXIST)
            return repair_cannot("make", path, made.os_errno);
    }
    for (const std::string& path : {directory_, kept_parent(directory_)}) {
        const IoOutcome synced = files_.sync_directory(path);
        if (!synced.ok()) return repair_cannot("flush", path, synced.os_errno);
    }
    return write_note();
}

// For the person who comes here later.
Result<void> RepairWorker::write_note() {
    std::string text = "What 'tailrace repair' did to the journal '" + directory_ + "'.\n\n";
    for (const RepairStep& step : work_.plan.steps) {
        text += std::string(repair_kind_name(step.kind)) + ": " + step.text;
        if (step.end_sequence > step.first_sequence) {
            text += "; events " + range_text(step.first_sequence, step.end_sequence) + " are lost";
        }
        text += "\n";
    }
    text += "\nThe files as they were. To put them back, stop the journal's writer and run:\n\n";
    std::string last;
    for (const RepairStep& step : work_.plan.steps) {
        if (step.kept_path.empty() || step.kept_path == last) continue;
        last = step.kept_path;
        text += "    cp -a '" + step.kept_path + "' '" + step.path + "'\n";
    }
    text += "\nNobody reads this directory; remove it when it is not needed any more.\n";
    const std::string path = work_.plan.kept_directory + "/NOTE";
    auto file = open_file(files_, path, {.write = true, .create = true});
    if (!file) return file.error();
    IoOutcome outcome = files_.write(file->id(), 0, std::as_bytes(std::span(text)));
    if (outcome.ok()) outcome = files_.sync(file->id());
    if (!outcome.ok()) return repair_cannot("write", path, outcome.os_errno);
    return {};
}

Result<void> RepairWorker::copy_range(SegmentContent& from,
                                      FileId into,
                                      const std::string& path,
                                      std::uint64_t offset,
                                      std::uint64_t end_offset) {
    const AlignedMemory memory(kRepairCopyBytes);
    if (memory.bytes().empty()) return repair_cannot("find memory for", path, ENOMEM);
    while (offset < end_offset) {
        const auto part = memory.bytes().first(std::min(kRepairCopyBytes, end_offset - offset));
        IoOutcome outcome = from.read(offset, part);
        if (!outcome.ok()) return repair_cannot("read", path, outcome.os_errno);
        const auto bytes = std::span<const std::byte>(part).first(outcome.value);
        if (!is_zero(bytes)) outcome = files_.write(into, offset, bytes);
        if (!outcome.ok()) return repair_cannot("write a copy of", path, outcome.os_errno);
        offset += part.size();
    }
    return {};
}

// Only what is sound and part of the log; the mends stand in the places of the rest.
Result<void> RepairWorker::copy_content(const SegmentRepair& segment, FileId into) {
    std::uint64_t offset = kBlockSizeBytes;
    SegmentContent from(files_);
    if (segment.keeps_content) {
        auto file = open_file(files_, segment.path, {});
        if (!file) return file.error();
        if (!from.attach(std::move(*file), segment.header)) {
            return repair_cannot("find memory for", segment.path, ENOMEM);
        }
    }
    const auto copy_up_to = [&](std::uint64_t end_offset) -> Result<void> {
        if (!segment.keeps_content || end_offset <= offset) return {};
        return copy_range(from, into, segment.path, offset, end_offset);
    };
    for (const Mend& mend : segment.mends) {
        if (auto copied = copy_up_to(mend.offset); !copied) return copied.error();
        std::vector<std::byte> block(kBlockSizeBytes);
        std::memcpy(block.data(), &mend.header, sizeof(mend.header));
        const IoOutcome outcome = files_.write(into, mend.offset, block);
        if (!outcome.ok()) return repair_cannot("write a copy of", segment.path, outcome.os_errno);
        offset = mend.offset + mend.covered_bytes;
    }
    return copy_up_to(segment.end.offset);
}

Result<void> RepairWorker::make_segment(const SegmentRepair& segment) {
    AsideFile file(files_, aside(segment.path));
    IoOutcome outcome = file.create();
    // The last block gives the file its size; what is never written takes no room.
    const std::vector<std::byte> blank(kBlockSizeBytes);
    if (outcome.ok()) {
        outcome =
            files_.write(file.id(), segment.header.segment_size_bytes - kBlockSizeBytes, blank);
    }
    if (!outcome.ok()) return repair_cannot("write", file.path(), outcome.os_errno);
    if (auto copied = copy_content(segment, file.id()); !copied) return copied.error();
    const SegmentHeader header = uncompressed(segment.header);
    outcome = files_.write(file.id(), 0, std::as_bytes(std::span(&header, 1)));
    if (!outcome.ok()) return repair_cannot("write", file.path(), outcome.os_errno);
    return put_in_place(file, segment.path, segment.has_file);
}

// A second name for the file as it is; where there are none, a copy.
Result<void> RepairWorker::keep(const std::string& path) {
    IoOutcome outcome = files_.link(path, kept(path));
    if (!outcome.ok()) {
        auto file = open_file(files_, path, {});
        if (!file) return file.error();
        const IoOutcome size = files_.size_bytes(file->id());
        if (!size.ok()) return repair_cannot("look at", path, size.os_errno);
        SegmentContent from(files_);
        if (!from.attach(std::move(*file), {}))
            return repair_cannot("find memory for", path, ENOMEM);
        auto into = open_file(files_, kept(path), {.write = true, .create = true});
        if (!into) return into.error();
        if (auto copied = copy_range(from, into->id(), path, 0, size.value); !copied) {
            return copied.error();
        }
        outcome = files_.sync(into->id());
    }
    if (outcome.ok()) outcome = files_.sync_directory(work_.plan.kept_directory);
    if (!outcome.ok()) return repair_cannot("keep", path, outcome.os_errno);
    return {};
}

Result<void> RepairWorker::put_in_place(AsideFile& file, const std::string& path, bool has_old) {
    IoOutcome outcome = file.flush();
    if (!outcome.ok()) return repair_cannot("flush", file.path(), outcome.os_errno);
    if (has_old) {
        if (auto kept = keep(path); !kept) return kept.error();
    }
    outcome = file.take_name(path, directory_);
    if (!outcome.ok()) return repair_cannot("replace", path, outcome.os_errno);
    return {};
}

Result<void> RepairWorker::replace(const std::string& path,
                                   std::span<const std::byte> bytes,
                                   bool has_old) {
    AsideFile file(files_, aside(path));
    IoOutcome outcome = file.create();
    if (outcome.ok()) outcome = files_.write(file.id(), 0, bytes);
    if (!outcome.ok()) return repair_cannot("write", file.path(), outcome.os_errno);
    return put_in_place(file, path, has_old);
}

Result<void> RepairWorker::make_index(const SegmentRepair& segment) {
    const std::string path = index_path(directory_, segment.number);
    auto file = open_file(files_, segment.path, {});
    if (!file) return file.error();
    BatchScan scan(files_);
    if (!scan.attach(std::move(*file), segment.header)) return repair_cannot("index", path, ENOMEM);
    IndexBuilder entries;
    entries.begin(segment.header.segment_size_bytes);
    LogPosition position = first_position(segment.header);
    while (position.offset < segment.end.offset) {
        const FoundBatch found = scan.header_at(position.offset);
        if (found.verdict != BatchVerdict::valid || !continues(position, found.header)) break;
        entries.note(position, found.header);
        advance(position, found.header);
    }
    const auto bytes = encode_index(index_header(segment.header, segment.end), entries.entries());
    return replace(path, bytes, false);
}

// Not flushed, and nothing is lost with it.
void RepairWorker::make_catalogue() {
    if (work_.catalogue.empty()) return;
    CatalogueFile catalogue(files_, directory_);
    for (const CataloguedSegment& segment : work_.catalogue)
        catalogue.add(segment);
    catalogue.write(work_.segments.front().header.journal_id, work_.catalogue.front().number);
}

Result<void> RepairWorker::make_super() {
    const std::string path = super_path(directory_);
    std::vector<std::byte> slots(2 * kBlockSizeBytes);
    // In both slots, so that neither misses a later word.
    SuperBlock super = *work_.super;
    for (int slot = 0; slot < 2 && super.generation > 0; ++slot, --super.generation) {
        seal_super(super);
        std::memcpy(slots.data() + super.generation % 2 * kBlockSizeBytes, &super, sizeof(super));
    }
    return replace(path, slots, !work_.plan.steps.back().kept_path.empty());
}

Result<void> RepairWorker::run() {
    if (work_.plan.steps.empty()) return {};
    if (auto made = make_kept_directory(); !made) return made.error();
    for (const SegmentRepair& segment : work_.segments) {
        if (!segment.needs_file()) continue;
        if (auto made = make_segment(segment); !made) return made.error();
    }
    for (const SegmentRepair& segment : work_.segments) {
        if (!segment.needs_index) continue;
        if (auto made = make_index(segment); !made) return made.error();
    }
    make_catalogue();
    if (work_.super) return make_super();
    return {};
}

}  // namespace tailrace::journal
