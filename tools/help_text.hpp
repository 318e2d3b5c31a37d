// HelpText: what --help prints of a command, and `tailrace help COMMAND`: no line longer than 80
// columns, and an example for each command.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace tailrace::tool {

enum class HelpExtent : std::uint8_t {
    screen,  // so much as 24 lines hold: options that few need are only named
    whole,
};

class HelpText final : public CLI::Formatter {
public:
    explicit HelpText(HelpExtent extent);

    std::string make_help(const CLI::App* app,
                          std::string name,
                          CLI::AppFormatMode mode) const override;
    std::string make_option(const CLI::Option* option, bool is_positional) const override;
    std::string make_subcommand(const CLI::App* command) const override;
    std::string make_subcommands(const CLI::App* app, CLI::AppFormatMode mode) const override;
    std::string make_group(std::string group,
                           bool is_positional,
                           std::vector<const CLI::Option*> options) const override;
    std::string make_description(const CLI::App* app) const override;
    std::string make_footer(const CLI::App* app) const override;

private:
    [[nodiscard]] std::string make_command_footer(const CLI::App& command) const;

    HelpExtent extent_;
};

}  // namespace tailrace::tool
