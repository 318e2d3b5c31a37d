#include "journal_flags.hpp"

#include "option_text.hpp"
#include "units.hpp"

#include <tailrace/journal/compress.hpp>

#include <fmt/format.h>
#include <string_view>

namespace tailrace::tool {

namespace {

Result<void> set_sync(journal::JournalSettings& settings, const std::string& text) {
    constexpr std::string_view kInterval = "interval=";
    if (text == "group") {
        settings.sync_policy = journal::SyncPolicy::group;
        return {};
    }
    if (text == "none") {
        settings.sync_policy = journal::SyncPolicy::none;
        return {};
    }
    if (text.starts_with(kInterval)) {
        auto interval_ns = parse_duration_ns(std::string_view(text).substr(kInterval.size()));
        if (!interval_ns) return interval_ns.error();
        settings.sync_policy = journal::SyncPolicy::interval;
        settings.sync_interval_ns = *interval_ns;
        return {};
    }
    return make_error(ErrorCode::invalid_argument,
                      fmt::format("--sync '{}' is not a policy", text),
                      "--sync group (always), interval=5ms, or none");
}

Result<std::uint64_t> parse_level(std::string_view text) {
    if (text == "off") return std::uint64_t{0};
    const auto level = whole_number<std::uint64_t>(text);
    if (level && *level >= journal::kFastestLevel && *level <= journal::kSmallestLevel)
        return *level;
    return make_error(ErrorCode::invalid_argument,
                      fmt::format("'{}' is not a level of compression", text),
                      "1 (fast) to 19 (small), or off");
}

}  // namespace

void JournalFlags::add_to(CLI::App& command) {
    command
        .add_option("--sync", sync, "When to flush: group (always; default), interval=5ms, none")
        ->type_name("POLICY");
    add_parsed(command,
               "--retain-bytes",
               retain_size_bytes,
               parse_size_bytes,
               "Keep at most so much (default: all)");
    add_parsed(command,
               "--retain-age",
               retain_age_ns,
               parse_duration_ns,
               "Keep what was recorded in this time (default: all)");
    add_parsed(command,
               "--segment,--segment-size",
               segment_size_bytes,
               parse_size_bytes,
               "Size of a segment (default: 4 rings)")
        ->group(kRareOptions);
    add_parsed(command,
               "--compress",
               compress_level,
               parse_level,
               "Compress sealed segments while recording: 1 (fast) to 19 (small), off (default)")
        ->type_name("LEVEL")
        ->group(kRareOptions);
}

Result<journal::JournalSettings> JournalFlags::settings() const {
    journal::JournalSettings settings;
    settings.retain_size_bytes = retain_size_bytes;
    settings.retain_age_ns = retain_age_ns;
    settings.segment_size_bytes = segment_size_bytes;
    settings.compress_level = compress_level;
    if (!sync.empty()) {
        if (auto set = set_sync(settings, sync); !set) return set.error();
    }
    return settings;
}

Result<void> apply_settings(stream::RecorderOptions& options,
                            const journal::JournalSettings& said) {
    auto kept = journal::load_settings(options.journal.directory);
    if (!kept) return kept.error();
    kept->put(said);
    if (auto fine = journal::check_settings(*kept); !fine) return fine.error();
    kept->apply_to(options.journal);
    options.compress_level = static_cast<int>(kept->compress_level.value_or(0));
    return {};
}

}  // namespace tailrace::tool
