#include "help_text.hpp"

#include "option_text.hpp"
#include "text_flow.hpp"

#include <fmt/format.h>

namespace tailrace::tool {

namespace {

constexpr std::size_t kColumn = 25;

// A heading, and behind it, or below it where it is long, what it means.
std::string entry(const std::string& heading, const std::string& text) {
    const std::string left = "  " + heading;
    if (left.size() + 2 > kColumn) {
        return left + "\n" + std::string(kColumn, ' ') + wrapped(text, kColumn, kColumn);
    }
    return left + std::string(kColumn - left.size(), ' ') + wrapped(text, kColumn, kColumn);
}

}  // namespace

HelpText::HelpText(HelpExtent extent) : extent_(extent) {
    label("SUBCOMMAND", "COMMAND");
    label("Subcommands", "Commands");
    label("Positionals", "Arguments");
}

std::string HelpText::make_option(const CLI::Option* option, bool /*is_positional*/) const {
    const OptionText shown = option_text(*option);
    return entry(shown.heading(), shown.text);
}

std::string HelpText::make_subcommand(const CLI::App* command) const {
    return entry(command->get_display_name(true), command->get_description());
}

std::string HelpText::make_group(std::string group,
                                 bool is_positional,
                                 std::vector<const CLI::Option*> options) const {
    std::string text;
    if (group == kRareOptions && extent_ == HelpExtent::screen) return text;
    for (const CLI::Option* const option : options) {
        // Whoever reads it has found it.
        if (!option->check_lname("help")) text += make_option(option, is_positional);
    }
    return text.empty() ? text : group + ":\n" + text;
}

std::string HelpText::make_subcommands(const CLI::App* app, CLI::AppFormatMode /*mode*/) const {
    std::string text;
    for (const CLI::App* const command : shown_commands(*app))
        text += make_subcommand(command);
    return text.empty() ? text : "Commands:\n" + text;
}

std::string HelpText::make_description(const CLI::App* app) const {
    return wrapped(app->get_description(), 0, 0);
}

// A blank line is enough wherever the parts leave more.
std::string HelpText::make_help(const CLI::App* app,
                                std::string name,
                                CLI::AppFormatMode mode) const {
    std::string text = CLI::Formatter::make_help(app, std::move(name), mode);
    for (std::size_t at = text.find("\n\n\n"); at != std::string::npos; at = text.find("\n\n\n"))
        text.erase(at, 1);
    return text;
}

// Of the options that stand there by name alone.
std::string HelpText::make_command_footer(const CLI::App& command) const {
    constexpr std::string_view kOfAll =
        "--json, --format, --dir, --journal-dir, --context, --color, -q";
    const std::string path = path_of(command);
    if (extent_ == HelpExtent::whole) {
        std::string text;
        for (const std::string& line : paragraphs_of(command))
            text += wrapped(line, 0, 2);
        return text + wrapped(fmt::format("Also {}: tailrace --help", kOfAll), 0, 2);
    }
    std::string names;
    for (const CLI::Option* const option : command.get_options()) {
        if (option->get_group() == kRareOptions) names += option_text(*option).names.back() + ", ";
    }
    return wrapped(fmt::format("Also {}--json, -q and more: tailrace help {}", names, path), 0, 2);
}

std::string HelpText::make_footer(const CLI::App* app) const {
    const std::string path = path_of(*app);
    const std::vector<std::string_view> examples = examples_of(path);
    std::string text = examples.size() > 1 ? "Examples:\n" : examples.empty() ? "" : "Example:\n";
    for (const std::string_view line : examples)
        text += fmt::format("  {}\n", line);
    if (!path.empty()) return text + make_command_footer(*app);
    return text + "\n" + app->get_footer() + "\n";
}

}  // namespace tailrace::tool
