// The salt of the ring from which an event of a journal came: what tells histories apart. Any
// thread.
#pragma once

#include <tailrace/base/event_header.hpp>
#include <tailrace/journal/reader.hpp>

#include <cstdint>
#include <string>

namespace tailrace::bridge {

// Of the event before `sequence`; 0: it isn't there, or in a gap.
[[nodiscard]] inline std::uint64_t salt_before(const std::string& directory, Sequence sequence) {
    if (sequence == 0) return 0;
    auto log = journal::Reader::open(directory);
    if (!log || !log->seek_sequence(sequence - 1)) return 0;
    const auto step = log->next_batch();
    if (!step || step->kind != journal::ReadKind::event) return 0;
    return step->batch.first_sequence < sequence ? step->batch.record_salt : 0;
}

}  // namespace tailrace::bridge
