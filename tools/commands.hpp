// The commands of `tailrace`, each declared here and made in its own cmd_*.cpp. Called once each,
// by main.
#pragma once

#include <CLI/CLI.hpp>

namespace tailrace::tool {

void register_backup(CLI::App& app);
void register_bench(CLI::App& app);
void register_compress(CLI::App& app);
void register_completion(CLI::App& app);
void register_context(CLI::App& app);
void register_create(CLI::App& app);
void register_cursor(CLI::App& app);
void register_diff(CLI::App& app);
void register_doctor(CLI::App& app);
void register_export(CLI::App& app);
void register_group(CLI::App& app);
void register_import(CLI::App& app);
void register_inspect(CLI::App& app);
void register_lag(CLI::App& app);
void register_ls(CLI::App& app);
void register_man(CLI::App& app);
void register_pub(CLI::App& app);
void register_publisher(CLI::App& app);
void register_record(CLI::App& app);
void register_repair(CLI::App& app);
void register_replay(CLI::App& app);
void register_rm(CLI::App& app);
void register_sample(CLI::App& app);
void register_schema(CLI::App& app);
void register_serve(CLI::App& app);
void register_tail(CLI::App& app);
void register_top(CLI::App& app);
void register_trim(CLI::App& app);
void register_verify(CLI::App& app);
void register_version(CLI::App& app);

}  // namespace tailrace::tool
