#include "config_file.hpp"

#include "blanks.hpp"
#include "misspelling.hpp"

#include <tailrace/base/unique_fd.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <utility>

namespace tailrace::tool {

namespace {

constexpr std::size_t kMostConfigBytes = std::size_t{1} << 20;
constexpr std::string_view kContextKey = "context";

using KeyField = std::optional<std::string> ConfigKeys::*;
struct KeyName {
    std::string_view name;
    KeyField field;
};
constexpr std::array<KeyName, 4> kKeys = {{
    {"dir", &ConfigKeys::directory},
    {"journal_dir", &ConfigKeys::journal_directory},
    {"format", &ConfigKeys::format},
    {"color", &ConfigKeys::colour},
}};

std::vector<std::string> key_names(bool with_context_key) {
    std::vector<std::string> names;
    for (const KeyName& key : kKeys)
        names.emplace_back(key.name);
    if (with_context_key) names.emplace_back(kContextKey);
    return names;
}

std::string with_nearest(std::string message,
                         std::string_view typed,
                         const std::vector<std::string>& names) {
    const std::string meant = nearest_name(typed, names);
    return meant.empty() ? message : fmt::format("{}; did you mean '{}'?", message, meant);
}

bool is_context_name(std::string_view name) noexcept {
    constexpr std::string_view kLetters =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return !name.empty() && name != kNoContext && name.front() != '-' &&
           name.find_first_not_of(kLetters) == std::string_view::npos;
}

// "[context NAME]"
std::optional<std::string_view> section_name(std::string_view line) noexcept {
    if (!line.starts_with('[') || !line.ends_with(']')) return std::nullopt;
    const std::string_view inside = without_blanks(line.substr(1, line.size() - 2));
    if (!inside.starts_with(kContextKey)) return std::nullopt;
    const std::string_view rest = inside.substr(kContextKey.size());
    if (rest.empty() || (rest.front() != ' ' && rest.front() != '\t')) return std::nullopt;
    const std::string_view name = without_blanks(rest);
    return is_context_name(name) ? std::optional(name) : std::nullopt;
}

class ConfigParser {
public:
    ConfigParser(std::string_view text, std::string path) : rest_(text) {
        config_.path = std::move(path);
    }

    [[nodiscard]] Result<Config> run();

private:
    [[nodiscard]] Result<void> take_section(std::string_view line);
    [[nodiscard]] Result<void> take_key(std::string_view line);
    [[nodiscard]] Result<std::string> checked_value(std::string_view key,
                                                    std::string_view value) const;
    [[nodiscard]] Error refused(const std::string& what, std::string hint) const;

