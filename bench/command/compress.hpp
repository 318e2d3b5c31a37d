// Compressing a journal: what it would save there, and what reading then costs. The journal itself
// is left alone: a copy is compressed.
#pragma once

#include <tailrace/base/result.hpp>

#include <nlohmann/json.hpp>
#include <string>

namespace tailrace::bench {

struct CompressBenchOptions {
    std::string journal_directory;
    std::string copy_parent;  // where the copy is made; removed at the end
    int level = 3;            // of zstd
};

// The keys are documented in docs/benchmarking.md. Error invalid_argument: nothing there can be
// compressed.
[[nodiscard]] Result<nlohmann::json> run_compress(const CompressBenchOptions& options);

}  // namespace tailrace::bench
