// ManPage: tailrace(1) in the language of man, from the tree of commands. Pure function.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace tailrace::tool {

[[nodiscard]] std::string man_page(const CLI::App& app);

}  // namespace tailrace::tool
