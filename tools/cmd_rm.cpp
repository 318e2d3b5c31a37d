// tailrace rm: removes streams, and with --stale what crashes and reboots left behind. Journals
// stay.

#include "command.hpp"
#include "commands.hpp"
#include "journal_place.hpp"

#include <tailrace/bus/region.hpp>

#include <unistd.h>

#include <fmt/format.h>
#include <memory>

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

// Streams that can't be used any more because they are of an earlier boot.
Result<std::vector<std::string>> stale_streams() {
    auto names = bus::Region::list(settings().directory);
    if (!names) return names.error();
    std::vector<std::string> stale;
    for (const std::string& name : *names) {
        auto region = bus::Region::open(name, bus::RegionAccess::observe, settings().directory);
        if (!region && region.error().code == ErrorCode::stale) stale.push_back(name);
    }
    return stale;
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
    std::vector<std::string> journals;
    std::string command = "tailrace rm";
    for (const std::string& name : flags.streams) {
        if (auto checked = bus::check_stream_name(name); !checked) return checked.error();
        command += " " + name;
        auto region = bus::Region::open(name, bus::RegionAccess::observe, settings().directory);
        if (region && !journal_directory_of((*region)->header()).empty()) {
            journals.push_back(journal_directory_of((*region)->header()));
        }
        // Before anything is removed: a misspelt name must not leave half of the work done.
        if (!region && region.error().code == ErrorCode::not_found) return region.error();
    }
    if (!flags.yes && !flags.streams.empty()) {
        auto confirmed = confirm(fmt::format("remove {}?", fmt::join(flags.streams, ", ")),
                                 flags.stale ? "tailrace rm --stale" : command);
        if (!confirmed) return confirmed.error();
        if (!*confirmed) {
            say("nothing was removed");
            return ExitCode::done;
        }
    }
    std::vector<std::string> removed;
    for (const std::string& name : flags.streams) {
        if (auto gone = bus::Region::unlink(name, flags.force, settings().directory); !gone) {
            report(removed, 0);
            return gone.error();
        }
        removed.push_back(name);
    }
    std::uint64_t leftovers = 0;
    if (flags.stale) {
        auto count = bus::Region::remove_leftovers(settings().directory);
        if (!count) return count.error();
        leftovers = *count;
    }
    report(removed, leftovers);
    for (const std::string& journal : journals)
        say(fmt::format("the journal stays: {}", journal));
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
        "--force", flags->force, "Also when it is in use: its users are told that it is gone");
    command->add_flag(
        "--stale", flags->stale, "Rings of earlier boots and what killed processes left behind");
}

}  // namespace tailrace::tool
