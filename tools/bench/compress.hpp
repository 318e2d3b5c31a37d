// `tailrace bench compress JOURNAL`: what compressing would save there, and what reading then
// costs.
#pragma once

#include <CLI/CLI.hpp>

namespace tailrace::tool {

void add_bench_compress(CLI::App& bench);

}  // namespace tailrace::tool
