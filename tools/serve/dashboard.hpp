// Dashboard: the page for people, whole: HTML, style, scripts and uPlot in one text that asks the
// network for nothing but /events. Made of tools/serve/page/ when the command is built. Any thread.
#pragma once

#include "http_message.hpp"

namespace tailrace::tool {

[[nodiscard]] SharedText dashboard_page();

}  // namespace tailrace::tool
