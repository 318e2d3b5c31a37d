// OptionText: the tree of commands and options in words, for --help, man pages and completion,
// which so tell the same. Pure functions.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::tool {

struct OptionText {
    std::vector<std::string> names;    // "-n", "--count"; of a positional its name alone
    std::string value;                 // "N", "POSITION", "WORD"; empty for a flag
    std::vector<std::string> choices;  // the words that it takes, where these are few
    std::string text;                  // what it does, with choices and default
    bool is_positional = false;
    bool is_optional_value = false;  // --journal [DIR]

    // "-n, --count N"
    [[nodiscard]] std::string heading() const;
};

[[nodiscard]] OptionText option_text(const CLI::Option& option);

// The group of options that few need: --help names them, `tailrace help COMMAND` explains them.
inline constexpr const char* kRareOptions = "More options";

// Those of one command that are shown, in their order.
[[nodiscard]] std::vector<OptionText> option_texts(const CLI::App& command);

// What `tailrace help` and the man page say of a command beside its options: a paragraph a line.
[[nodiscard]] std::vector<std::string> paragraphs_of(const CLI::App& command);

// The commands below `app` that are shown.
[[nodiscard]] std::vector<const CLI::App*> shown_commands(const CLI::App& app);

// "bench pingpong"; empty for the root.
[[nodiscard]] std::string path_of(const CLI::App& command);

// Commands as one would type them; together they make sense in the order of --help.
[[nodiscard]] std::vector<std::string_view> examples_of(std::string_view path);

}  // namespace tailrace::tool
