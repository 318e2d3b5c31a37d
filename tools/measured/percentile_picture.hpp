// PercentilePicture: percentile curves as SVG. To the right each step has a tenth of the events
// left (90 %, 99 %, 99.9 %, …), upwards each step is ten times as long: both axes are logarithmic.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace tailrace::tool {

struct PercentileCurve {
    std::string name;
    std::string kind;  // a class of the page's style: "ours", "limit", "older"
    std::vector<std::pair<double, double>> points;  // share of all events, nanoseconds
};

// Empty when there is nothing to draw.
[[nodiscard]] std::string percentile_svg(const std::vector<PercentileCurve>& curves);

}  // namespace tailrace::tool
