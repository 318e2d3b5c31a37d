// `tailrace bench`: latency and throughput of ring and journal, beside what the machine can do.
//
// Every figure comes with its own physical limit from the same run: a round trip beside two
// processes that bounce one cache line, a journal beside the raw device. Streams and files of a
// bench are its own and are removed at the end. Law: docs/benchmarking.md.
#pragma once

#include <CLI/CLI.hpp>

namespace tailrace::tool {

// Adds the command `bench` and its subcommands.
void register_bench(CLI::App& app);

}  // namespace tailrace::tool
