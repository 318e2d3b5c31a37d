// tailrace: one command for streams and their journals. The table of commands is below.

#include "command.hpp"
#include "commands.hpp"
#include "effective_settings.hpp"
#include "figure_help.hpp"
#include "help_text.hpp"
#include "misspelling.hpp"
#include "option_text.hpp"
#include "stop_signal.hpp"
#include "text_flow.hpp"

#include <tailrace/base/unique_fd.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <fmt/format.h>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tailrace::tool {

namespace {

using RegisterFunction = void (*)(CLI::App&);

// In the order of --help: from a stream's birth to looking at its remains, then the machine.
constexpr std::array<RegisterFunction, 30> kCommands = {
    register_create, register_ls,     register_rm,      register_pub,        register_tail,
    register_record, register_replay, register_diff,    register_lag,        register_top,
    register_serve,  register_cursor, register_group,   register_publisher,  register_inspect,
    register_schema, register_verify, register_repair,  register_backup,     register_compress,
    register_trim,   register_export, register_import,  register_context,    register_doctor,
    register_sample, register_bench,  register_version, register_completion, register_man,
};

std::string exit_code_text() {
    std::string text = "Exit codes:\n";
    for (const ExitCodeRow& row : exit_code_table()) {
        constexpr std::size_t kIndent = 7;
        text += fmt::format(
            "  {:>3}  {}", static_cast<int>(row.code), wrapped(row.meaning, kIndent, kIndent));
    }
    return text;
}

void add_global_options(CLI::App& app) {
    Settings& settings = mutable_settings();
    app.add_option("--dir", settings.directory, "Where rings are")
        ->envname("TAILRACE_DIR")
        ->type_name("PATH");
    app.add_option("--journal-dir", settings.journal_directory, "Where journals are")
        ->envname("TAILRACE_JOURNAL_DIR")
        ->type_name("PATH");
    app.add_option("--context", settings.context, "Named place in the config file")
        ->envname("TAILRACE_CONTEXT")
        ->type_name("NAME");
    app.add_flag_callback(
        "--json", [&settings] { settings.format = Format::json; }, "Short for --format json");
    const std::map<std::string, Format> formats = {{"text", Format::text},
                                                   {"json", Format::json},
                                                   {"csv", Format::csv},
                                                   {"raw", Format::raw},
                                                   {"framed", Format::framed},
                                                   {"hex", Format::hex},
                                                   {"digest", Format::digest},
                                                   {"c", Format::c},
                                                   {"numpy", Format::numpy}};
    app.add_option_function<std::string>(
           "--format",
           [&settings, formats](const std::string& name) { settings.format = formats.at(name); },
           "text, json; events: csv, raw, framed, hex, digest; schema: c, numpy")
        ->check(
            CLI::IsMember({"text", "json", "csv", "raw", "framed", "hex", "digest", "c", "numpy"}));
    const std::map<std::string, ColourMode> modes = {{"auto", ColourMode::automatic},
                                                     {"always", ColourMode::always},
                                                     {"never", ColourMode::never}};
    app.add_option_function<std::string>(
           "--color",
           [&settings, modes](const std::string& name) { settings.colour = modes.at(name); },
           "auto, always, never")
        ->check(CLI::IsMember({"auto", "always", "never"}));
    app.add_flag("-q,--quiet", settings.quiet, "Errors alone: no talk, no word of what was done");
}

using Words = std::vector<std::string>;

// The command that the words lead to; null and the word that leads nowhere.
std::pair<const CLI::App*, std::string> command_at(const CLI::App& app, const Words& words) {
    const CLI::App* command = &app;
    for (const std::string& word : words) {
        const std::vector<const CLI::App*> below = shown_commands(*command);
        const auto found = std::find_if(
            below.begin(), below.end(), [&](const CLI::App* one) { return one->check_name(word); });
        if (found == below.end()) return {nullptr, word};
        command = *found;
    }
    return {command, {}};
}

Result<ExitCode> run_help(const CLI::App& app, const Words& topic) {
    if (topic == Words{"exit-codes"}) {
        out().write(exit_code_text());
        return ExitCode::done;
    }
    if (topic == Words{"figures"}) {
        out().write(figures_text());
        return ExitCode::done;
    }
    const auto [command, unknown] = command_at(app, topic);
    if (command == nullptr) {
        Words known = {"exit-codes", "figures"};
        for (const CLI::App* const one : shown_commands(app))
            known.push_back(one->get_name());
        const std::string meant = nearest_name(unknown, known);
        return make_error(
            ErrorCode::invalid_argument,
            fmt::format("there is no command '{}'{}",
                        fmt::join(topic, " "),
                        meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant)),
            meant.empty() ? "tailrace --help" : "tailrace help " + meant);
    }
    const std::string path = path_of(*command);
    out().write(HelpText(HelpExtent::whole)
                    .make_help(command,
                               path.empty() ? "tailrace" : "tailrace " + path,
                               CLI::AppFormatMode::Normal));
    return ExitCode::done;
}

