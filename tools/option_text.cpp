#include "option_text.hpp"

#include "output.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <sstream>
#include <utility>

namespace tailrace::tool {

namespace {

struct Example {
    std::string_view path;
    std::string_view line;
};

// A story about one stream; the tests run it.
constexpr std::array<Example, 66> kExamples = {{
    {"", "tailrace create orders --capacity 16MiB --journal"},
    {"", "seq 1000 | tailrace pub orders"},
    {"", "tailrace tail orders --from start -n 3"},
    {"create", "tailrace create orders --capacity 16MiB --journal"},
    {"ls", "tailrace ls"},
    {"rm", "tailrace rm orders --yes --force"},
    {"rm", "tailrace rm orders --journal --yes --force"},
    {"pub", "seq 1000 | tailrace pub orders"},
    {"pub", "tailrace pub orders 'one event' --key 7 --type 3"},
    {"tail", "tailrace tail orders --from start -n 3"},
    {"tail", R"(tailrace tail orders -e --key 7 -f '%s %k %v\n')"},
    {"record", "tailrace record orders --sync interval=50ms"},
    {"replay", "tailrace replay orders --from +100 -n 50 --speed max"},
    {"replay", "echo 2 | tailrace replay orders --step"},
    {"diff", "tailrace diff orders /mnt/backup/orders --to 1000 -q"},
    {"lag", "tailrace lag orders --fail-above 1h"},
    {"top", "tailrace top"},
    {"serve", "tailrace serve"},
    {"cursor", "tailrace cursor ls orders"},
    {"cursor ls", "tailrace cursor ls orders"},
    {"cursor show", "tailrace cursor show orders night"},
    {"cursor set", "tailrace cursor set orders night --to start"},
    {"cursor rm", "tailrace cursor rm orders night"},
    {"cursor hold", "tailrace cursor hold orders night --max 1GiB"},
    {"publisher", "tailrace publisher ls orders"},
    {"publisher", "seq 1000 | tailrace pub orders --identity gateway-1"},
    {"publisher ls", "tailrace publisher ls orders"},
    {"publisher set", "tailrace publisher set orders gateway-2 --to 1000"},
    {"publisher rm", "tailrace publisher rm orders gateway-2"},
    {"group", "tailrace group ls orders"},
    {"group ls", "tailrace group ls orders"},
    {"group show", "tailrace group show orders mailer"},
    {"group set", "tailrace group set orders mailer --to start"},
    {"group rm", "tailrace group rm orders mailer"},
    {"group retry", "tailrace group retry orders mailer"},
    {"inspect", "tailrace inspect orders --segments"},
    {"schema", "tailrace schema orders"},
    {"verify", "tailrace verify orders"},
    {"repair", "tailrace repair orders"},
    {"backup", "tailrace backup orders /mnt/backup/orders"},
    {"compress", "tailrace compress orders"},
    {"trim", "tailrace trim orders --before @-7d"},
    {"trim", "tailrace trim orders --keep-bytes 10GiB --yes"},
    {"export", "tailrace export orders --to /mnt/batch/orders --since-last"},
    {"export", "tailrace export orders --format csv --to /mnt/batch/csv --from @-1d"},
    {"import", R"(echo '{"payload":"one","key":7}' | tailrace import orders - --format jsonl)"},
    {"context", "tailrace context ls"},
    {"context ls", "tailrace context ls"},
    {"context show", "tailrace context show"},
    {"context use", "tailrace context use none"},
    {"doctor", "tailrace doctor"},
    {"sample", "tailrace sample orders --for 1s"},
    {"bench", "tailrace bench pingpong"},
    {"bench pingpong", "tailrace bench pingpong --size 256 -n 10000"},
    {"bench latency", "tailrace bench latency --rate 50k/s --for 1s --save measured"},
    {"bench throughput", "tailrace bench throughput --publishers 2 --events 10000"},
    {"bench journal", "tailrace bench journal --quick"},
    {"bench wait", "tailrace bench wait --phase-ms 100"},
    {"bench suite", "tailrace bench suite --list"},
    {"bench compress", "tailrace bench compress orders"},
    {"version", "tailrace version --json"},
    {"help", "tailrace help exit-codes"},
    {"completion", "source <(tailrace completion bash)"},
    {"completion", "tailrace completion fish > ~/.config/fish/completions/tailrace.fish"},
    {"man", "tailrace man | man -l -"},
    {"man", "tailrace man > ~/.local/share/man/man1/tailrace.1"},
}};

// Between the braces of "TEXT:{auto,always,never}".
std::vector<std::string> choices_in(const std::string& type_name) {
    std::vector<std::string> choices;
    const std::size_t begin = type_name.find('{');
    const std::size_t end = type_name.find('}', begin == std::string::npos ? 0 : begin);
    if (begin == std::string::npos || end == std::string::npos) return choices;
    std::string word;
    for (const char c : type_name.substr(begin + 1, end - begin - 1) + ",") {
        if (c == ',') {
            choices.push_back(std::exchange(word, {}));
        } else {
            word += c;
        }
    }
    return choices;
}

std::string value_of(const CLI::Option& option, bool has_choices) {
    if (option.get_expected_max() == 0) return {};  // a flag
    std::string name = option.get_type_name();
    name = name.substr(0, name.find(':'));
    if (has_choices || name.empty() || name == "TEXT") return "WORD";
    if (name == "UINT" || name == "INT") return "N";
    if (name == "FLOAT") return "NUMBER";
    return name;
}

bool names_all(const std::string& text, const std::vector<std::string>& choices) {
    return std::all_of(choices.begin(), choices.end(), [&](const std::string& choice) {
        return text.find(choice) != std::string::npos;
    });
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words)
        text += (text.empty() ? "" : ", ") + word;
    return text;
}

}  // namespace

