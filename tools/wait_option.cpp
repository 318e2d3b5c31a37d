#include "wait_option.hpp"

#include <string>

namespace tailrace::tool {

CLI::Option* add_wait_option(CLI::App& command, bus::WaitStrategy& wait) {
    return command
        .add_option_function<std::string>(
            "--wait",
            [&wait](const std::string& name) { wait = bus::wait_strategy_of(name).value_or(wait); },
            "How to wait: adaptive (by what has paid off), futex, yield, spin")
        ->check(CLI::IsMember({"adaptive", "futex", "yield", "spin"}))
        ->default_str(std::string(bus::wait_strategy_name(wait)));
}

}  // namespace tailrace::tool
