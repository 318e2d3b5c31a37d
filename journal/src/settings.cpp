#include "file_owner.hpp"
#include "posix_files.hpp"
#include "segment_directory.hpp"

#include <tailrace/journal/compress.hpp>
#include <tailrace/journal/settings.hpp>

#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>

namespace tailrace::journal {

namespace {

constexpr std::uint64_t kMostFileBytes = 64U << 10;

using NumberField = std::optional<std::uint64_t> JournalSettings::*;
struct NumberName {
    std::string_view name;
    NumberField field;
};
constexpr std::array<NumberName, 5> kNumbers = {{
    {"sync_interval_ns", &JournalSettings::sync_interval_ns},
    {"retain_size_bytes", &JournalSettings::retain_size_bytes},
    {"retain_age_ns", &JournalSettings::retain_age_ns},
    {"segment_size_bytes", &JournalSettings::segment_size_bytes},
    {"compress_level", &JournalSettings::compress_level},
}};
constexpr std::string_view kSyncName = "sync";

std::string_view trimmed(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
        text.remove_suffix(1);
    return text;
}

bool set_number(std::optional<std::uint64_t>& field, std::string_view value) noexcept {
    std::uint64_t number = 0;
    const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (failure != std::errc{} || end != value.data() + value.size()) return false;
    field = number;
    return true;
}

// False when the line isn't understood. A name that isn't known is of a newer version: no harm.
bool take_line(JournalSettings& settings, std::string_view line) noexcept {
    line = trimmed(line);
    if (line.empty() || line.front() == '#') return true;
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) return false;
    const std::string_view name = trimmed(line.substr(0, equals));
    const std::string_view value = trimmed(line.substr(equals + 1));
    for (const NumberName& number : kNumbers) {
        if (name == number.name) return set_number(settings.*number.field, value);
    }
    if (name != kSyncName) return true;
    for (const SyncPolicy policy : {SyncPolicy::group, SyncPolicy::interval, SyncPolicy::none}) {
        if (value != sync_policy_name(policy)) continue;
        settings.sync_policy = policy;
        return true;
    }
    return false;
}

std::string text_of(const JournalSettings& settings) {
    std::string text = "# How this journal is written; made by tailrace create.\n";
    const auto add = [&text](std::string_view name, std::string_view value) {
        text.append(name).append(" = ").append(value).append("\n");
    };
    if (settings.sync_policy) add(kSyncName, sync_policy_name(*settings.sync_policy));
    for (const NumberName& number : kNumbers) {
        const auto& value = settings.*number.field;
        if (value) add(number.name, std::to_string(*value));
    }
    return text;
}

}  // namespace

std::string_view sync_policy_name(SyncPolicy policy) noexcept {
    switch (policy) {
        case SyncPolicy::group:
            return "group";
        case SyncPolicy::interval:
            return "interval";
        case SyncPolicy::none:
            return "none";
    }
    return "unknown";
}

bool JournalSettings::is_empty() const noexcept {
    return !sync_policy && !sync_interval_ns && !retain_size_bytes && !retain_age_ns &&
           !segment_size_bytes && !compress_level;
}

void JournalSettings::put(const JournalSettings& other) noexcept {
    if (other.sync_policy) {
        sync_policy = other.sync_policy;
        sync_interval_ns = other.sync_interval_ns;
    }
    if (other.retain_size_bytes) retain_size_bytes = other.retain_size_bytes;
    if (other.retain_age_ns) retain_age_ns = other.retain_age_ns;
    if (other.segment_size_bytes) segment_size_bytes = other.segment_size_bytes;
    if (other.compress_level) compress_level = other.compress_level;
}

void JournalSettings::apply_to(JournalOptions& options) const noexcept {
    options.sync_policy = sync_policy.value_or(options.sync_policy);
    options.sync_interval_ns = sync_interval_ns.value_or(options.sync_interval_ns);
    options.retain_size_bytes = retain_size_bytes.value_or(options.retain_size_bytes);
    options.retain_age_ns = retain_age_ns.value_or(options.retain_age_ns);
    options.segment_size_bytes = segment_size_bytes.value_or(options.segment_size_bytes);
}

