// The options --type and --key: which events a command is about. A type is a number, or the name
// that a stream's schema has for one.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/bus/event_filter.hpp>
#include <tailrace/schema/stream_schema.hpp>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace tailrace::tool {

struct FilterFlags {
    std::vector<std::string> types;
    std::vector<std::string> keys;

    // Whether one of the types is a name.
    [[nodiscard]] bool names_types() const;
};

void add_filter_options(CLI::App& command, FilterFlags& flags);

// Passes everything where neither was given. Where types are named it passes all types: only a
// schema knows which these are.
[[nodiscard]] bus::EventFilter filter_of(const FilterFlags& flags);
[[nodiscard]] Result<bus::EventFilter> filter_of(const FilterFlags& flags,
                                                 const schema::StreamSchema& types);

// By its name, else as a number. Error: there is none; it says which there are.
[[nodiscard]] Result<EventType> type_named(const std::string& text,
                                           const schema::StreamSchema& types);

}  // namespace tailrace::tool
