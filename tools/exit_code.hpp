// ExitCode: what the command tells the shell. One table: every ErrorCode has its exit code here and
// nowhere else.
//
// Law: the table that `tailrace help exit-codes` prints. Codes never change their meaning.
#pragma once

#include <tailrace/base/error.hpp>

#include <cstdint>
#include <span>
#include <string_view>

namespace tailrace::tool {

enum class ExitCode : std::uint8_t {
    done = 0,
    failure = 1,
    usage = 2,
    damage = 3,
    not_found = 4,
    timed_out = 5,
    limit_exceeded = 6,
    incompatible = 7,
    already_exists = 8,
    no_space = 9,
    no_permission = 10,
    sequence_gone = 11,
    sequence_ahead = 12,
    busy = 13,
    too_large = 14,
    not_tailrace = 15,
    truncated = 16,
    stale = 17,
    no_writer = 18,
    interrupted = 130,
};

[[nodiscard]] ExitCode exit_code_of(ErrorCode code) noexcept;

struct ExitCodeRow {
    ExitCode code;
    std::string_view meaning;
};

// All of them, in ascending order.
[[nodiscard]] std::span<const ExitCodeRow> exit_code_table() noexcept;

}  // namespace tailrace::tool
