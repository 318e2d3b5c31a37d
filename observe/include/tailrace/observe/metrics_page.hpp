// MetricsPage: all that was seen at one look, for a monitoring system. What /metrics of `tailrace
// serve` shows; a program may serve it itself. Pure function.
#pragma once

#include <tailrace/observe/metrics_text.hpp>
#include <tailrace/observe/watcher.hpp>

#include <string>
#include <string_view>

namespace tailrace::observe {

[[nodiscard]] std::string metrics_page(const Look& look,
                                       MetricsFormat format,
                                       std::string_view version);

}  // namespace tailrace::observe
