// TailFlags: what `tailrace tail` was asked for. A plain value.
#pragma once

#include "event_template.hpp"
#include "filter_option.hpp"
#include "typed_view.hpp"

#include <tailrace/base/position.hpp>
#include <tailrace/bus/wait.hpp>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tailrace::tool {

struct TailFlags {
    std::vector<std::string> streams;  // names and patterns
    std::optional<Position> from;
    std::optional<Position> to;
    std::optional<std::uint64_t> count;
    std::optional<EventTemplate> written_as;
    bool exit_at_end = false;
    bool only_counts = false;
    std::string policy = "observe";
    bool durable = false;
    std::string cursor;
    std::string group;  // a member of it reads, not by itself
    CLI::Option* policy_option = nullptr;
    std::string on_damage = "stop";
    CLI::Option* name = nullptr;
    std::string name_text = "tail";
    FilterFlags wanted;
    TypedFlags typed;
    std::string partition;
    CLI::Option* evict_after = nullptr;
    std::uint64_t evict_after_ns = 1'000'000'000;
    double rate_per_s = 0;
    std::uint64_t delay_ns = 0;
    std::uint64_t timeout_ns = 0;  // 0: none
    bus::WaitStrategy wait = bus::WaitStrategy::adaptive;

    // Events a second; 0: as they come.
    [[nodiscard]] double pace_per_s() const noexcept {
        return delay_ns != 0 ? 1e9 / static_cast<double>(delay_ns) : rate_per_s;
    }
};

}  // namespace tailrace::tool
