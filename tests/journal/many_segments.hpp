// Journals of many segments, and retention by hand.
#pragma once

#include "journal_fixture.hpp"
#include "posix_files.hpp"
#include "segment_directory.hpp"

#include <tailrace/base/check.hpp>

#include <filesystem>
#include <string>

namespace tailrace::journal {

// Appends until about so many segments were begun, sixteen events to each, and leaves the journal
// as a kill does.
inline void write_segments(const JournalOptions& options, std::uint64_t count) {
    EventShape shape;
    shape.payload_bytes = static_cast<std::uint32_t>(options.segment_size_bytes / 18);
    auto writer = Writer::open(options);
    TAILRACE_CHECK(writer.has_value());
    const Sequence end = writer->next_sequence() + count * 16;
    while (writer->next_sequence() < end) {
        TAILRACE_CHECK(append_all(*writer, make_events(writer->next_sequence(), 4, shape)));
        TAILRACE_CHECK(writer->sync(30 * kSecondNs).has_value());
    }
}

inline SuperBlock super_of(const std::string& directory) {
    auto state = read_super(posix_files(), directory, Access::reading);
    TAILRACE_CHECK(state.has_value() && state->newest.has_value());
    return *state->newest;
}

// As retention does it: first SUPER, flushed, then the files.
inline void give_up_below(const std::string& directory, std::uint64_t oldest) {
    SuperBlock super = super_of(directory);
    super.oldest_segment_number = oldest;
    for (int slot = 0; slot < 2; ++slot) {
        ++super.generation;
        TAILRACE_CHECK(write_super(posix_files(), directory, super).has_value());
    }
    for (std::uint64_t number = 1; number < oldest; ++number)
        std::filesystem::remove(segment_path(directory, number));
}

}  // namespace tailrace::journal
