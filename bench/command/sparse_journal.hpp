// SparseJournal: a journal of many segments that takes little room. Files have their full size and
// indexes are as large as those of full segments, but only a few batches of each segment are there.
// Built from the format alone. Removed when it goes. One thread.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/journal/format.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace tailrace::bench {

class SparseJournal {
public:
    static constexpr std::uint64_t kSegmentBytes = std::uint64_t{256} << 20U;
    static constexpr std::uint64_t kBatchBytes = std::uint64_t{64} << 10U;

    // Where an event stands, and what leads there.
    struct Place {
        Sequence sequence = 0;
        std::uint64_t time_ns = 0;
        std::uint64_t batch_offset = 0;
        std::string segment_path;
        std::string index_path;
    };

    // Every `filled_step`-th segment holds something, from the first on.
    [[nodiscard]] static Result<SparseJournal> make(const std::string& directory,
                                                    std::uint64_t segments,
                                                    std::uint64_t filled_step = 1);
    SparseJournal(SparseJournal&& other) noexcept = default;
    SparseJournal& operator=(SparseJournal&&) = delete;
    SparseJournal(const SparseJournal&) = delete;
    SparseJournal& operator=(const SparseJournal&) = delete;
    ~SparseJournal();

    [[nodiscard]] const std::string& directory() const noexcept { return directory_; }
    [[nodiscard]] std::string catalogue_path() const { return directory_ + "/CATALOGUE"; }
    [[nodiscard]] std::uint64_t segments() const noexcept { return segments_; }
    [[nodiscard]] std::uint64_t index_bytes() const noexcept;
    [[nodiscard]] std::uint64_t catalogue_bytes() const noexcept;
    // An event in the `nth` segment, which holds something; another one for each `round`.
    [[nodiscard]] Place place(std::uint64_t nth, std::uint64_t round) const;

private:
    SparseJournal(std::string directory, std::uint64_t segments, std::uint64_t filled_step)
        : directory_(std::move(directory)),
          segments_(segments),
          filled_step_(filled_step) {}

    [[nodiscard]] Result<void> write() const;
    [[nodiscard]] Result<void> write_content(const journal::SegmentHeader& header) const;
    [[nodiscard]] Result<void> write_catalogue(
        const journal::JournalId& journal_id,
        const std::vector<journal::CatalogueEntry>& entries) const;
    [[nodiscard]] std::string numbered(std::uint64_t number, const char* suffix) const;

    std::string directory_;
    std::uint64_t segments_ = 0;  // sealed ones; an empty newest follows
    std::uint64_t filled_step_ = 1;
};

}  // namespace tailrace::bench
