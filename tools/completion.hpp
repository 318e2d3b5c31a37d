// Completion: what may stand where the cursor is, from the tree of commands and the streams that
// are there; and the scripts by which bash, zsh and fish ask.
#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::tool {

struct Candidate {
    std::string word;  // ":files": whatever files the shell finds
    std::string text;  // what it is; may be empty
};

// `words` are those behind `tailrace`, the last one being typed, perhaps empty. Candidates begin
// with it.
[[nodiscard]] std::vector<Candidate> candidates(const CLI::App& app,
                                                std::span<const std::string> words);

// Requires: bash, zsh or fish.
[[nodiscard]] std::string_view completion_script(std::string_view shell);

}  // namespace tailrace::tool
