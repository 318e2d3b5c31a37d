// JournalSettings: how a journal wants to be written, kept in its directory for every writer to
// come.
//
// The file `SETTINGS`: lines of `name = value`, for people too; it survives the ring and a reboot.
// A writer doesn't read it by itself: whoever opens one loads the settings and puts them into its
// options. Law: docs/journal_format.md, "Settings". Any thread; replaced as a whole.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/journal/writer.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace tailrace::journal {

// What isn't given is left to the writer's defaults.
struct JournalSettings {
    std::optional<SyncPolicy> sync_policy;
    std::optional<std::uint64_t> sync_interval_ns;
    std::optional<std::uint64_t> retain_size_bytes;
    std::optional<std::uint64_t> retain_age_ns;
    std::optional<std::uint64_t> segment_size_bytes;
    // Of zstd, 1 to 19: sealed segments are compressed while the journal is written; 0: they
    // aren't. Not the writer's business but of who runs it (RecorderOptions).
    std::optional<std::uint64_t> compress_level;

    [[nodiscard]] bool is_empty() const noexcept;
    // Takes over what `other` gives.
    void put(const JournalSettings& other) noexcept;
    void apply_to(JournalOptions& options) const noexcept;
};

[[nodiscard]] std::string_view sync_policy_name(SyncPolicy policy) noexcept;

// Values that a writer would refuse, and those that can't be meant: `invalid_argument`.
[[nodiscard]] Result<void> check_settings(const JournalSettings& settings);

// Without the file: empty settings. Error `corrupt` names the line that isn't understood.
[[nodiscard]] Result<JournalSettings> load_settings(const std::string& directory);
// Makes the directory when it isn't there, with this access.
[[nodiscard]] Result<void> save_settings(const std::string& directory,
                                         const JournalSettings& settings,
                                         const JournalAccess& access = {});

}  // namespace tailrace::journal
