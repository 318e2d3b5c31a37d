#include "catalogue_file.hpp"

#include "segment_census.hpp"
#include "segment_directory.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tailrace::journal {

namespace {

constexpr std::uint64_t kFewEntries = 1024;

std::string new_name(const std::string& path) {
    return path + ".new";
}

}  // namespace

std::string catalogue_path(const std::string& directory) {
    return directory + "/CATALOGUE";
}

void CatalogueFile::add(const CataloguedSegment& segment) {
    if (!segments_.empty() && segment.number != segments_.back().number + 1) {
        segments_.clear();
        written_ = 0;
    }
    segments_.push_back(segment);
}

void CatalogueFile::write(const JournalId& journal_id, std::uint64_t oldest_number) noexcept {
    if (segments_.empty()) return;
    const std::uint64_t first = segments_.front().number;
    const std::uint64_t gone = oldest_number > first ? oldest_number - first : 0;
    const bool is_mostly_gone =
        gone >= kFewEntries && gone >= segments_.size() - std::min(segments_.size(), gone);
    const bool is_full = segments_.size() > kMaxCatalogueEntries;
    if (written_ > 0 && !is_mostly_gone && !is_full && append(journal_id)) return;
    written_ = 0;
    if (rewrite(journal_id, oldest_number)) return;
    // What can't be kept up to date had better not be there.
    (void)files_->remove(catalogue_path(directory_));
}

bool CatalogueFile::append(const JournalId& journal_id) noexcept {
    const IoOutcome opened = files_->open(catalogue_path(directory_), {.write = true});
    if (!opened.ok()) return false;
    const StoredFile file(*files_, static_cast<FileId>(opened.value));
    for (; written_ < segments_.size(); ++written_) {
        const CatalogueEntry entry = sealed_entry(journal_id, segments_[written_]);
        const IoOutcome outcome = files_->write(
            file.id(), catalogue_entry_offset(written_), std::as_bytes(std::span(&entry, 1)));
        if (!outcome.ok()) return false;
    }
    return true;
}

bool CatalogueFile::rewrite(const JournalId& journal_id, std::uint64_t oldest_number) {
    // Room for as many again before the next time.
    const std::uint64_t newest = segments_.back().number;
    const std::uint64_t first =
        std::max(oldest_number, newest - std::min(newest, kMaxCatalogueEntries / 2));
    std::erase_if(segments_,
                  [first](const CataloguedSegment& segment) { return segment.number < first; });
    if (segments_.empty()) return false;
    const CatalogueHeader header = make_catalogue_header(journal_id, segments_.front().number);
    std::vector<std::byte> bytes(catalogue_entry_offset(segments_.size()));
    std::memcpy(bytes.data(), &header, sizeof(header));
    for (std::size_t slot = 0; slot < segments_.size(); ++slot) {
        const CatalogueEntry entry = sealed_entry(journal_id, segments_[slot]);
        std::memcpy(bytes.data() + catalogue_entry_offset(slot), &entry, sizeof(entry));
    }
    const std::string path = catalogue_path(directory_);
    const IoOutcome opened = files_->open(new_name(path), {.write = true, .create = true});
    if (!opened.ok()) return false;
    StoredFile file(*files_, static_cast<FileId>(opened.value));
    IoOutcome outcome = files_->write(file.id(), 0, bytes);
    file.reset();
    if (outcome.ok()) outcome = files_->rename(new_name(path), path);
    if (!outcome.ok()) (void)files_->remove(new_name(path));
    if (outcome.ok()) written_ = segments_.size();
    return outcome.ok();
}

Result<Catalogue> read_catalogue(FileStore& files, const std::string& directory) {
    const std::string path = catalogue_path(directory);
    auto file = open_file(files, path, {});
    if (!file) return file.error();
    const IoOutcome size = files.size_bytes(file->id());
    if (!size.ok()) return os_error(size.os_errno, "cannot look at '" + path + "'");
    std::vector<std::byte> bytes(std::min(size.value, kMaxCatalogueBytes));
    const IoOutcome outcome = files.read(file->id(), 0, bytes);
    if (!outcome.ok()) return os_error(outcome.os_errno, "cannot read '" + path + "'");
    bytes.resize(outcome.value);
    // A power cut may leave the name of one that was never written.
    if (is_zero(bytes)) return os_error(ENOENT, "'" + path + "' is blank");
    return decode_catalogue(bytes, path);
}

std::vector<CataloguedSegment> catalogued(std::span<const SegmentHeader> segments) {
    std::vector<CataloguedSegment> all;
    for (std::size_t nth = 0; nth + 1 < segments.size(); ++nth) {
        const SegmentHeader& successor = segments[nth + 1];
        const bool follows = successor.segment_number == segments[nth].segment_number + 1 &&
                             successor.previous.salt == segments[nth].salt;
        if (follows) all.push_back(catalogued(segments[nth], successor));
    }
    return all;
}

CatalogueCheck check_catalogue(FileStore& files,
                               const std::string& directory,
                               std::span<const SegmentHeader> segments) {
    CatalogueCheck check;
    if (segments.empty()) return check;
    const auto expected = catalogued(segments);
    auto found = read_catalogue(files, directory);
    check.missing_entries = expected.size();
    if (!found) {
        if (found.error().code == ErrorCode::corrupt) check.text = found.error().message;
        return check;
    }
    const std::string subject = "the catalogue '" + catalogue_path(directory) + "' ";
    if (found->header.journal_id != segments.front().journal_id) {
        check.text = subject + "is that of another journal";
        return check;
    }
    check.wrong_entries = found->damaged_entries;
    for (const CataloguedSegment& segment : expected) {
        const auto known =
            std::lower_bound(found->segments.begin(),
                             found->segments.end(),
                             segment.number,
                             [](const CataloguedSegment& candidate, std::uint64_t number) {
                                 return candidate.number < number;
                             });
        if (known == found->segments.end() || known->number != segment.number) continue;
        --check.missing_entries;
        const CatalogueEntry entry = sealed_entry(found->header.journal_id, segment);
        if (std::memcmp(&entry, &known->entry, sizeof(entry)) != 0) ++check.wrong_entries;
    }
    if (check.wrong_entries > 0) {
        check.text = subject + "has " + std::to_string(check.wrong_entries) +
                     " entries that say something else than the segments";
    }
    return check;
}

void rebuild_catalogue(FileStore& files, const std::string& directory) {
    auto census = take_census(files, directory);
    if (!census) return;
    std::vector<SegmentHeader> segments;
    for (const std::uint64_t number : census->listing.segment_numbers) {
        const std::string path = segment_path(directory, number);
        auto file = open_file(files, path, {});
        if (!file) return;
        auto header = read_segment_header(files, *file, path, Access::reading);
        if (!header) return;
        segments.push_back(*header);
    }
    if (segments.empty()) return;
    CatalogueFile catalogue(files, directory);
    for (const CataloguedSegment& segment : catalogued(segments))
        catalogue.add(segment);
    catalogue.write(segments.front().journal_id, segments.front().segment_number);
}

}  // namespace tailrace::journal
