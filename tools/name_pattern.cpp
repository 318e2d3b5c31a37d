#include "name_pattern.hpp"

#include "command.hpp"
#include "journal_place.hpp"

#include <tailrace/bus/region.hpp>
#include <tailrace/journal/inspect.hpp>

#include <system_error>

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fnmatch.h>

namespace tailrace::tool {

namespace {

void add_once(std::vector<std::string>& names, const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

bool matches(const std::string& pattern, const std::string& name) {
    return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

// Streams, and what lies where journals do.
std::vector<std::string> all_names() {
    std::vector<std::string> names;
    if (auto streams = bus::Region::list(settings().directory)) names = std::move(*streams);
    std::error_code failed;  // then there are none
    for (const auto& entry : std::filesystem::directory_iterator(usual_journal_parent(), failed))
        add_once(names, entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace

bool is_pattern(std::string_view word) noexcept {
    return word.find('/') == std::string_view::npos &&
           word.find_first_of("*?[") != std::string_view::npos;
}

bool has_pattern(const std::vector<std::string>& words) noexcept {
    return std::any_of(words.begin(), words.end(), is_pattern);
}

std::vector<std::string> matches_of(const std::vector<std::string>& words,
                                    const std::vector<std::string>& names) {
    std::vector<std::string> expanded;
    for (const std::string& word : words) {
        if (!is_pattern(word)) add_once(expanded, word);
        for (const std::string& name : names) {
            if (is_pattern(word) && matches(word, name)) add_once(expanded, name);
        }
    }
    return expanded;
}

Result<std::vector<std::string>> expand_patterns(const std::vector<std::string>& words,
                                                 const std::vector<std::string>& names,
                                                 std::string_view what) {
    for (const std::string& word : words) {
        const auto is_meant = [&](const std::string& name) {
            return matches(word, name);
        };
        if (!is_pattern(word) || std::any_of(names.begin(), names.end(), is_meant)) continue;
        return make_error(ErrorCode::not_found,
                          fmt::format("no {} has a name like '{}'", what, word),
                          "tailrace ls shows those that are there");
    }
    return matches_of(words, names);
}

Result<std::vector<std::string>> expand_stream_names(const std::vector<std::string>& words) {
    if (!has_pattern(words)) return expand_patterns(words, {});
    auto names = bus::Region::list(settings().directory);
    if (!names) return names.error();
    return expand_patterns(words, *names);
}

Result<std::vector<std::string>> present_stream_names(const std::vector<std::string>& words) {
    auto names = bus::Region::list(settings().directory);
    if (!names) return names.error();
    return matches_of(words, *names);
}

Result<std::vector<std::string>> expand_journal_names(const std::vector<std::string>& words) {
    if (!has_pattern(words)) return expand_patterns(words, {});
    std::vector<std::string> names = all_names();
    std::erase_if(names, [](const std::string& name) {
        const auto directory = find_journal(name);
        return !directory || !journal::is_journal(*directory);
    });
    return expand_patterns(words, names, "journal");
}

Result<std::vector<std::string>> expand_all_names(const std::vector<std::string>& words) {
    return has_pattern(words) ? expand_patterns(words, all_names()) : expand_patterns(words, {});
}

}  // namespace tailrace::tool
