#include "completion.hpp"

#include "command.hpp"
#include "effective_settings.hpp"
#include "journal_place.hpp"
#include "option_text.hpp"

#include <tailrace/bus/region.hpp>

#include <system_error>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

namespace tailrace::tool {

namespace {

constexpr std::string_view kFiles = ":files";

constexpr std::string_view kBash = R"(# bash completion: source <(tailrace completion bash)
_tailrace() {
    local current=${COMP_WORDS[COMP_CWORD]} line
    local -a files
    COMPREPLY=()
    while IFS= read -r line; do
        line=${line%%$'\t'*}
        if [[ $line == :files ]]; then
            compopt -o filenames 2>/dev/null
            mapfile -t files < <(compgen -f -- "${current#=}")
            COMPREPLY+=("${files[@]}")
        else
            COMPREPLY+=("$line")
        fi
    done < <("${COMP_WORDS[0]}" __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _tailrace tailrace
)";

constexpr std::string_view kZsh = R"(#compdef tailrace
# zsh completion: source <(tailrace completion zsh), or as _tailrace in a directory of $fpath
_tailrace() {
    local line
    local -a lines candidates
    lines=("${(@f)$("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    for line in "${lines[@]}"; do
        if [[ $line == :files ]]; then
            _files
        elif [[ -n $line ]]; then
            candidates+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
        fi
    done
    (( $#candidates )) && _describe tailrace candidates
}
if [[ $funcstack[1] == _tailrace ]]; then
    _tailrace "$@"
else
    compdef _tailrace tailrace
fi
)";

constexpr std::string_view kFish =
    R"(# fish completion: tailrace completion fish > ~/.config/fish/completions/tailrace.fish
function __tailrace_candidates
    set -l words (commandline -opc)
    set -l program $words[1]
    set -e words[1]
    set -l current (commandline -ct)
    for line in (command $program __complete -- $words "$current" 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path "$current"
        else
            echo $line
        end
    end
end
complete -c tailrace -f -a '(__tailrace_candidates)'
)";

// Where the words before the last one have led to.
struct Place {
    const CLI::App* command = nullptr;
    std::size_t arguments = 0;               // that stand there already
    const CLI::Option* waits_for = nullptr;  // an option without its value
    std::string context;                     // of the config file, if one is named
    bool only_arguments = false;             // behind "--"
};

const CLI::Option* find_option(const Place& place, const CLI::App& app, const std::string& word) {
    for (const CLI::App* at = place.command; at != nullptr; at = at->get_parent()) {
        if (const CLI::Option* const option = at->get_option_no_throw(word)) return option;
    }
    return app.get_option_no_throw(word);
}

const CLI::App* find_command(const CLI::App& app, const std::string& word) {
    for (const CLI::App* const command : shown_commands(app)) {
        if (command->check_name(word)) return command;
    }
    return nullptr;
}

// What `--dir` says before the cursor, also completion heeds.
void heed(Place& place, const CLI::Option& option, const std::string& value) {
    if (option.check_lname("context")) place.context = value;
    if (option.check_lname("dir")) mutable_settings().directory = value;
    if (option.check_lname("journal-dir")) mutable_settings().journal_directory = value;
}

Place place_behind(const CLI::App& app, std::span<const std::string> words) {
    Place place;
    place.command = &app;
    for (const std::string& word : words) {
        if (word == "=") continue;  // bash makes it a word of its own
        if (const CLI::Option* const option = std::exchange(place.waits_for, nullptr)) {
            heed(place, *option, word);
        } else if (place.only_arguments) {
            ++place.arguments;
        } else if (word == "--") {
            place.only_arguments = true;
        } else if (word.starts_with('-') && word.size() > 1) {
            const std::size_t equals = word.find('=');
            const CLI::Option* const found = find_option(place, app, word.substr(0, equals));
            if (found == nullptr || found->get_type_size_max() == 0) continue;
            if (equals != std::string::npos) {
                heed(place, *found, word.substr(equals + 1));
            } else if (found->get_expected_min() != 0) {
                place.waits_for = found;
            }
        } else if (const CLI::App* const below = find_command(*place.command, word)) {
            place.command = below;
        } else {
            ++place.arguments;
        }
    }
    return place;
}

void add_streams(std::vector<Candidate>& found, bool with_journals) {
    if (const auto streams = bus::Region::list(settings().directory)) {
        for (const std::string& name : *streams)
            found.push_back({name, "stream"});
    }
    if (!with_journals) return;
    std::error_code failed;  // then there are none to offer
    for (const auto& entry : std::filesystem::directory_iterator(usual_journal_parent(), failed)) {
        const std::string name = entry.path().filename().string();
        const bool is_known = std::any_of(
            found.begin(), found.end(), [&](const Candidate& one) { return one.word == name; });
        if (!is_known) found.push_back({name, "journal"});
    }
    found.push_back({std::string(kFiles), ""});
}

void add_contexts(std::vector<Candidate>& found) {
    const auto config = load_config();
    if (!config) return;
    for (const NamedContext& context : config->contexts)
        found.push_back({context.name, context.keys.directory.value_or("")});
}

// What a value may be, by the name that --help gives it.
void add_values(std::vector<Candidate>& found, const OptionText& option, const CLI::App& app) {
    for (const std::string& choice : option.choices)
        found.push_back({choice, ""});
    const std::string& name = option.is_positional ? option.names.front() : option.value;
    if (name == "STREAM") add_streams(found, false);
    if (name == "JOURNAL" || name == "TARGET" || name == "A" || name == "B")
        add_streams(found, true);
    if (name == "FILE" || name == "PATH" || name == "DIR" || name == "DIRECTORY")
        found.push_back({std::string(kFiles), ""});
    if (name == "NAME" && option.names.back() == "--context") add_contexts(found);
    if (name != "TOPIC") return;
    for (const CLI::App* const command : shown_commands(app))
        found.push_back({command->get_name(), command->get_description()});
    found.push_back({"exit-codes", "what each exit code means"});
    found.push_back({"figures", "what each key of --json means"});
}

void add_options(std::vector<Candidate>& found, const CLI::App& command) {
    for (const OptionText& option : option_texts(command)) {
        if (!option.is_positional) found.push_back({option.names.back(), option.text});
    }
}

void add_arguments(std::vector<Candidate>& found, const Place& place, const CLI::App& app) {
    if (place.arguments == 0) {
        for (const CLI::App* const command : shown_commands(*place.command))
            found.push_back({command->get_name(), command->get_description()});
    }
    std::vector<const CLI::Option*> positionals = place.command->get_options(
        [](const CLI::Option* option) { return option->get_positional(); });
    if (positionals.empty()) return;
    const std::size_t index = std::min(place.arguments, positionals.size() - 1);
    const CLI::Option& option = *positionals[index];
    // The last one may take several.
    if (index < place.arguments && option.get_expected_max() <= 1) return;
    add_values(found, option_text(option), app);
}

}  // namespace

std::vector<Candidate> candidates(const CLI::App& app, std::span<const std::string> words) {
    std::string current = words.empty() ? "" : words.back();
    if (!words.empty()) words = words.first(words.size() - 1);
    if (current == "=") current.clear();
    Place place = place_behind(app, words);
    apply_config_silently(place.context);
    std::vector<Candidate> found;
    std::string before;  // of `current`, which candidates repeat
    const std::size_t equals = current.starts_with("--") ? current.find('=') : std::string::npos;
    if (equals != std::string::npos && !place.only_arguments) {
        place.waits_for = find_option(place, app, current.substr(0, equals));
        if (place.waits_for == nullptr) return found;
        before = current.substr(0, equals + 1);
        current.erase(0, equals + 1);
    }
    if (place.waits_for != nullptr) {
        add_values(found, option_text(*place.waits_for), app);
    } else if (current.starts_with('-') && !place.only_arguments) {
        add_options(found, *place.command);
        if (place.command != &app) add_options(found, app);
    } else {
        add_arguments(found, place, app);
    }
    std::vector<Candidate> fitting;
    for (Candidate& one : found) {
        if (one.word != kFiles && !one.word.starts_with(current)) continue;
        const bool is_there =
            std::any_of(fitting.begin(), fitting.end(), [&](const Candidate& had) {
                return had.word == before + one.word;
            });
        if (is_there) continue;
        if (one.word != kFiles) one.word = before + one.word;
        fitting.push_back(std::move(one));
    }
    return fitting;
}

std::string_view completion_script(std::string_view shell) {
    if (shell == "zsh") return kZsh;
    return shell == "fish" ? kFish : kBash;
}

}  // namespace tailrace::tool
