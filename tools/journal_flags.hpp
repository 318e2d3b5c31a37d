// JournalFlags: the options by which commands say how a journal is written: --sync, --retain-bytes,
// --retain-age, --segment-size, --compress.
#pragma once

#include "command.hpp"

#include <tailrace/journal/settings.hpp>
#include <tailrace/observe/journal_figures.hpp>
#include <tailrace/stream/recorder.hpp>

#include <optional>
#include <string>

namespace tailrace::tool {

struct JournalFlags {
    std::string sync;
    std::optional<std::uint64_t> retain_size_bytes;
    std::optional<std::uint64_t> retain_age_ns;
    std::optional<std::uint64_t> segment_size_bytes;
    std::optional<std::uint64_t> compress_level;

    void add_to(CLI::App& command);
    // What was given, checked.
    [[nodiscard]] Result<journal::JournalSettings> settings() const;
};

// Fills in what the settings kept in `options.journal.directory` say, unless `said` says otherwise
// for this time. Error: those of load_settings() and check_settings().
[[nodiscard]] Result<void> apply_settings(stream::RecorderOptions& options,
                                          const journal::JournalSettings& said);

// How they are written to be given again.
using observe::compress_text;
using observe::sync_text;

}  // namespace tailrace::tool
