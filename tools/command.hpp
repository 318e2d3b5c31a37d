// Command: how a verb of `tailrace` is declared, and the settings that all of them share.
//
// Each cmd_*.cpp has, in this order: its flags, what it does, and a register function that main.cpp
// calls. A body runs after the whole command line has been read, so global options may stand before
// or behind the verb.
#pragma once

#include "exit_code.hpp"
#include "output.hpp"

#include <tailrace/base/result.hpp>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace tailrace {

struct Position;

}  // namespace tailrace

namespace tailrace::tool {

enum class Format : std::uint8_t { text, json, csv, raw, framed, hex, digest, c, numpy };

struct Settings {
    std::string directory;  // of rings; empty: TAILRACE_DIR or the default
    std::string
        journal_directory;  // parent of journals; empty: TAILRACE_JOURNAL_DIR or the default
    std::string context;    // of the config file; empty: none
    Format format = Format::text;
    ColourMode colour = ColourMode::automatic;
    bool quiet = false;
    bool wide = false;  // lines as long as they are, on a terminal too

    [[nodiscard]] bool json() const noexcept { return format == Format::json; }
};

// Complete when a body runs.
[[nodiscard]] const Settings& settings() noexcept;
[[nodiscard]] Settings& mutable_settings() noexcept;

// What a command does. An Error is printed and becomes its exit code.
using CommandBody = std::function<Result<ExitCode>()>;

// A subcommand of `parent` (the app, or a command with verbs of its own) that runs `body`.
CLI::App* add_command(CLI::App& parent,
                      const std::string& name,
                      const std::string& summary,
                      CommandBody body);

// The body that the command line chose; empty before parsing.
[[nodiscard]] const CommandBody& chosen_command() noexcept;

// What --help calls the values of a parser: DURATION, SIZE, RATE, ...
using ParseWhole = Result<std::uint64_t> (*)(std::string_view);
using ParseReal = Result<double> (*)(std::string_view);
using ParsePosition = Result<Position> (*)(std::string_view);
[[nodiscard]] std::string value_name(ParseWhole parse);
[[nodiscard]] std::string value_name(ParseReal parse);
[[nodiscard]] std::string value_name(ParsePosition parse);
template <typename Value>
[[nodiscard]] std::string value_name(Result<Value> (*)(std::string_view)) {
    return "VALUE";
}

// An option whose text `parse` turns into a value: parse errors are usage errors that name the
// option.
template <typename Target, typename Value>
CLI::Option* add_parsed(CLI::App& command,
                        const std::string& name,
                        Target& target,
                        Result<Value> (*parse)(std::string_view),
                        const std::string& help) {
    CLI::Option* const option = command.add_option_function<std::string>(
        name,
        [&target, parse, name](const std::string& text) {
            auto value = parse(text);
            if (!value) {
                throw CLI::ValidationError(
                    name.substr(0, name.find(',')),
                    value.error().message + "; allowed: " + value.error().hint);
            }
            target = static_cast<Target>(*value);
        },
        help);
    return option->type_name(value_name(parse));
}

// --wide, for a command whose text fits a terminal.
void add_wide(CLI::App& command);

// The error for a format that a command has no use for.
[[nodiscard]] Result<void> allow_only_text_and_json(const char* command);

}  // namespace tailrace::tool
