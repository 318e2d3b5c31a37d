// What people see of each benchmark: its report (bench/command) in lines and tables on stdout.
#pragma once

#include <nlohmann/json.hpp>

namespace tailrace::tool {

void print_pingpong(const nlohmann::json& report);
void print_latency(const nlohmann::json& report);
void print_throughput(const nlohmann::json& report);
void print_journal(const nlohmann::json& report);
void print_suite(const nlohmann::json& report);
void print_wait(const nlohmann::json& report);
void print_compress(const nlohmann::json& report);

}  // namespace tailrace::tool
