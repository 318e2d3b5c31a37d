#include "aside_file.hpp"
#include "batch_scan.hpp"
#include "compression.hpp"
#include "lease.hpp"
#include "lock_file.hpp"
#include "missing_events.hpp"
#include "posix_files.hpp"
#include "segment_census.hpp"
#include "segment_map.hpp"

#include <tailrace/base/checksum.hpp>
#include <tailrace/base/file_lock.hpp>
#include <tailrace/journal/compress.hpp>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>

namespace tailrace::journal {

namespace {

Error compress_cannot(const char* what, const std::string& path, int os_errno) {
    return os_error(os_errno,
                    std::string("compress cannot ") + what + " '" + path + "'",
                    "the journal is as it was; 'df' shows the room");
}

class Compressor {
public:
    Compressor(FileStore& files, std::string directory, const CompressOptions& options)
        : files_(files),
          directory_(std::move(directory)),
          options_(options),
          scan_(files),
          raw_(kFrameSizeBytes),
          stored_(align_up(compressed_bound_bytes(kFrameSizeBytes), kBlockSizeBytes)) {}

    [[nodiscard]] Result<CompressReport> run();

private:
    [[nodiscard]] Result<void> look();
    [[nodiscard]] Result<void> check_room(const std::string& path, std::uint64_t end_offset) const;
    [[nodiscard]] Result<void> compress_segment(const SegmentHeader& header,
                                                const PreviousSegment& end);
    [[nodiscard]] Result<void> check_content(const std::string& path, const PreviousSegment& end);
    [[nodiscard]] Result<std::uint64_t> write_frames(const AsideFile& into,
                                                     std::vector<FrameEntry>& table,
                                                     std::uint64_t end_offset);
    [[nodiscard]] Result<void> keep_segment() {
        ++report_.kept_segments;
        return {};
    }
    // Relaxed: a flag that carries nothing.
    [[nodiscard]] bool is_stopped() const noexcept {
        return options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed);
    }
    [[nodiscard]] bool is_given_up(const SegmentHeader& header) const {
        return header.segment_number < oldest_segment_number(files_, directory_);
    }
    [[nodiscard]] static std::string aside(const std::string& path) { return path + ".copying"; }

