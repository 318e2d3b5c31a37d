// NamePattern: several streams by one word, as a shell names files: 'orders*', 'eu-?', '[ab]*'.
// Pure functions, but for the lists of what is there.
#pragma once

#include <tailrace/base/result.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace tailrace::tool {

// No name of a stream has one of * ? [.
[[nodiscard]] bool is_pattern(std::string_view word) noexcept;
[[nodiscard]] bool has_pattern(const std::vector<std::string>& words) noexcept;

// The names that the words stand for, each once: those of a pattern in order, a name as it is,
// whether it is there or not.
[[nodiscard]] std::vector<std::string> matches_of(const std::vector<std::string>& words,
                                                  const std::vector<std::string>& names);
// The same. Error not_found: a pattern of none of `names`; `what` is what they are names of.
[[nodiscard]] Result<std::vector<std::string>> expand_patterns(
    const std::vector<std::string>& words,
    const std::vector<std::string>& names,
    std::string_view what = "stream");

// Of the streams that are there now.
[[nodiscard]] Result<std::vector<std::string>> expand_stream_names(
    const std::vector<std::string>& words);
// The same, and a pattern of none stands for none.
[[nodiscard]] Result<std::vector<std::string>> present_stream_names(
    const std::vector<std::string>& words);
// Of the journals that are there now, by the names of their streams. A path stays a path.
[[nodiscard]] Result<std::vector<std::string>> expand_journal_names(
    const std::vector<std::string>& words);
// Of the streams, and of the journals whose ring is gone.
[[nodiscard]] Result<std::vector<std::string>> expand_all_names(
    const std::vector<std::string>& words);

}  // namespace tailrace::tool
