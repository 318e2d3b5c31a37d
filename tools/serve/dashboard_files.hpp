// DashboardFiles: what tools/serve/page/ and tools/serve/vendor/ hold, as it is in the command.
// Made by tools/serve/dashboard.cmake.
#pragma once

#include <array>
#include <string_view>

namespace tailrace::tool {

struct DashboardFiles {
    std::array<std::string_view, 1> html;
    std::array<std::string_view, 2> styles;
    std::array<std::string_view, 7> scripts;
    std::array<std::string_view, 1> licence;  // of uPlot
};

extern const DashboardFiles kDashboardFiles;

}  // namespace tailrace::tool
