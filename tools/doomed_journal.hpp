// DoomedJournal: a journal that `tailrace rm` is told to remove: found, described, removed.
#pragma once

#include "output.hpp"

#include <tailrace/base/result.hpp>
#include <tailrace/bus/layout.hpp>
#include <tailrace/journal/removal.hpp>

#include <optional>
#include <string>

namespace tailrace::tool {

// A path, and a directory is there: a stream's name has no slash, so what stands in the working
// directory is never meant by one.
[[nodiscard]] bool is_journal_directory_meant(const std::string& target);

// Error `busy` when a stream that is there has its journal in it.
[[nodiscard]] Result<journal::JournalContent> look_at_doomed_directory(const std::string& target);

// The journal of a stream, by its header or in the usual place; nothing where it has none.
[[nodiscard]] Result<std::optional<journal::JournalContent>> find_doomed_journal(
    const std::string& stream, const bus::StreamHeader* header);

// "the journal /j/orders (1,000 events [0, 1000), 12 MiB, cursor 'night')"
[[nodiscard]] std::string content_text(const journal::JournalContent& content);

struct RemovedContent {
    journal::JournalContent content;  // as it was before
    journal::RemovedJournal outcome;
};

// With `force` a recorder that was just told that its stream is gone has some time to end.
[[nodiscard]] Result<RemovedContent> remove_doomed(const journal::JournalContent& content,
                                                   bool force);

void print_removed(const RemovedContent& removed);
[[nodiscard]] Json json_of(const RemovedContent& removed);

}  // namespace tailrace::tool
