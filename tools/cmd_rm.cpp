// tailrace rm: removes streams, and with --stale what crashes and reboots left behind. Journals
// stay, unless --journal or a journal's directory says that one is meant.

#include "command.hpp"
#include "commands.hpp"
#include "doomed_journal.hpp"
#include "journal_place.hpp"
#include "name_pattern.hpp"
#include "units.hpp"

#include <tailrace/base/sequence_range.hpp>
#include <tailrace/bus/journal_board.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/stream/recorder.hpp>

#include <system_error>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <utility>

namespace tailrace::tool {

namespace {

struct RmFlags {
    std::vector<std::string> targets;  // streams, and directories of journals
    bool yes = false;
    bool force = false;
    bool stale = false;
    bool with_journal = false;
};

// Asks on the terminal; elsewhere nobody can answer, so --yes is needed.
Result<bool> confirm(const std::string& question, const std::string& command) {
    if (!is_terminal(STDIN_FILENO) || !is_terminal(STDERR_FILENO)) {
        return make_error(ErrorCode::invalid_argument,
                          fmt::format("{} nobody is here to ask, so nothing was removed", question),
                          command + " --yes");
    }
    fmt::print(stderr, "{} [y/N] ", question);
    std::string answer;
    char c = 0;
    while (::read(STDIN_FILENO, &c, 1) == 1 && c != '\n')
        answer += c;
    return answer == "y" || answer == "Y" || answer == "yes";
}

// What was looked at when the removal was asked for, so that nothing else goes in its place.
struct Doomed {
    std::string target;
    bool has_ring = false;
    std::optional<bus::StreamHeader> header;         // none: it can't be read
    std::optional<Error> loss;                       // why events would be lost with the ring
    std::optional<journal::JournalContent> journal;  // that is to go too
};

// Streams that can't be used any more because they are of an earlier boot: all speaks for it.
Result<std::vector<std::string>> stale_streams() {
    auto names = bus::Region::list(settings().directory);
    if (!names) return names.error();
    std::vector<std::string> stale;
    for (const std::string& name : *names) {
        auto header = bus::Region::peek(name, settings().directory);
        if (!header && header.error().code == ErrorCode::stale) stale.push_back(name);
    }
    return stale;
}

// Events that only the ring has. A writer that runs keeps the stream by itself.
std::optional<Error> loss_of(const std::string& stream) {
    auto region = bus::Region::open(stream, bus::RegionAccess::observe, settings().directory);
    if (!region) return std::nullopt;  // of these nobody can read an event
    const std::string journal = journal_directory_of((*region)->header());
    const Sequence first = (*region)->header().first_sequence;
    const Sequence end = (*region)->tail().sequence;
    if (journal.empty() || end <= first || bus::has_journal_writer(**region)) return std::nullopt;
    const std::string hint = fmt::format(
        "tailrace record {0} journals them; tailrace rm {0} --yes --force gives them up", stream);
    auto next = stream::find_journal_end(journal);
    if (!next) {
        return make_error(ErrorCode::busy,
                          fmt::format("whether the events of stream '{}' are in its journal can't "
                                      "be told: {}",
                                      stream,
                                      next.error().message),
                          hint);
    }
    if (next->sequence >= end) return std::nullopt;
    const Sequence from = std::max(first, next->sequence);
    return make_error(ErrorCode::busy,
                      fmt::format("{} of stream '{}', sequence {}, are not in its journal "
                                  "{} yet",
                                  counted(end - from, "event"),
                                  stream,
                                  range_text(from, end),
                                  journal),
                      hint);
}

// Error not_found: there is none, nor a journal of that name that is to go.
Result<Doomed> look_at_stream(const std::string& stream, const RmFlags& flags) {
    if (auto checked = bus::check_stream_name(stream); !checked) return checked.error();
    Doomed doomed;
    doomed.target = stream;
    auto header = bus::Region::peek(stream, settings().directory, true);
    std::error_code failed;
    // Of one that lost its files the directory may be left.
    doomed.has_ring = header || header.error().code != ErrorCode::not_found ||
                      std::filesystem::is_directory(ring_directory_of(stream), failed);
    if (header) doomed.header = *header;
    if (flags.with_journal) {
        auto journal = find_doomed_journal(stream, doomed.header ? &*doomed.header : nullptr);
        if (!journal) return journal.error();
        doomed.journal = std::move(*journal);
        if (doomed.has_ring && !doomed.journal) say(fmt::format("'{}' has no journal", stream));
    } else {
        // With its journal everything is to go.
        doomed.loss = loss_of(stream);
        if (doomed.loss && !flags.force) return *doomed.loss;
    }
    if (!doomed.has_ring && !doomed.journal) return header.error();
    return doomed;
}

// Before anything is removed: a misspelt name must not leave half of the work done.
Result<std::vector<Doomed>> look_at(const RmFlags& flags) {
    std::vector<Doomed> all;
    for (const std::string& target : flags.targets) {
        if (!is_journal_directory_meant(target)) {
            auto doomed = look_at_stream(target, flags);
            if (!doomed) return doomed.error();
            all.push_back(std::move(*doomed));
            continue;
        }
        auto journal = look_at_doomed_directory(target);
        if (!journal) return journal.error();
        Doomed doomed;
        doomed.target = target;
        doomed.journal = std::move(*journal);
        all.push_back(std::move(doomed));
    }
    return all;
}

std::string question_about(const std::vector<Doomed>& all) {
    std::string text;
    for (const Doomed& one : all) {
        const std::string name =
            !one.journal   ? one.target
            : one.has_ring ? fmt::format("{} and {}", one.target, content_text(*one.journal))
                           : content_text(*one.journal);
        text += (text.empty() ? "" : ", ") + name;
    }
    return fmt::format("remove {}?", text);
}

// What is gone so far.
struct Removed {
    std::vector<std::string> streams;
    std::vector<RemovedContent> journals;
    std::uint64_t leftovers = 0;
};

void report(const Removed& removed) {
    if (settings().json()) {
        Json document;
        document["removed"] = removed.streams;
        document["leftovers_removed"] = removed.leftovers;
        for (const RemovedContent& journal : removed.journals)
            document["journals"].push_back(json_of(journal));
        out().write_json(document);
        return;
    }
    for (const std::string& name : removed.streams)
        report_done(fmt::format("removed stream {}", name));
    for (const RemovedContent& journal : removed.journals)
        print_removed(journal);
    if (removed.leftovers != 0) report_done(fmt::format("removed {} leftovers", removed.leftovers));
}

// The ring first: while anybody uses it, its journal stays too.
Result<ExitCode> remove_one(const Doomed& one, const RmFlags& flags, Removed& removed) {
    if (one.has_ring) {
        auto gone = bus::Region::unlink(
            one.target, flags.force, settings().directory, one.header ? &*one.header : nullptr);
        if (!gone) return gone.error();
        removed.streams.push_back(one.target);
        if (one.loss) warn(one.loss->message + ", and are gone");
    }
    if (!one.journal) return ExitCode::done;
    auto gone = remove_doomed(*one.journal, flags.force);
    if (!gone) return gone.error();
    const bool is_stopped = gone->outcome.is_stopped;
    removed.journals.push_back(std::move(*gone));
    return is_stopped ? ExitCode::interrupted : ExitCode::done;
}

Result<ExitCode> remove_all(const std::vector<Doomed>& all, const RmFlags& flags) {
    Removed removed;
    for (const Doomed& one : all) {
        auto gone = remove_one(one, flags, removed);
        if (gone && *gone == ExitCode::done) continue;
        report(removed);
        return gone;
    }
    if (flags.stale) {
        auto count = bus::Region::remove_leftovers(settings().directory);
        if (!count) return count.error();
        removed.leftovers = *count;
    }
    report(removed);
    for (const Doomed& one : all) {
        const std::string journal = one.header ? journal_directory_of(*one.header) : "";
        if (!journal.empty() && !one.journal) say(fmt::format("the journal stays: {}", journal));
    }
    const bool is_nothing = removed.streams.empty() && removed.leftovers == 0;
    if (is_nothing && flags.stale && !settings().json()) say("nothing stale was found");
    return ExitCode::done;
}

Result<ExitCode> run_rm(RmFlags& flags) {
    if (auto allowed = allow_only_text_and_json("rm"); !allowed) return allowed.error();
    if (flags.targets.empty() && !flags.stale) {
        return make_error(ErrorCode::invalid_argument,
                          "rm needs the name of a stream",
                          "tailrace ls, or rm --stale");
    }
    if (flags.stale) {
        auto stale = stale_streams();
        if (!stale) return stale.error();
        flags.targets.insert(flags.targets.end(), stale->begin(), stale->end());
    }
    auto named =
        flags.with_journal ? expand_all_names(flags.targets) : expand_stream_names(flags.targets);
    if (!named) return named.error();
    flags.targets = std::move(*named);
    auto doomed = look_at(flags);
    if (!doomed) return doomed.error();
    if (!flags.yes && !flags.targets.empty()) {
        const std::string command = flags.stale
                                        ? "tailrace rm --stale"
                                        : fmt::format("tailrace rm {}{}",
                                                      fmt::join(flags.targets, " "),
                                                      flags.with_journal ? " --journal" : "");
        auto confirmed = confirm(question_about(*doomed), command);
        if (!confirmed) return confirmed.error();
        if (!*confirmed) {
            say("nothing was removed");
            return ExitCode::done;
        }
    }
    return remove_all(*doomed, flags);
}

}  // namespace

void register_rm(CLI::App& app) {
    const auto flags = std::make_shared<RmFlags>();
    CLI::App* const command =
        add_command(app, "rm", "Remove streams (asks); journals stay unless asked for", [flags] {
            return run_rm(*flags);
        });
    command->add_option("STREAM",
                        flags->targets,
                        "Names of streams, also 'eu-*'; a path (DIR/) is a journal alone");
    command->add_flag("-y,--yes", flags->yes, "Don't ask");
    command->add_flag("--journal", flags->with_journal, "Their journals too: all events are lost");
    command->add_flag(
        "--force",
        flags->force,
        "Also when it is in use (its users are told that it is gone), or has events that its "
        "journal doesn't have");
    command->add_flag(
        "--stale", flags->stale, "Rings of earlier boots and what killed processes left behind");
}

}  // namespace tailrace::tool
