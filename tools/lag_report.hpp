// LagReport: what `tailrace lag` prints of the streams it has looked at.
#pragma once

#include <tailrace/observe/stream_health.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace tailrace::tool {

using Healths = std::span<const observe::StreamHealth>;

// The table of readers, and who holds publishers back. `with_trend`: from the second look on. Where
// there are so many lines at most, the readers that are worst off are shown, and how many more
// there are.
[[nodiscard]] std::string lag_text(Healths streams,
                                   bool with_trend,
                                   std::optional<std::size_t> most_lines = {});
// The table of groups alone.
[[nodiscard]] std::string group_table_text(std::span<const observe::GroupHealth> groups);
void print_lag_json(Healths streams);
// On stderr, what is wrong and what can be done about it.
void explain_lag(Healths streams);

}  // namespace tailrace::tool
