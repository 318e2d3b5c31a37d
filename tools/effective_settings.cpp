#include "effective_settings.hpp"

#include "command.hpp"
#include "journal_place.hpp"

#include <tailrace/bus/stream_options.hpp>

#include <cstdlib>
#include <fmt/format.h>
#include <utility>

namespace tailrace::tool {

namespace {

// Of this run; main's.
struct Origins {
    std::string context;
    std::string directory = "default";
    std::string journal_directory = "default";
    std::string format = "default";
    std::string colour = "default";
};

Origins& origins() noexcept {
    static Origins instance;
    return instance;
}

bool is_given(const CLI::App& app, const std::string& option) {
    const CLI::Option* const found = app.get_option_no_throw(option);
    return found != nullptr && found->count() != 0;
}

// An option that has a variable too counts as given by either.
std::string origin_of(const std::string& option, const char* variable, const std::string& value) {
    const char* const set = std::getenv(variable);
    return set != nullptr && set == value ? variable : option;
}

// The value that counts of a key, and where it stands.
struct Found {
    const std::string* value = nullptr;
    std::string origin;
};

Found find_key(const Config& config,
               const NamedContext* context,
               std::optional<std::string> ConfigKeys::*field) {
    if (context != nullptr && context->keys.*field)
        return {&*(context->keys.*field), "context " + context->name};
    if (config.keys.*field) return {&*(config.keys.*field), config.path};
    return {};
}

void apply_directories(const Config& config, const NamedContext* context) {
    Settings& settings = mutable_settings();
    if (settings.directory.empty()) {
        if (Found found = find_key(config, context, &ConfigKeys::directory); found.value) {
            settings.directory = *found.value;
            origins().directory = std::move(found.origin);
        }
    } else {
        origins().directory = origin_of("--dir", "TAILRACE_DIR", settings.directory);
    }
    if (settings.journal_directory.empty()) {
        if (Found found = find_key(config, context, &ConfigKeys::journal_directory); found.value) {
            settings.journal_directory = *found.value;
            origins().journal_directory = std::move(found.origin);
        }
    } else {
        origins().journal_directory =
            origin_of("--journal-dir", "TAILRACE_JOURNAL_DIR", settings.journal_directory);
    }
}

void apply_looks(const CLI::App& app, const Config& config, const NamedContext* context) {
    Settings& settings = mutable_settings();
    if (is_given(app, "--format") || is_given(app, "--json")) {
        origins().format = is_given(app, "--json") ? "--json" : "--format";
    } else if (Found found = find_key(config, context, &ConfigKeys::format); found.value) {
        settings.format = *found.value == "json" ? Format::json : Format::text;
        origins().format = std::move(found.origin);
    }
    if (is_given(app, "--color")) {
        origins().colour = "--color";
    } else if (Found found = find_key(config, context, &ConfigKeys::colour); found.value) {
        settings.colour = *found.value == "always"  ? ColourMode::always
                          : *found.value == "never" ? ColourMode::never
                                                    : ColourMode::automatic;
        origins().colour = std::move(found.origin);
    }
}

std::string_view colour_name(ColourMode mode) noexcept {
    if (mode == ColourMode::always) return "always";
    return mode == ColourMode::never ? "never" : "auto";
}

}  // namespace

Result<void> apply_config(const CLI::App& app) {
    auto config = load_config();
    if (!config) return config.error();
    Settings& settings = mutable_settings();
    if (!settings.context.empty()) {
        origins().context = origin_of("--context", "TAILRACE_CONTEXT", settings.context);
    } else if (!config->context.empty()) {
        settings.context = config->context;
        origins().context = config->path;
    }
    if (settings.context == kNoContext) settings.context.clear();
    if (!settings.context.empty()) {
        if (auto there = check_context(*config, settings.context); !there) return there.error();
    }
    const NamedContext* const context = config->find(settings.context);
    apply_directories(*config, context);
    apply_looks(app, *config, context);
    return {};
}

void apply_config_silently(const std::string& context) {
    const auto config = load_config();
    if (!config) return;
    const std::string& usual = settings().context.empty() ? config->context : settings().context;
    const std::string& name = context.empty() ? usual : context;
    apply_directories(*config, config->find(name));
}

std::vector<SettingOrigin> effective_settings() {
    const Settings& now = settings();
    const Origins& from = origins();
    return {
        {"dir", now.directory.empty() ? bus::default_directory() : now.directory, from.directory},
        {"journal_dir", usual_journal_parent(), from.journal_directory},
        {"format", now.json() ? "json" : "text", from.format},
        {"color", std::string(colour_name(now.colour)), from.colour},
    };
}

const std::string& context_origin() noexcept {
    return origins().context;
}

void name_context(Error& error) {
    if (error.code != ErrorCode::not_found || settings().context.empty()) return;
    error.message += fmt::format(" in context '{}'", settings().context);
}

}  // namespace tailrace::tool
