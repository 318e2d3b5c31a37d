#include "doomed_journal.hpp"

#include "command.hpp"
#include "journal_place.hpp"
#include "stop_signal.hpp"
#include "units.hpp"

#include <tailrace/base/directory_identity.hpp>
#include <tailrace/bus/region.hpp>

#include <fmt/format.h>
#include <utility>
#include <vector>

namespace tailrace::tool {

namespace {

constexpr std::uint64_t kRecorderEndsNs = 10'000'000'000;

std::string quoted_names(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names)
        text += fmt::format("{}'{}'", text.empty() ? "" : ", ", tame(name));
    return text;
}

std::string events_text(const journal::JournalContent& content) {
    if (content.is_half_removed) return "half removed already";
    if (content.refusal) return "how many events nothing says: " + content.refusal->message;
    return fmt::format("{} [{}, {})",
                       counted(content.end_sequence - content.first_sequence, "event"),
                       content.first_sequence,
                       content.end_sequence);
}

}  // namespace

bool is_journal_directory_meant(const std::string& target) {
    return target.find('/') != std::string::npos && directory_identity(target).has_value();
}

Result<journal::JournalContent> look_at_doomed_directory(const std::string& target) {
    auto content = journal::look_at_content(absolute_path(target));
    if (!content || content->stream_name.empty()) return content;
    const auto region =
        bus::Region::open(content->stream_name, bus::RegionAccess::observe, settings().directory);
    if (!region) return content;
    const std::string named = journal_directory_of((*region)->header());
    const bool is_it =
        !named.empty() && directory_identity(named) == directory_identity(content->directory);
    if (!is_it) return content;
    return make_error(
        ErrorCode::busy,
        fmt::format("'{}' is the journal of stream '{}'", content->directory, content->stream_name),
        fmt::format("tailrace rm {} --journal", content->stream_name));
}

Result<std::optional<journal::JournalContent>> find_doomed_journal(
    const std::string& stream, const bus::StreamHeader* header) {
    const std::string named = header != nullptr ? journal_directory_of(*header) : "";
    const std::string directory = named.empty() ? usual_journal_directory(stream) : named;
    auto content = journal::look_at_content(directory);
    if (!content && content.error().code == ErrorCode::not_found)
        return std::optional<journal::JournalContent>();
    if (!content) return content.error();
    return std::optional(std::move(*content));
}

std::string content_text(const journal::JournalContent& content) {
    std::string text = fmt::format("the journal {} ({}, {}",
                                   content.directory,
                                   events_text(content),
                                   size_text(content.allocated_bytes));
    if (!content.cursors.empty()) {
        text += fmt::format(", {} {}",
                            content.cursors.size() == 1 ? "cursor" : "cursors",
                            quoted_names(content.cursors));
    }
    return text + ")";
}

Result<RemovedContent> remove_doomed(const journal::JournalContent& content, bool force) {
    journal::RemovalOptions options;
    options.force = force;
    options.patience_ns = force ? kRecorderEndsNs : 0;
    options.stop = stop_requested;
    auto outcome = journal::remove_journal(content.directory, options);
    if (!outcome) return outcome.error();
    return RemovedContent{content, std::move(*outcome)};
}

void print_removed(const RemovedContent& removed) {
    if (removed.outcome.is_stopped) {
        warn(fmt::format("{} is half removed; tailrace rm {}/ --yes ends it",
                         removed.content.directory,
                         removed.content.directory));
        return;
    }
    report_done(fmt::format("removed {}", content_text(removed.content)));
    for (const std::string& name : removed.outcome.other_names) {
        report_done(fmt::format("stays   {}/{}: not the journal's{}",
                                removed.content.directory,
                                tame(name),
                                name == "repaired" ? ", but what a repair kept of it" : ""));
    }
}

Json json_of(const RemovedContent& removed) {
    const journal::JournalContent& content = removed.content;
    Json document;
    document["journal"] = content.directory;
    document["complete"] = !removed.outcome.is_stopped;
    const bool is_known = !content.refusal;
    document["first_seq"] = is_known ? Json(content.first_sequence) : Json();
    document["end_seq"] = is_known ? Json(content.end_sequence) : Json();
    document["files"] = removed.outcome.file_count;
    document["bytes"] = content.allocated_bytes;
    document["cursors"] = content.cursors;
    document["stays"] = removed.outcome.other_names;
    return document;
}

}  // namespace tailrace::tool
