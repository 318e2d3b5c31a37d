// ReplayFlags: what `tailrace replay` was asked for. A plain value.
#pragma once

#include "event_template.hpp"
#include "filter_option.hpp"
#include "typed_view.hpp"

#include <tailrace/base/position.hpp>
#include <tailrace/stream/replayer.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tailrace::tool {

struct ReplayFlags {
    std::vector<std::string> targets;  // names, patterns and directories
    std::string journal;               // of one target
    std::string into;                  // empty: to stdout
    std::string identity;              // under which each event is published once; empty: none
    std::optional<Position> from;
    std::optional<Position> to;
    FilterFlags wanted;
    TypedFlags typed;
    std::optional<double> speed;
    bool by_steps = false;
    std::uint64_t rounds = 1;  // 0: until it is told to stop
    stream::ReplayTimes times = stream::ReplayTimes::original;
    std::optional<std::uint64_t> count;
    std::optional<EventTemplate> written_as;
    bool only_counts = false;
    stream::ReplayOptions options;
};

}  // namespace tailrace::tool
