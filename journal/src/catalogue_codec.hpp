// Encoding and checking the catalogue. Pure functions, any thread. Law: docs/journal_format.md,
// "The catalogue".
#pragma once

#include "batch_codec.hpp"

#include <tailrace/base/result.hpp>
#include <tailrace/journal/format.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tailrace::journal {

// What the catalogue says of one segment. A hint: it counts when the segment itself bears it out.
struct CataloguedSegment {
    std::uint64_t number = 0;
    CatalogueEntry entry{};
};

struct Catalogue {
    CatalogueHeader header{};
    std::uint64_t slot_count = 0;             // entries that there is room for
    std::vector<CataloguedSegment> segments;  // that count, ascending in number, sequence and time
    std::uint64_t damaged_entries = 0;        // that don't count, and aren't blank either
};

// Of a segment that ends there.
[[nodiscard]] CataloguedSegment catalogued(const SegmentHeader& segment,
                                           const LogPosition& end) noexcept;
// The same of one that has a successor.
[[nodiscard]] CataloguedSegment catalogued(const SegmentHeader& segment,
                                           const SegmentHeader& successor) noexcept;

[[nodiscard]] CatalogueHeader make_catalogue_header(const JournalId& journal_id,
                                                    std::uint64_t first_number) noexcept;
// With its checksum.
[[nodiscard]] CatalogueEntry sealed_entry(const JournalId& journal_id,
                                          const CataloguedSegment& segment) noexcept;
[[nodiscard]] constexpr std::uint64_t catalogue_entry_offset(std::uint64_t slot) noexcept {
    return sizeof(CatalogueHeader) + slot * sizeof(CatalogueEntry);
}
inline constexpr std::uint64_t kMaxCatalogueBytes = catalogue_entry_offset(kMaxCatalogueEntries);

// Error `corrupt` when its header can't be believed. Entries are judged one by one.
[[nodiscard]] Result<Catalogue> decode_catalogue(std::span<const std::byte> bytes,
                                                 const std::string& path);

}  // namespace tailrace::journal
