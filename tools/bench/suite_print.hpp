// Tables of `tailrace bench suite` and `tailrace bench wait`, from their reports.
#pragma once

#include <nlohmann/json.hpp>

namespace tailrace::tool {

void print_suite(const nlohmann::json& report);
void print_wait(const nlohmann::json& report);

}  // namespace tailrace::tool
