#include "catalogue_lookup.hpp"

#include "segment_directory.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace tailrace::journal {

namespace {

// So much is read at once, and kept: a thousand segments.
constexpr std::uint64_t kWholeBytes = 64U << 10;
// Of a larger one so many entries at a time.
constexpr std::uint64_t kBlockEntries = 64;

bool begins_before_sequence(const CatalogueEntry& entry, std::uint64_t sequence) noexcept {
    return entry.first_sequence <= sequence;
}
bool begins_before_time(const CatalogueEntry& entry, std::uint64_t time_ns) noexcept {
    return entry.floor_time_ns < time_ns;
}

// A catalogue as it lies in its file, one block of entries after the other.
class CataloguePages {
public:
    CataloguePages(FileStore& files, StoredFile file, std::string path, std::uint64_t size_bytes)
        : files_(files),
          file_(std::move(file)),
          path_(std::move(path)) {
        std::array<std::byte, sizeof(CatalogueHeader)> bytes{};
        const IoOutcome outcome = files_.read(file_.id(), 0, bytes);
        if (!outcome.ok() || outcome.value < bytes.size()) return;
        const auto decoded = decode_catalogue(bytes, path_);
        if (!decoded) return;
        header_ = decoded->header;
        const std::uint64_t entries =
            std::min(kMaxCatalogueEntries, (size_bytes - sizeof(header_)) / sizeof(CatalogueEntry));
        block_count_ = (entries + kBlockEntries - 1) / kBlockEntries;
    }

    [[nodiscard]] const CatalogueHeader& header() const noexcept { return header_; }
    [[nodiscard]] std::uint64_t block_count() const noexcept { return block_count_; }

    // The entries of it that count; none, when it can't be read.
    [[nodiscard]] std::vector<CataloguedSegment> block(std::uint64_t nth) {
        const std::uint64_t first = nth * kBlockEntries;
        std::vector<std::byte> bytes(catalogue_entry_offset(kBlockEntries));
        const CatalogueHeader header =
            make_catalogue_header(header_.journal_id, header_.first_number + first);
        std::memcpy(bytes.data(), &header, sizeof(header));
        const IoOutcome outcome = files_.read(
            file_.id(), catalogue_entry_offset(first), std::span(bytes).subspan(sizeof(header)));
        if (!outcome.ok()) return {};
        bytes.resize(sizeof(header) + outcome.value);
        auto decoded = decode_catalogue(bytes, path_);
        if (!decoded) return {};
        return std::move(decoded->segments);
    }

private:
    FileStore& files_;
    StoredFile file_;
    std::string path_;
    CatalogueHeader header_{};
    std::uint64_t block_count_ = 0;
};

}  // namespace

void CatalogueLookup::read(const Question& question, std::uint64_t place) {
    segments_.clear();
    const std::string path = catalogue_path(directory_);
    auto file = open_file(*files_, path, {});
    if (!file) return;
    const IoOutcome size = files_->size_bytes(file->id());
    if (!size.ok()) return;
    if (size.value > kWholeBytes) {
        CataloguePages pages(*files_, std::move(*file), path, size.value);
        if (pages.block_count() == 0 || pages.header().journal_id != journal_id_) return;
        std::uint64_t low = 0;
        std::uint64_t high = pages.block_count();
        while (high - low > 1) {
            const std::uint64_t middle = low + (high - low) / 2;
            const auto block = pages.block(middle);
            if (block.empty()) return;  // then the headers are asked
            (question.begins_before(block.front().entry, place) ? low : high) = middle;
        }
        segments_ = pages.block(low);
    } else {
        file->reset();
        auto catalogue = read_catalogue(*files_, directory_);
        if (!catalogue || catalogue->header.journal_id != journal_id_) return;
        segments_ = std::move(catalogue->segments);
    }
    std::erase_if(segments_, [this](const CataloguedSegment& segment) {
        return segment.number < oldest_number_;
    });
}

std::optional<CataloguedSegment> CatalogueLookup::find_or_read(const Question& question,
                                                               std::uint64_t place) {
    if (auto found = (this->*question.find)(place)) return found;
    read(question, place);
    return (this->*question.find)(place);
}

std::optional<CataloguedSegment> CatalogueLookup::with_sequence(Sequence sequence) {
    return find_or_read({&CatalogueLookup::find_sequence, begins_before_sequence}, sequence);
}

std::optional<CataloguedSegment> CatalogueLookup::with_time(std::uint64_t time_ns) {
    return find_or_read({&CatalogueLookup::find_time, begins_before_time}, time_ns);
}

std::optional<CataloguedSegment> CatalogueLookup::find_sequence(std::uint64_t sequence) const {
    const auto behind =
        std::partition_point(segments_.begin(), segments_.end(), [&](const auto& segment) {
            return begins_before_sequence(segment.entry, sequence);
        });
    if (behind == segments_.begin()) return std::nullopt;
    const CataloguedSegment& found = *(behind - 1);
    if (sequence >= found.entry.end_sequence) return std::nullopt;
    return found;
}

std::optional<CataloguedSegment> CatalogueLookup::find_time(std::uint64_t time_ns) const {
    const auto behind =
        std::partition_point(segments_.begin(), segments_.end(), [&](const auto& segment) {
            return begins_before_time(segment.entry, time_ns);
        });
    if (behind == segments_.begin()) return std::nullopt;
    const CataloguedSegment& found = *(behind - 1);
    if (time_ns > found.entry.max_time_ns) return std::nullopt;
    return found;
}

}  // namespace tailrace::journal
