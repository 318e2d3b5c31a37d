#include "name_pattern.hpp"

#include "command.hpp"
#include "journal_place.hpp"

#include <tailrace/bus/region.hpp>

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

bool has_pattern(const std::vector<std::string>& words) {
    return std::any_of(words.begin(), words.end(), is_pattern);
}

}  // namespace

bool is_pattern(std::string_view word) noexcept {
    return word.find('/') == std::string_view::npos &&
           word.find_first_of("*?[") != std::string_view::npos;
}

Result<std::vector<std::string>> expand_patterns(const std::vector<std::string>& words,
                                                 const std::vector<std::string>& names) {
    std::vector<std::string> expanded;
    for (const std::string& word : words) {
        if (!is_pattern(word)) {
            add_once(expanded, word);
            continue;
        }
        bool is_met = false;
        for (const std::string& name : names) {
            if (::fnmatch(word.c_str(), name.c_str(), 0) != 0) continue;
            is_met = true;
            add_once(expanded, name);
        }
        if (is_met) continue;
        return make_error(ErrorCode::not_found,
                          fmt::format("no stream has a name like '{}'", word),
                          "tailrace ls shows those that are there");
    }
    return expanded;
}

Result<std::vector<std::string>> expand_stream_names(const std::vector<std::string>& words) {
    if (!has_pattern(words)) return expand_patterns(words, {});
    auto names = bus::Region::list(settings().directory);
    if (!names) return names.error();
    return expand_patterns(words, *names);
}

Result<std::vector<std::string>> expand_journal_names(const std::vector<std::string>& words) {
    if (!has_pattern(words)) return expand_patterns(words, {});
    std::vector<std::string> names;
    if (auto streams = bus::Region::list(settings().directory)) names = std::move(*streams);
    std::error_code failed;  // then there are none
    for (const auto& entry : std::filesystem::directory_iterator(usual_journal_parent(), failed))
        add_once(names, entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return expand_patterns(words, names);
}

}  // namespace tailrace::tool
