// HelpText: what --help prints: no line longer than 80 columns, and an example for each command.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace tailrace::tool {

class HelpText final : public CLI::Formatter {
public:
    HelpText();

    std::string make_option(const CLI::Option* option, bool is_positional) const override;
    std::string make_subcommand(const CLI::App* command) const override;
    std::string make_subcommands(const CLI::App* app, CLI::AppFormatMode mode) const override;
    std::string make_group(std::string group,
                           bool is_positional,
                           std::vector<const CLI::Option*> options) const override;
    std::string make_description(const CLI::App* app) const override;
    std::string make_footer(const CLI::App* app) const override;
};

}  // namespace tailrace::tool
