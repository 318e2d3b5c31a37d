// tailrace rm: removes streams, and with --stale what crashes and reboots left behind. Journals
// stay.

#include "command.hpp"
#include "commands.hpp"
#include "journal_place.hpp"
#include "units.hpp"

#include <tailrace/base/sequence_range.hpp>
#include <tailrace/bridge/recorder.hpp>
#include <tailrace/bus/journal_board.hpp>
#include <tailrace/bus/region.hpp>

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
    std::vector<std::string> streams;
    bool yes = false;
    bool force = false;
    bool stale = false;
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
    std::string stream;
    std::optional<bus::StreamHeader> header;  // none: it can't be read
    std::optional<Error> loss;                // why events would be lost with the ring
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
    auto next = bridge::find_journal_end(journal);
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

// Before anything is removed: a misspelt name must not leave half of the work done.
Result<std::vector<Doomed>> look_at(const std::vector<std::string>& streams, bool force) {
    std::vector<Doomed> all;
    for (const std::string& stream : streams) {
        if (auto checked = bus::check_stream_name(stream); !checked) return checked.error();
        Doomed doomed{stream, std::nullopt, loss_of(stream)};
        if (doomed.loss && !force) return *doomed.loss;
        auto header = bus::Region::peek(stream, settings().directory, true);
        std::error_code failed;
        // Of one that lost its files the directory may be left.
        if (!header && header.error().code == ErrorCode::not_found &&
            !std::filesystem::is_directory(ring_directory_of(stream), failed)) {
            return header.error();
        }
        if (header) doomed.header = *header;
        all.push_back(std::move(doomed));
    }
    return all;
}

void report(const std::vector<std::string>& removed, std::uint64_t leftovers) {
    if (settings().json()) {
        Json document;
        document["removed"] = removed;
        document["leftovers_removed"] = leftovers;
        out().write_json(document);
        return;
    }
    for (const std::string& name : removed)
        out().write(fmt::format("removed stream {}\n", name));
    if (leftovers != 0) out().write(fmt::format("removed {} leftovers\n", leftovers));
}

Result<ExitCode> run_rm(RmFlags& flags) {
    if (auto allowed = allow_only_text_and_json("rm"); !allowed) return allowed.error();
    if (flags.streams.empty() && !flags.stale) {
        return make_error(ErrorCode::invalid_argument,
                          "rm needs the name of a stream",
                          "tailrace ls, or rm --stale");
    }
    if (flags.stale) {
        auto stale = stale_streams();
        if (!stale) return stale.error();
        flags.streams.insert(flags.streams.end(), stale->begin(), stale->end());
    }
    auto doomed = look_at(flags.streams, flags.force);
    if (!doomed) return doomed.error();
    if (!flags.yes && !flags.streams.empty()) {
        auto confirmed =
            confirm(fmt::format("remove {}?", fmt::join(flags.streams, ", ")),
                    flags.stale ? "tailrace rm --stale"
                                : fmt::format("tailrace rm {}", fmt::join(flags.streams, " ")));
        if (!confirmed) return confirmed.error();
        if (!*confirmed) {
            say("nothing was removed");
            return ExitCode::done;
        }
    }
    std::vector<std::string> removed;
    for (const Doomed& one : *doomed) {
        auto gone = bus::Region::unlink(
            one.stream, flags.force, settings().directory, one.header ? &*one.header : nullptr);
        if (!gone) {
            report(removed, 0);
            return gone.error();
        }
        removed.push_back(one.stream);
        if (one.loss) warn(one.loss->message + ", and are gone");
    }
    std::uint64_t leftovers = 0;
    if (flags.stale) {
        auto count = bus::Region::remove_leftovers(settings().directory);
        if (!count) return count.error();
        leftovers = *count;
    }
    report(removed, leftovers);
    for (const Doomed& one : *doomed) {
        const std::string journal = one.header ? journal_directory_of(*one.header) : "";
        if (!journal.empty()) say(fmt::format("the journal stays: {}", journal));
    }
    if (removed.empty() && leftovers == 0 && !settings().json()) say("nothing stale was found");
    return ExitCode::done;
}

}  // namespace

void register_rm(CLI::App& app) {
    const auto flags = std::make_shared<RmFlags>();
    CLI::App* const command = add_command(
        app, "rm", "Remove streams (asks); journals stay", [flags] { return run_rm(*flags); });
    command->add_option("STREAM", flags->streams, "Names of streams");
    command->add_flag("-y,--yes", flags->yes, "Don't ask");
    command->add_flag(
        "--force",
        flags->force,
        "Also when it is in use (its users are told that it is gone), or has events that its "
        "journal doesn't have");
    command->add_flag(
        "--stale", flags->stale, "Rings of earlier boots and what killed processes left behind");
}

}  // namespace tailrace::tool
