// The options --type and --key: which events a command is about.
#pragma once

#include <tailrace/bus/event_filter.hpp>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace tailrace::tool {

struct FilterFlags {
    std::vector<EventType> types;
    std::vector<std::string> keys;
};

void add_filter_options(CLI::App& command, FilterFlags& flags);

// Passes everything where neither was given.
[[nodiscard]] bus::EventFilter filter_of(const FilterFlags& flags);

}  // namespace tailrace::tool
