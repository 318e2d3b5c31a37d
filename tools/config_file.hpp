// ConfigFile: what a person always wants to be so, and contexts: the same under a name, for one of
// several places.
//
//     context = eu                       # the one that counts when nobody says another
//     color = never
//     [context eu]
//     dir = /dev/shm/eu
//     journal_dir = /srv/eu/journals
//
// The file is $XDG_CONFIG_HOME/tailrace/config, or ~/.config/tailrace/config; without it nothing is
// so. A key above the first section is for every context, one in a section for that alone. An
// option counts before the environment, that before the context, that before the rest of the file.
#pragma once

#include <tailrace/base/result.hpp>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::tool {

// What may be set, for all contexts or for one.
struct ConfigKeys {
    std::optional<std::string> directory;          // dir
    std::optional<std::string> journal_directory;  // journal_dir
    std::optional<std::string> format;             // format: text, json
    std::optional<std::string> colour;             // color: auto, always, never
};

struct NamedContext {
    std::string name;
    ConfigKeys keys;
};

struct Config {
    std::string path;     // of the file, whether it is there or not
    std::string context;  // the one that it chooses; empty: none
    ConfigKeys keys;
    std::vector<NamedContext> contexts;  // in their order

    [[nodiscard]] const NamedContext* find(std::string_view name) const noexcept;
};

// The word that means no context, where the file or the environment names one.
inline constexpr std::string_view kNoContext = "none";

[[nodiscard]] std::string config_path();

// Errors name the file, the line, and the nearest key.
[[nodiscard]] Result<Config> parse_config(std::string_view text, const std::string& path);

// Without the file: an empty one.
[[nodiscard]] Result<Config> load_config();

// Error: there is no context of that name. Names the nearest.
[[nodiscard]] Result<void> check_context(const Config& config, const std::string& name);

// The text with that context chosen in it; nothing else changes.
[[nodiscard]] std::string with_context(std::string_view text, std::string_view name);

// Chooses it in the file, which is replaced as a whole.
[[nodiscard]] Result<void> choose_context(const Config& config, const std::string& name);

}  // namespace tailrace::tool