Result<void> check_settings(const JournalSettings& settings) {
    const std::uint64_t segment = settings.segment_size_bytes.value_or(kDefaultSegmentSizeBytes);
    if (segment < kMinSegmentSizeBytes || segment > kMaxSegmentSizeBytes ||
        segment % kBlockSizeBytes != 0) {
        return invalid_argument("a segment can't have " + std::to_string(segment) + " bytes",
                                "choose a multiple of 4096 from 1 MiB to 64 GiB");
    }
    const std::uint64_t retained = settings.retain_size_bytes.value_or(0);
    if (retained != 0 && retained < 2 * segment) {
        return invalid_argument("a journal can't be kept within " + std::to_string(retained) +
                                    " bytes: two segments of " + std::to_string(segment) +
                                    " are the least",
                                "keep more, or choose smaller segments");
    }
    if (settings.sync_policy == SyncPolicy::interval &&
        settings.sync_interval_ns.value_or(1) == 0) {
        return invalid_argument("an interval of nothing is asked for between flushes",
                                "group flushes all the time; interval=5ms at most every 5 ms");
    }
    if (settings.compress_level.value_or(0) > std::uint64_t{kSmallestLevel}) {
        return invalid_argument(
            "segments can't be compressed at level " + std::to_string(*settings.compress_level),
            "levels go from 1 (fast) to 19 (small); 0: don't compress");
    }
    if (settings.compress_level.value_or(0) != 0 && !can_compress()) {
        return make_error(ErrorCode::unsupported,
                          "this Tailrace was built without zstd, so it can't compress segments",
                          "install libzstd-dev and build again, or say '--compress off'");
    }
    return {};
}

Result<JournalSettings> load_settings(const std::string& directory) {
    const std::string path = settings_path(directory);
    auto file = open_file(posix_files(), path, {});
    if (!file) {
        if (file.error().code == ErrorCode::not_found) return JournalSettings{};
        return file.error();
    }
    const IoOutcome size = posix_files().size_bytes(file->id());
    if (!size.ok()) return os_error(size.os_errno, "cannot look at '" + path + "'");
    std::string text(std::min(size.value, kMostFileBytes), '\0');
    const IoOutcome outcome =
        posix_files().read(file->id(), 0, std::as_writable_bytes(std::span(text)));
    if (!outcome.ok()) return os_error(outcome.os_errno, "cannot read '" + path + "'");
    text.resize(outcome.value);

    JournalSettings settings;
    std::uint64_t number = 0;
    for (std::string_view rest = text; !rest.empty();) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        ++number;
        if (!take_line(settings, rest.substr(0, end))) {
            return make_error(ErrorCode::corrupt,
                              "line " + std::to_string(number) + " of '" + path +
                                  "' isn't understood: '" + std::string(rest.substr(0, end)) + "'",
                              "correct it, or remove the file to go back to the defaults");
        }
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return settings;
}

// A new file under another name first: a crash leaves the old settings or the new ones.
Result<void> save_settings(const std::string& directory,
                           const JournalSettings& settings,
                           const JournalAccess& access) {
    if (auto fine = check_settings(settings); !fine) return fine.error();
    bool made = false;
    if (const int refusal = make_journal_directory(directory, access, made); refusal != 0) {
        return os_error(refusal,
                        "cannot make the directory '" + directory + "'",
                        "check the path and its permissions with 'ls -ld'");
    }
    PosixFiles& files = posix_files();
    const std::string path = settings_path(directory);
    const std::string fresh = path + ".new";
    auto file = open_file(files, fresh, {.write = true, .create = true});
    if (!file) return file.error();
    give(file->id(), access);
    const std::string text = text_of(settings);
    IoOutcome outcome = files.write(file->id(), 0, std::as_bytes(std::span(text)));
    if (outcome.ok()) outcome = files.sync(file->id());
    if (outcome.ok()) outcome = files.rename(fresh, path);
    if (outcome.ok()) outcome = files.sync_directory(directory);
    if (outcome.ok()) return {};
    return os_error(outcome.os_errno, "cannot write '" + path + "'", "'df' shows what is left");
}

}  // namespace tailrace::journal