void add_help_command(CLI::App& app) {
    const auto topic = std::make_shared<Words>();
    CLI::App* const command =
        add_command(app, "help", "All about a command; exit-codes, figures", [&app, topic] {
            return run_help(app, *topic);
        });
    command->add_option("TOPIC", *topic, "A command, exit-codes, or figures");
}

// Before parsing is done: an error of the command line itself shall be JSON too when asked for.
bool asks_for_json(int argc, char** argv) {
    for (int index = 1; index < argc; ++index) {
        const std::string_view word = argv[index];
        if (word == "--") return false;
        if (word == "--json" || word == "--format=json") return true;
        if (word == "--format" && index + 1 < argc && std::string_view(argv[index + 1]) == "json") {
            return true;
        }
    }
    return false;
}

int report_usage(const CLI::App& app,
                 const CLI::ParseError& problem,
                 std::span<const std::string> command_line,
                 bool as_json) {
    // Where a verb is wanted, one that isn't known is missed before it is found to be too much.
    const bool is_unknown_word = dynamic_cast<const CLI::ExtrasError*>(&problem) != nullptr ||
                                 (dynamic_cast<const CLI::RequiredError*>(&problem) != nullptr &&
                                  !app.remaining(true).empty());
    const Error error =
        is_unknown_word ? unknown_word_error(app, command_line)
                        : make_error(ErrorCode::invalid_argument, problem.what(), help_line(app));
    print_error(error, static_cast<int>(ExitCode::usage), as_json);
    return static_cast<int>(ExitCode::usage);
}

int finish(Result<ExitCode> outcome,
           const CLI::App& app,
           std::span<const std::string> command_line) {
    out().flush();
    std::fflush(stdout);
    clear_status_line();
    if (outcome && out().failure_errno() != 0) {
        outcome = os_error(out().failure_errno(), "cannot write the output", "df .");
    }
    if (outcome) return static_cast<int>(*outcome);
    const int code = static_cast<int>(exit_code_of(outcome.error().code));
    name_context(outcome.error());
    suggest_name(outcome.error(), app, command_line);
    print_error(outcome.error(), code, settings().json());
    return code;
}

// Help is there whatever stands in a file, and so is what says what this program is.
bool needs_config(const CLI::App& app) {
    const std::vector<CLI::App*> chosen = app.get_subcommands();
    if (chosen.empty()) return false;
    const std::string& name = chosen.front()->get_name();
    constexpr std::array<std::string_view, 5> kWithout = {
        "help", "version", "completion", "man", "__complete"};
    return std::find(kWithout.begin(), kWithout.end(), name) == kWithout.end();
}

int run(int argc, char** argv) {
    const std::vector<std::string> command_line(argv + std::min(argc, 1), argv + argc);
    CLI::App app("Tailrace: a shared-memory event bus with a replay log", "tailrace");
    app.fallthrough();
    app.require_subcommand(0, 1);
    app.formatter(std::make_shared<HelpText>(HelpExtent::screen));
    app.set_version_flag("-V,--version", "tailrace " TAILRACE_VERSION);
    add_global_options(app);
    for (const RegisterFunction register_command : kCommands)
        register_command(app);
    add_help_command(app);
    // Last, or every command would inherit it.
    app.footer(
        "Positions (--from, --to): start, end, N, +N after the start, -N before the end,\n@-10m, "
        "@2026-11-22T14:00:06Z.\n\n" +
        exit_code_text());
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp& help) {
        return app.exit(help);
    } catch (const CLI::CallForAllHelp& help) {
        return app.exit(help);
    } catch (const CLI::CallForVersion& version) {
        return app.exit(version);
    } catch (const CLI::ParseError& problem) {
        return report_usage(app, problem, command_line, asks_for_json(argc, argv));
    }
    if (needs_config(app)) {
        if (auto applied = apply_config(app); !applied)
            return finish(applied.error(), app, command_line);
    }
    set_colour_mode(settings().colour);
    if (!chosen_command()) {
        out().write(app.help());
        return finish(ExitCode::done, app, command_line);
    }
    return finish(chosen_command()(), app, command_line);
}

}  // namespace

}  // namespace tailrace::tool

int main(int argc, char** argv) {
    // Before anything is opened: a stream must not become anybody's standard output.
    tailrace::take_standard_descriptors();
    tailrace::tool::install_stop_signals();
    try {
        return tailrace::tool::run(argc, argv);
    } catch (const std::exception& failure) {
        // Out of memory, or a bug: the libraries don't throw.
        std::fprintf(stderr, "tailrace: %s\n", failure.what());
        return static_cast<int>(tailrace::tool::ExitCode::failure);
    }
}
