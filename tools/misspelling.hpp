// Misspelling: what a person meant who typed the name of a command, an option, a stream or a
// journal almost right. The errors get the right name, and a command line to copy as their hint.
#pragma once

#include <tailrace/base/error.hpp>

#include <CLI/CLI.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::tool {

// The one of `names` that `typed` was most likely meant for: a letter more, less, another, or two
// of them swapped, for each three letters of it. Empty when none is so near.
[[nodiscard]] std::string nearest_name(std::string_view typed,
                                       const std::vector<std::string>& names);

// "tailrace tail --help", of the command that the words were for as far as they were understood.
[[nodiscard]] std::string help_line(const CLI::App& app);

// The error of a command line in which `app` found words that it has no use for.
[[nodiscard]] Error unknown_word_error(const CLI::App& app,
                                       std::span<const std::string> command_line);

// `error` is not_found: if the command was asked for a stream or a journal that is nowhere, it
// names one of nearly that name.
void suggest_name(Error& error, const CLI::App& app, std::span<const std::string> command_line);

}  // namespace tailrace::tool
