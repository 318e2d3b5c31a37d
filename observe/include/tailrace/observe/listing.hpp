// Listing: the streams of this machine, and the journals whose ring is gone. What `tailrace ls`
// tells. Reads only, any thread.
#pragma once

#include <tailrace/base/event_header.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/observe/figure.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tailrace::observe {

struct ListedStream {
    std::string stream;
    std::string state;  // "ok", "journal only", or the name of the error
    std::uint64_t capacity_bytes = 0;
    Sequence oldest_sequence = 0;
    Sequence end_sequence = 0;
    std::uint64_t publishers = 0;
    std::uint64_t readers = 0;
    std::string pages;                    // what the ring is made of
    std::string journal;                  // its directory, or empty
    std::string journal_state = "off";    // "on", "off", "stopped", "failed"
    std::string journal_missing;          // "hold", "go"; empty: no ring that names a journal
    std::uint64_t unrecorded_events = 0;  // lost already, since nobody records
    bool is_unrecorded = false;           // events wait in the ring for a recorder, or are lost
    std::string problem;                  // why it can't be read

    [[nodiscard]] bool has_ring() const noexcept { return state == "ok"; }
};

[[nodiscard]] std::span<const Figure<ListedStream>> listing_figures() noexcept;

// Streams whose rings are in `rings` (empty: the default) by name, then the journals in `journals`
// that none of them names: what is left of streams after a reboot. Error: `rings` can't be read.
[[nodiscard]] Result<std::vector<ListedStream>> list_streams(const std::string& rings,
                                                             const std::string& journals);

}  // namespace tailrace::observe
