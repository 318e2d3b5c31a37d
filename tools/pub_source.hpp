// PubSource: where the events of one run of `tailrace pub` come from: arguments, files, stdin, or
// nowhere (made up). One thread.
#pragma once

#include "event_input.hpp"

#include <tailrace/bus/region.hpp>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tailrace::tool {

struct PubSourceFlags {
    std::string stream;
    std::vector<std::string> bodies;
    bool from_stdin = false;
    std::vector<std::string> files;
    std::optional<std::uint64_t> count;  // without it: all there are
    CLI::Option* size = nullptr;
    std::uint64_t size_bytes = 0;
    CLI::Option* as = nullptr;
    std::string as_text;
    CLI::Option* type = nullptr;
    EventInputOptions input;

    // Of its own accord it ends only when there is an end.
    [[nodiscard]] bool is_endless() const;
};

struct PubSource {
    // The next event, valid until the one behind it, or nothing at the end.
    std::function<Result<std::optional<InputEvent>>()> next;
    std::shared_ptr<EventInput> input;  // null for arguments and what is made up
};

// Options of `pub` that say where events come from.
void add_source_options(CLI::App& command, PubSourceFlags& flags);

// Arguments are all looked at before the first one is given: nothing is half-made. `flags` outlives
// the source.
[[nodiscard]] Result<PubSource> open_source(PubSourceFlags& flags, const bus::Region& region);

}  // namespace tailrace::tool