std::string OptionText::heading() const {
    const std::string all = joined(names);
    if (value.empty() || is_positional) return all;
    return all + (is_optional_value ? fmt::format(" [{}]", value) : " " + value);
}

OptionText option_text(const CLI::Option& option) {
    OptionText shown;
    shown.is_positional = option.get_positional();
    if (shown.is_positional) {
        shown.names.push_back(option.get_name(true, false));
    } else {
        for (const std::string& name : option.get_snames())
            shown.names.push_back("-" + name);
        for (const std::string& name : option.get_lnames())
            shown.names.push_back("--" + name);
    }
    shown.choices = choices_in(option.get_type_name());
    shown.value = value_of(option, !shown.choices.empty());
    if (shown.value.starts_with('[')) shown.value = shown.value.substr(1, shown.value.size() - 2);
    shown.is_optional_value =
        !shown.value.empty() && !shown.is_positional && option.get_expected_min() == 0;
    shown.text = option.get_description();
    std::vector<std::string> notes;
    if (!shown.choices.empty() && !names_all(shown.text, shown.choices))
        notes.push_back(joined(shown.choices));
    if (!option.get_default_str().empty() && !shown.value.empty() &&
        shown.text.find("default") == std::string::npos)
        notes.push_back("default " + option.get_default_str());
    if (!option.get_envname().empty()) notes.push_back("or " + option.get_envname());
    if (shown.is_positional && !option.get_required() &&
        shown.text.find("default") == std::string::npos)
        notes.emplace_back("may be left out");
    for (std::size_t index = 0; index < notes.size(); ++index)
        shown.text += (index == 0 ? " (" : "; ") + notes[index];
    if (!notes.empty()) shown.text += ")";
    return shown;
}

std::vector<OptionText> option_texts(const CLI::App& command) {
    std::vector<OptionText> texts;
    for (const CLI::Option* const option : command.get_options()) {
        if (!option->get_group().empty()) texts.push_back(option_text(*option));
    }
    return texts;
}

std::vector<std::string> paragraphs_of(const CLI::App& command) {
    std::vector<std::string> lines;
    std::istringstream text(command.get_footer());
    for (std::string line; std::getline(text, line);)
        lines.push_back(line);
    return lines;
}

std::vector<const CLI::App*> shown_commands(const CLI::App& app) {
    return app.get_subcommands([](const CLI::App* command) {
        return !command->get_name().empty() && !command->get_group().empty();
    });
}

std::string path_of(const CLI::App& command) {
    if (command.get_parent() == nullptr) return {};
    const std::string above = path_of(*command.get_parent());
    return above.empty() ? command.get_name() : above + " " + command.get_name();
}

std::vector<std::string_view> examples_of(std::string_view path) {
    std::vector<std::string_view> lines;
    for (const Example& example : kExamples) {
        if (example.path == path) lines.push_back(example.line);
    }
    return lines;
}

}  // namespace tailrace::tool
