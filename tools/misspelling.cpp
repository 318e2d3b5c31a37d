#include "misspelling.hpp"

#include "command.hpp"
#include "journal_place.hpp"
#include "option_text.hpp"

#include <tailrace/bus/region.hpp>

#include <system_error>

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>

namespace tailrace::tool {

namespace {

// Edits from one word to the other; two neighbours swapped are one (optimal string alignment).
std::size_t edits(std::string_view from, std::string_view to) {
    const std::size_t width = to.size() + 1;
    std::vector<std::size_t> two_above(width);
    std::vector<std::size_t> above(width);
    std::vector<std::size_t> row(width);
    for (std::size_t column = 0; column < width; ++column)
        above[column] = column;
    for (std::size_t line = 1; line <= from.size(); ++line) {
        row[0] = line;
        for (std::size_t column = 1; column < width; ++column) {
            const bool same = from[line - 1] == to[column - 1];
            row[column] = std::min(
                {above[column] + 1, row[column - 1] + 1, above[column - 1] + (same ? 0U : 1U)});
            if (line > 1 && column > 1 && from[line - 1] == to[column - 2] &&
                from[line - 2] == to[column - 1]) {
                row[column] = std::min(row[column], two_above[column - 2] + 1);
            }
        }
        two_above.swap(above);
        above.swap(row);
    }
    return above[to.size()];
}

// As a shell takes it for one word.
std::string quoted(const std::string& word) {
    const bool is_plain =
        !word.empty() && word.find_first_not_of(
                             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "0123456789_-./:=@%+,") == std::string::npos;
    if (is_plain) return word;
    std::string text = "'";
    for (const char letter : word) {
        if (letter == '\'') {
            text += "'\\''";
        } else {
            text += letter;
        }
    }
    return text + "'";
}

// The command line with the first `typed` in it replaced. An option may have its value behind '='.
std::string corrected(std::span<const std::string> command_line,
                      const std::string& typed,
                      const std::string& meant) {
    std::string text = "tailrace";
    bool is_done = false;
    for (const std::string& word : command_line) {
        if (!is_done && (word == typed || word.starts_with(typed + "="))) {
            is_done = true;
            text += " " + quoted(meant + word.substr(typed.size()));
        } else {
            text += " " + quoted(word);
        }
    }
    return text;
}

Error misspelt(std::string message,
               const std::string& typed,
               const std::string& meant,
               std::span<const std::string> command_line,
               std::string help) {
    if (meant.empty())
        return make_error(ErrorCode::invalid_argument, std::move(message), std::move(help));
    return make_error(ErrorCode::invalid_argument,
                      fmt::format("{}; did you mean '{}'?", message, meant),
                      corrected(command_line, typed, meant));
}

// The command, or the verb of a command, that the words have led to.
const CLI::App* chosen_of(const CLI::App& app) {
    const CLI::App* chosen = nullptr;
    for (std::vector<CLI::App*> below = app.get_subcommands(); !below.empty();
         below = chosen->get_subcommands()) {
        chosen = below.front();
    }
    return chosen;
}

// "tailrace tail", as far as the words were understood.
std::string called_as(const CLI::App& app) {
    const CLI::App* const command = chosen_of(app);
    return command == nullptr ? "tailrace" : "tailrace " + path_of(*command);
}

void add_option_names(const CLI::App& command, std::vector<std::string>& names) {
    for (const CLI::Option* const option : command.get_options()) {
        for (const std::string& name : option->get_lnames())
            names.push_back("--" + name);
    }
}

std::vector<std::string> known_names() {
    std::vector<std::string> names;
    if (auto streams = bus::Region::list(settings().directory)) names = std::move(*streams);
    std::error_code failed;  // then there are none to name
    for (const auto& entry : std::filesystem::directory_iterator(usual_journal_parent(), failed))
        names.push_back(entry.path().filename().string());
    return names;
}

}  // namespace

std::string help_line(const CLI::App& app) {
    return called_as(app) + " --help";
}

std::string nearest_name(std::string_view typed, const std::vector<std::string>& names) {
    constexpr std::size_t kLettersPerEdit = 3;
    std::string nearest;
    std::size_t fewest = std::max<std::size_t>(typed.size() / kLettersPerEdit, 1) + 1;
    for (const std::string& name : names) {
        // Of two letters any other two are near.
        if (name.size() < kLettersPerEdit || name == typed) continue;
        const std::size_t count = edits(typed, name);
        if (count >= fewest) continue;
        fewest = count;
        nearest = name;
    }
    return nearest;
}

Error unknown_word_error(const CLI::App& app, std::span<const std::string> command_line) {
    const std::vector<std::string> unknown = app.remaining(true);
    // In the order of the command line, options first: their values are unknown only with them.
    const auto is_unknown = [&](const std::string& word) {
        return std::find(unknown.begin(), unknown.end(), word) != unknown.end();
    };
    const CLI::App* const command = chosen_of(app);
    // Options behind a verb that isn't known would be the verb's.
    const bool wants_verb = command != nullptr && !shown_commands(*command).empty();
    std::string first;
    for (const std::string& word : command_line) {
        if (!is_unknown(word) || (wants_verb && word.starts_with('-'))) continue;
        if (first.empty() || (word.starts_with('-') && !first.starts_with('-'))) first = word;
    }
    const std::string called = called_as(app);
    std::vector<std::string> names;
    if (first.starts_with('-') && first.size() > 1) {
        const std::string option = first.substr(0, first.find('='));
        add_option_names(app, names);
        if (command != nullptr) add_option_names(*command, names);
        return misspelt(fmt::format("{} has no option '{}'", called, option),
                        option,
                        nearest_name(option, names),
                        command_line,
                        help_line(app));
    }
    const std::vector<const CLI::App*> below = shown_commands(command == nullptr ? app : *command);
    if (!below.empty()) {
        for (const CLI::App* const one : below)
            names.push_back(one->get_name());
        const std::string verbs = command == nullptr ? "" : path_of(*command) + " ";
        return misspelt(fmt::format("there is no command '{}{}'", verbs, first),
                        first,
                        nearest_name(first, names),
                        command_line,
                        help_line(app));
    }
    return make_error(ErrorCode::invalid_argument,
                      fmt::format("{} has no use for '{}'", called, first),
                      help_line(app));
}

void suggest_name(Error& error, const CLI::App& app, std::span<const std::string> command_line) {
    const CLI::App* const command = chosen_of(app);
    if (error.code != ErrorCode::not_found || command == nullptr) return;
    const std::vector<std::string> names = known_names();
    for (const char* const place : {"STREAM", "JOURNAL", "TARGET", "A", "B", "--into"}) {
        const CLI::Option* const option = command->get_option_no_throw(place);
        if (option == nullptr) continue;
        for (const std::string& typed : option->results()) {
            if (std::find(names.begin(), names.end(), typed) != names.end()) continue;
            const std::string meant = nearest_name(typed, names);
            if (meant.empty()) continue;
            error.message += fmt::format("; did you mean '{}'?", meant);
            error.hint = corrected(command_line, typed, meant);
            return;
        }
    }
}

}  // namespace tailrace::tool