    std::string_view rest_;
    Config config_;
    std::size_t line_number_ = 0;
};

Error ConfigParser::refused(const std::string& what, std::string hint) const {
    return make_error(ErrorCode::invalid_argument,
                      fmt::format("'{}', line {}: {}", config_.path, line_number_, what),
                      std::move(hint));
}

Result<void> ConfigParser::take_section(std::string_view line) {
    const auto name = section_name(line);
    if (!name) {
        return refused(fmt::format("'{}' is no section", line),
                       "[context NAME], of letters, digits, dots, dashes and underscores");
    }
    if (config_.find(*name) != nullptr)
        return refused(fmt::format("the context '{}' is there already", *name),
                       "put both together");
    config_.contexts.push_back({std::string(*name), {}});
    return {};
}

// Paths are whole, or below the home directory: nobody knows from where a command will be run.
Result<std::string> ConfigParser::checked_value(std::string_view key,
                                                std::string_view value) const {
    const auto one_of = [&](std::initializer_list<std::string_view> choices) {
        return std::find(choices.begin(), choices.end(), value) != choices.end();
    };
    if (key == "format" && !one_of({"text", "json"}))
        return refused(fmt::format("'{}' is no format", value), "format = text, or json");
    if (key == "color" && !one_of({"auto", "always", "never"}))
        return refused(fmt::format("'{}' is no way to color", value),
                       "color = auto, always or never");
    if (key == "format" || key == "color") return std::string(value);
    const char* const home = std::getenv("HOME");
    if (value.starts_with("~/") && home != nullptr)
        return std::string(home) + std::string(value.substr(1));
    if (value.starts_with('/')) return std::string(value);
    return refused(fmt::format("'{}' is no whole path", value),
                   fmt::format("{} = /a/path, or ~/a/path", key));
}

Result<void> ConfigParser::take_key(std::string_view line) {
    const std::size_t equals = line.find('=');
    const std::string_view key = without_blanks(line.substr(0, std::min(equals, line.size())));
    const bool is_top = config_.contexts.empty();
    const auto known = std::find_if(
        kKeys.begin(), kKeys.end(), [key](const KeyName& one) { return one.name == key; });
    const bool chooses = is_top && key == kContextKey;
    if (known == kKeys.end() && !chooses) {
        const std::vector<std::string> names = key_names(is_top);
        return refused(with_nearest(fmt::format("there is no key '{}'", key), key, names),
                       fmt::format("{} = VALUE", fmt::join(names, ", ")));
    }
    if (equals == std::string_view::npos)
        return refused(fmt::format("'{}' has no value", key), fmt::format("{} = VALUE", key));
    const std::string_view value = without_blanks(line.substr(equals + 1));
    if (chooses) {
        config_.context = value == kNoContext ? "" : std::string(value);
        return {};
    }
    auto checked = checked_value(key, value);
    if (!checked) return checked.error();
    ConfigKeys& keys = is_top ? config_.keys : config_.contexts.back().keys;
    if (keys.*known->field)
        return refused(fmt::format("'{}' is given twice", key), "leave one of them out");
    keys.*known->field = std::move(*checked);
    return {};
}

Result<Config> ConfigParser::run() {
    while (!rest_.empty()) {
        ++line_number_;
        const std::size_t end = std::min(rest_.find('\n'), rest_.size());
        const std::string_view line = without_blanks(rest_.substr(0, end));
        rest_.remove_prefix(std::min(end + 1, rest_.size()));
        if (line.empty() || line.front() == '#') continue;
        auto taken = line.front() == '[' ? take_section(line) : take_key(line);
        if (!taken) return taken.error();
    }
    return std::move(config_);
}

Error cannot_use(const char* what, const std::string& path) {
    return os_error(errno, fmt::format("cannot {} '{}'", what, path), "ls -l " + path);
}

// Nothing: there is no file.
Result<std::optional<std::string>> text_of_file(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!fd.is_open() && (errno == ENOENT || errno == ENOTDIR)) return std::optional<std::string>();
    if (!fd.is_open()) return cannot_use("read", path);
    std::string text(kMostConfigBytes, '\0');
    std::size_t size = 0;
    while (size < text.size()) {
        const ssize_t count = ::read(fd.get(), text.data() + size, text.size() - size);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return cannot_use("read", path);
        if (count == 0) break;
        size += static_cast<std::size_t>(count);
    }
    text.resize(size);
    return std::optional(std::move(text));
}

bool write_whole(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t count = ::write(fd, text.data(), text.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
}

// Where a link leads to another place, that is where the file is kept.
std::string real_path(const std::string& path) {
    std::error_code failed;
    const auto real = std::filesystem::canonical(path, failed);
    return failed ? path : real.string();
}

}  // namespace

const NamedContext* Config::find(std::string_view name) const noexcept {
    const auto found = std::find_if(
        contexts.begin(), contexts.end(), [name](const auto& one) { return one.name == name; });
    return found == contexts.end() ? nullptr : &*found;
}

std::string config_path() {
    const char* const config = std::getenv("XDG_CONFIG_HOME");
    if (config != nullptr && *config == '/') return std::string(config) + "/tailrace/config";
    const char* const home = std::getenv("HOME");
    return std::string(home != nullptr ? home : "") + "/.config/tailrace/config";
}

Result<Config> parse_config(std::string_view text, const std::string& path) {
    return ConfigParser(text, path).run();
}

Result<Config> load_config() {
    const std::string path = config_path();
    auto text = text_of_file(path);
    if (!text) return text.error();
    return parse_config(text->value_or(""), path);
}

Result<void> check_context(const Config& config, const std::string& name) {
    if (config.find(name) != nullptr) return {};
    std::vector<std::string> names;
    for (const NamedContext& context : config.contexts)
        names.push_back(context.name);
    return make_error(
        ErrorCode::invalid_argument,
        with_nearest(
            fmt::format("there is no context '{}' in '{}'", name, config.path), name, names),
        names.empty() ? fmt::format("a section [context {}] in that file makes it", name)
                      : "tailrace context ls --context none");
}

std::string with_context(std::string_view text, std::string_view name) {
    const std::string line = fmt::format("{} = {}", kContextKey, name);
    std::string before;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view here = without_blanks(text.substr(0, end));
        if (here.starts_with('[')) break;  // from here on it would be a context's
        const std::string_view key =
            without_blanks(here.substr(0, std::min(here.find('='), here.size())));
        if (key == kContextKey) return fmt::format("{}{}{}", before, line, text.substr(end));
        before += text.substr(0, std::min(end + 1, text.size()));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (!before.empty() && before.back() != '\n') before += '\n';
    return fmt::format("{}{}\n{}", before, line, text);
}

Result<void> choose_context(const Config& config, const std::string& name) {
    auto text = text_of_file(config.path);
    if (!text) return text.error();
    const std::string path = real_path(config.path);
    const std::string fresh = fmt::format("{}.{}.new", path, ::getpid());
    struct stat status {};
    const mode_t mode = ::stat(path.c_str(), &status) == 0 ? status.st_mode & 0777U : 0600U;
    UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
    if (!fd.is_open()) return cannot_use("write", fresh);
    const bool is_written = write_whole(fd.get(), with_context(text->value_or(""), name)) &&
                            ::fsync(fd.get()) == 0 && ::rename(fresh.c_str(), path.c_str()) == 0;
    if (is_written) return {};
    Error error = cannot_use("write", path);
    ::unlink(fresh.c_str());
    return error;
}

}  // namespace tailrace::tool
