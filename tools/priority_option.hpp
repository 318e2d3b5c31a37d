// The option --priority: how the kernel schedules the thread that writes a journal.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/stream/priority.hpp>

#include <CLI/CLI.hpp>
#include <string_view>

namespace tailrace::tool {

// "normal", "nice=-10", "fifo", "fifo=10"
[[nodiscard]] Result<stream::Priority> parse_priority(std::string_view text);

CLI::Option* add_priority_option(CLI::App& command, stream::Priority& priority);

}  // namespace tailrace::tool
