// EffectiveSettings: the settings of this run, by options, environment, context and file, and where
// each of them comes from.
#pragma once

#include "config_file.hpp"

#include <tailrace/base/error.hpp>
#include <tailrace/base/result.hpp>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace tailrace::tool {

struct SettingOrigin {
    std::string name;  // "dir"
    std::string value;
    std::string origin;  // "--dir", "TAILRACE_DIR", "context eu", the file, "default"
};

// Puts into the settings what the file says and nobody else does. Error: of the file, or of the
// name of a context.
[[nodiscard]] Result<void> apply_config(const CLI::App& app);

// The same for completion, which has no use for errors. `context`: as far as it has been typed.
void apply_config_silently(const std::string& context);

// Requires: apply_config() was called.
[[nodiscard]] std::vector<SettingOrigin> effective_settings();

// Where the chosen context was named; empty without one.
[[nodiscard]] const std::string& context_origin() noexcept;

// An error about something that isn't there says in which context it was looked for.
void name_context(Error& error);

}  // namespace tailrace::tool
