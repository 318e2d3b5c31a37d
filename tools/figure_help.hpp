// FigureHelp: what `tailrace help figures` prints: the keys of --json, each with what it means.
#pragma once

#include <string>

namespace tailrace::tool {

[[nodiscard]] std::string figures_text();

}  // namespace tailrace::tool
