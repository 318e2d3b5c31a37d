// tailrace schema: what the events of a stream or a journal are made of.

#include "command.hpp"
#include "commands.hpp"
#include "known_types.hpp"
#include "types_text.hpp"

#include <fmt/format.h>
#include <memory>
#include <string>

namespace tailrace::tool {

namespace {

Result<ExitCode> run_schema(const std::string& target) {
    const Format format = settings().format;
    if (format != Format::text && format != Format::json && format != Format::c &&
        format != Format::numpy) {
        return make_error(ErrorCode::invalid_argument,
                          "tailrace schema prints text, json, c or numpy",
                          fmt::format("tailrace schema {} --format c", target));
    }
    auto types = types_of(target);
    if (!types) return types.error();
    if (types->types().empty())
        say(fmt::format("nobody has declared what the events of '{}' are made of", target));
    if (format == Format::json) {
        out().write_json(types_json(*types));
    } else {
        out().write(format == Format::c       ? types_c(*types)
                    : format == Format::numpy ? types_numpy(*types)
                                              : types->text());
    }
    return ExitCode::done;
}

}  // namespace

void register_schema(CLI::App& app) {
    const auto target = std::make_shared<std::string>();
    CLI::App* const command =
        add_command(app, "schema", "What a stream's events are made of", [target] {
            return run_schema(*target);
        });
    command->add_option("TARGET", *target, "A stream, or a journal's directory")->required();
    command->footer(
        "As text, which 'tailrace create --schema' takes, or with --format as a header of C (c), "
        "as Python's dtypes (numpy), or as json. Names of nested structs are joined in C: "
        "legs[0].price is legs_0_price. Versions that a type has grown out of have names that end "
        "with their size.");
}

}  // namespace tailrace::tool