    FileStore& files_;
    std::string directory_;
    const CompressOptions& options_;
    BatchScan scan_;
    AlignedMemory raw_;
    AlignedMemory stored_;
    std::vector<SegmentHeader> headers_;
    CompressReport report_;
    std::uint64_t total_bytes_ = 0;
    std::uint64_t copied_so_far_bytes_ = 0;
};

Result<void> Compressor::look() {
    headers_.clear();
    total_bytes_ = 0;
    auto census = take_census(files_, directory_);
    if (!census) return census.error();
    // Where one ends, the one behind it says.
    if (!census->missing.empty()) {
        Error error = missing_error(files_, directory_, *census);
        error.hint = "'tailrace repair " + directory_ + "' shows what can be done";
        return error;
    }
    // What a compressor left that was killed. Of the newest segment, or of none that is there yet,
    // it may be a backup's, at this moment.
    const auto& numbers = census->listing.segment_numbers;
    for (const std::string& name : census->listing.foreign_names) {
        const auto half_made = half_made_segment(name);
        if (half_made && !numbers.empty() && *half_made < numbers.back())
            (void)files_.remove(directory_ + "/" + name);
    }
    for (const std::uint64_t number : census->listing.segment_numbers) {
        if (number < options_.first_segment_number) continue;
        const std::string path = segment_path(directory_, number);
        auto file = open_leased(files_, path);
        if (!file) return file.error();
        auto header = read_segment_header(files_, *file, path, Access::writing);
        if (!header) return header.error();
        headers_.push_back(*header);
    }
    for (std::size_t nth = 0; nth + 1 < headers_.size(); ++nth)
        total_bytes_ += headers_[nth + 1].previous.end_offset;
    return {};
}

// The copy takes room before the old file gives its own back, and that must not be what the writer
// needs next.
Result<void> Compressor::check_room(const std::string& path, std::uint64_t end_offset) const {
    if (options_.spared_bytes == 0) return {};
    std::error_code failure;
    const auto room = std::filesystem::space(directory_, failure);
    if (failure) return compress_cannot("look at the room for", path, failure.value());
    const std::uint64_t frames = end_offset / kFrameSizeBytes + 1;
    const std::uint64_t most_bytes = frames * stored_.bytes().size() + 3 * kBlockSizeBytes;
    if (room.available >= most_bytes + options_.spared_bytes) return {};
    return make_error(ErrorCode::no_space,
                      "'" + path + "' is not compressed for now: that takes up to " +
                          std::to_string(most_bytes) + " bytes aside, and of the " +
                          std::to_string(room.available) + " that are left the writer may need " +
                          std::to_string(options_.spared_bytes),
                      "make room: 'df " + directory_ + "' shows it");
}

// Only what is whole is compressed: a copy must not hide where damage was.
Result<void> Compressor::check_content(const std::string& path, const PreviousSegment& end) {
    LogPosition position = first_position(scan_.segment());
    while (position.offset < end.end_offset && !is_stopped()) {
        const FoundBatch found = scan_.batch_at(position.offset);
        if (found.os_errno != 0) return compress_cannot("read", path, found.os_errno);
        if (found.verdict != BatchVerdict::valid || !continues(position, found.header) ||
            !lies_within(position, found.header, end.end_offset)) {
            return make_error(ErrorCode::corrupt,
                              "'" + path + "' is damaged at " + std::to_string(position.offset) +
                                  ", so it is not compressed",
                              "'tailrace repair " + directory_ + "' shows what can be done");
        }
        advance(position, found.header);
    }
    return {};
}

Result<std::uint64_t> Compressor::write_frames(const AsideFile& into,
                                               std::vector<FrameEntry>& table,
                                               std::uint64_t end_offset) {
    std::uint64_t at = kBlockSizeBytes;
    for (std::uint64_t offset = kBlockSizeBytes; offset < end_offset; offset += kFrameSizeBytes) {
        if (is_stopped()) return at;
        const auto raw = raw_.bytes().first(std::min(kFrameSizeBytes, end_offset - offset));
        const IoOutcome outcome = scan_.read(offset, raw);
        if (!outcome.ok() || outcome.value != raw.size()) {
            return compress_cannot("read for", into.path(), outcome.ok() ? EIO : outcome.os_errno);
        }
        const std::size_t size = compress_frame(raw, stored_.bytes(), options_.level);
        if (size == 0) return compress_cannot("find memory for", into.path(), ENOMEM);
        const auto stored = std::span<const std::byte>(stored_.bytes()).first(size);
        const IoOutcome written = files_.write(into.id(), at, stored);
        if (!written.ok()) return compress_cannot("write", into.path(), written.os_errno);
        table.push_back({at, size, checksum64(stored, scan_.segment().salt ^ offset)});
        at += size;
        copied_so_far_bytes_ += raw.size();
        if (options_.progress)
            options_.progress(std::min(copied_so_far_bytes_, total_bytes_), total_bytes_);
    }
    return at;
}

// Crash story: the compressed file is made aside and flushed; the rename exchanges one whole
// segment for another one that reads the same.
Result<void> Compressor::compress_segment(const SegmentHeader& header, const PreviousSegment& end) {
    const std::string path = segment_path(directory_, header.segment_number);
    auto from = open_leased(files_, path);
    if (!from) return is_given_up(header) ? keep_segment() : from.error();
    if (!scan_.attach(std::move(*from), header))
        return compress_cannot("find memory for", path, ENOMEM);
    if (auto room = check_room(path, end.end_offset); !room) return room.error();
    if (auto checked = check_content(path, end); !checked) return checked.error();

    AsideFile file(files_, aside(path));
    if (const IoOutcome created = file.create(); !created.ok()) {
        return compress_cannot("make", file.path(), created.os_errno);
    }
    std::vector<FrameEntry> table;
    auto table_at = write_frames(file, table, end.end_offset);
    if (!table_at) return table_at.error();
    if (is_stopped()) return {};
    const auto table_bytes = std::as_bytes(std::span(table));

    SegmentHeader compressed = header;
    compressed.features_incompat |= kFeatureMended | kFeatureCompressed;
    compressed.mended_checksum = first_position(header).last_checksum;
    compressed.stored_size_bytes = *table_at + table_bytes.size() + kBlockSizeBytes;
    compressed.frame_count = table.size();
    compressed.frame_table_offset = *table_at;
    compressed.frame_table_checksum = checksum64(table_bytes, header.salt);
    compressed.content_end_offset = end.end_offset;
    seal_segment_header(compressed);
    if (compressed.stored_size_bytes >= end.end_offset) return keep_segment();
    IoOutcome outcome = files_.write(file.id(), *table_at, table_bytes);
    // Twice: a header that is lost would cost the whole segment.
    const auto header_bytes = std::as_bytes(std::span(&compressed, 1));
    if (outcome.ok()) {
        outcome =
            files_.write(file.id(), compressed.stored_size_bytes - kBlockSizeBytes, header_bytes);
    }
    if (outcome.ok()) outcome = files_.write(file.id(), 0, header_bytes);
    if (outcome.ok()) outcome = file.flush();
    if (!outcome.ok()) return compress_cannot("write", file.path(), outcome.os_errno);
    outcome = file.take_name_of(scan_.file(), path, directory_);
    // Retention was faster: then the name must not come back.
    if (outcome.os_errno == ENOENT && is_given_up(header)) return keep_segment();
    if (!outcome.ok()) return compress_cannot("replace", path, outcome.os_errno);
    ++report_.compressed_segments;
    report_.raw_bytes += end.end_offset;
    report_.stored_bytes += compressed.stored_size_bytes;
    if (options_.compressed) {
        options_.compressed({header.segment_number, end.end_offset, compressed.stored_size_bytes});
    }
    return {};
}

Result<CompressReport> Compressor::run() {
    if (raw_.bytes().empty() || stored_.bytes().empty()) {
        return compress_cannot("find memory for", directory_, ENOMEM);
    }
    if (auto looked = while_segments_go([this] { return look(); }); !looked) return looked.error();
    report_.next_segment_number = options_.first_segment_number;
    for (std::size_t nth = 0; nth < headers_.size() && !is_stopped(); ++nth) {
        report_.next_segment_number = headers_[nth].segment_number;
        const bool is_newest = nth + 1 == headers_.size();
        const bool is_done = (headers_[nth].features_incompat & kFeatureCompressed) != 0;
        const bool is_empty =
            !is_newest && headers_[nth + 1].previous.end_offset <= kBlockSizeBytes;
        if (is_newest || is_done || is_empty) {
            (void)keep_segment();
            continue;
        }
        auto done = compress_segment(headers_[nth], headers_[nth + 1].previous);
        if (done) continue;
        if (done.error().code != ErrorCode::corrupt) return done.error();
        (void)keep_segment();
        if (!report_.damage) report_.damage = done.error();
    }
    return report_;
}

}  // namespace

bool can_compress() noexcept {
    return has_compression();
}

Result<CompressReport> compress(const std::string& directory,
                                const CompressOptions& options) noexcept {
    if (!has_compression()) {
        return make_error(
            ErrorCode::unsupported,
            "this Tailrace was built without zstd, so it can't compress '" + directory + "'",
            "install libzstd-dev and build again");
    }
    auto listing = list_journal(posix_files(), directory);
    if (!listing) return listing.error();
    if (listing->segment_numbers.empty() && !listing->has_super) {
        return make_error(ErrorCode::not_found,
                          "there is no journal in '" + directory + "'",
                          "'tailrace record' makes one");
    }
    auto lock = FileLock::try_lock(lock_path(directory), kCompressorByte);
    if (!lock && lock.error().code == ErrorCode::busy) {
        return make_error(ErrorCode::busy,
                          "the journal '" + directory + "' is being compressed already",
                          "wait until that is done");
    }
    if (!lock) return lock.error();
    return Compressor(posix_files(), directory, options).run();
}

}  // namespace tailrace::journal
