#include "command.hpp"

#include "position.hpp"
#include "units.hpp"

#include <fmt/format.h>

namespace tailrace::tool {

namespace {

CommandBody& chosen() noexcept {
    static CommandBody body;
    return body;
}

}  // namespace

const Settings& settings() noexcept {
    return mutable_settings();
}

Settings& mutable_settings() noexcept {
    static Settings instance;
    return instance;
}

CLI::App* add_command(CLI::App& parent,
                      const std::string& name,
                      const std::string& summary,
                      CommandBody body) {
    CLI::App* const command = parent.add_subcommand(name, summary);
    command->fallthrough();
    if (body) {
        command->final_callback([body = std::move(body)] { chosen() = body; });
    }
    return command;
}

const CommandBody& chosen_command() noexcept {
    return chosen();
}

std::string value_name(ParseWhole parse) {
    if (parse == &parse_duration_ns) return "DURATION";
    return parse == &parse_size_bytes ? "SIZE" : "N";
}

std::string value_name(ParseReal parse) {
    return parse == &parse_rate_per_s ? "RATE" : "SPEED";
}

std::string value_name(ParsePosition /*parse*/) {
    return "POSITION";
}

void add_wide(CLI::App& command) {
    command.add_flag("--wide", mutable_settings().wide, "All of it, on a narrow terminal too");
}

Result<void> allow_only_text_and_json(const char* command) {
    if (settings().format == Format::text || settings().format == Format::json) return {};
    return make_error(
        ErrorCode::invalid_argument,
        fmt::format("tailrace {} prints text or json only", command),
        "--format text or --json; csv, raw, framed, hex and digest are for tail and replay, c and "
        "numpy for schema");
}

}  // namespace tailrace::tool
