// LagReport: what `tailrace lag` prints of the streams it has looked at.
#pragma once

#include <tailrace/observe/stream_health.hpp>

#include <span>

namespace tailrace::tool {

using Healths = std::span<const observe::StreamHealth>;

// The table of readers, and who holds publishers back. `with_trend`: from the second look on.
void print_lag_text(Healths streams, bool with_trend);
void print_lag_json(Healths streams);
// On stderr, what is wrong and what can be done about it.
void explain_lag(Healths streams);

}  // namespace tailrace::tool
