// tailrace context: the named places of the config file: list, show, choose.

#include "command.hpp"
#include "commands.hpp"
#include "effective_settings.hpp"
#include "table.hpp"

#include <fmt/format.h>
#include <memory>
#include <string>

namespace tailrace::tool {

namespace {

struct ContextFlags {
    std::string name;
};

Result<ExitCode> run_context_ls() {
    if (auto allowed = allow_only_text_and_json("context ls"); !allowed) return allowed.error();
    auto config = load_config();
    if (!config) return config.error();
    if (settings().json()) {
        Json document;
        document["config"] = config->path;
        document["contexts"] = Json::array();
        for (const NamedContext& context : config->contexts) {
            Json row;
            row["context"] = context.name;
            row["chosen"] = context.name == settings().context;
            const ConfigKeys& keys = context.keys;
            row["dir"] = keys.directory ? Json(*keys.directory) : Json();
            row["journal_dir"] = keys.journal_directory ? Json(*keys.journal_directory) : Json();
            document["contexts"].push_back(std::move(row));
        }
        out().write_json(document);
        return ExitCode::done;
    }
    if (config->contexts.empty()) {
        say(fmt::format("no contexts; a section [context NAME] in {} makes one", config->path));
        return ExitCode::done;
    }
    Table table({"", "CONTEXT", "DIR", "JOURNAL-DIR"});
    for (const NamedContext& context : config->contexts) {
        table.add({context.name == settings().context ? "*" : "",
                   context.name,
                   context.keys.directory.value_or("-"),
                   context.keys.journal_directory.value_or("-")});
    }
    out().write(table.text());
    return ExitCode::done;
}

Result<ExitCode> run_context_show() {
    if (auto allowed = allow_only_text_and_json("context show"); !allowed) return allowed.error();
    const std::string& context = settings().context;
    if (settings().json()) {
        Json document;
        document["config"] = config_path();
        document["context"] = context.empty() ? Json() : Json(context);
        document["context_from"] = context.empty() ? Json() : Json(context_origin());
        document["settings"] = Json::array();
        for (const SettingOrigin& setting : effective_settings()) {
            Json row;
            row["name"] = setting.name;
            row["value"] = setting.value;
            row["from"] = setting.origin;
            document["settings"].push_back(std::move(row));
        }
        out().write_json(document);
        return ExitCode::done;
    }
    Table table({"SETTING", "VALUE", "FROM"});
    table.add({"context",
               context.empty() ? std::string(kNoContext) : context,
               context.empty() ? "default" : context_origin()});
    for (const SettingOrigin& setting : effective_settings())
        table.add({setting.name, setting.value, setting.origin});
    out().write(table.text());
    return ExitCode::done;
}

Result<ExitCode> run_context_use(const ContextFlags& flags) {
    auto config = load_config();
    if (!config) return config.error();
    if (flags.name != kNoContext) {
        if (auto there = check_context(*config, flags.name); !there) return there.error();
    } else if (config->context.empty()) {
        return ExitCode::done;
    }
    if (auto chosen = choose_context(*config, flags.name); !chosen) return chosen.error();
    say(fmt::format("context {} from now on ({})", flags.name, config->path));
    return ExitCode::done;
}

}  // namespace

void register_context(CLI::App& app) {
    const auto flags = std::make_shared<ContextFlags>();
    CLI::App* const context =
        app.add_subcommand("context", "Named places of streams and journals (config file)");
    context->require_subcommand(1);
    add_command(*context, "ls", "List them", run_context_ls);
    add_command(*context, "show", "What holds now, and where it comes from", run_context_show);
    CLI::App* const use = add_command(
        *context, "use", "Choose one from now on", [flags] { return run_context_use(*flags); });
    use->add_option("NAME", flags->name, "Of a section [context NAME]; none: no context")
        ->required();
}

}  // namespace tailrace::tool
