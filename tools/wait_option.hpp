// The option --wait: how a command passes the time until there is something for it to do.
#pragma once

#include <tailrace/bus/wait.hpp>

#include <CLI/CLI.hpp>

namespace tailrace::tool {

// The value that `wait` has already is the default.
CLI::Option* add_wait_option(CLI::App& command, bus::WaitStrategy& wait);

}  // namespace tailrace::tool
