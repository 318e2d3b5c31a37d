// tailrace version: what this program is and which formats it reads and writes.

#include "command.hpp"
#include "commands.hpp"
#include "text_flow.hpp"

#include <tailrace/bus/layout.hpp>
#include <tailrace/journal/format.hpp>

#include <unistd.h>

#include <fmt/format.h>

namespace tailrace::tool {

namespace {

Result<ExitCode> run_version() {
    const std::string layout = fmt::format("{}.{}", bus::kLayoutMajor, bus::kLayoutMinor);
    const std::string format = fmt::format("{}.{}", journal::kFormatMajor, journal::kFormatMinor);
#if defined(__clang__)
    const std::string compiler = fmt::format("clang {}", __clang_version__);
#else
    const std::string compiler = fmt::format("gcc {}", __VERSION__);
#endif
    if (settings().json()) {
        Json document;
        document["version"] = TAILRACE_VERSION;
        document["ring_layout"] = layout;
        document["journal_format"] = format;
        document["compiler"] = compiler;
        out().write_json(document);
    } else {
        out().write(
            flowed(fmt::format("tailrace {}     ring layout {}     journal format {}     {}",
                               TAILRACE_VERSION,
                               layout,
                               format,
                               compiler),
                   0,
                   2,
                   STDOUT_FILENO));
    }
    return ExitCode::done;
}

}  // namespace

void register_version(CLI::App& app) {
    add_command(app, "version", "Version, and the formats read and written", run_version);
}

}  // namespace tailrace::tool
