#include "measured/percentile_picture.hpp"

#include "measured/page_text.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>

namespace tailrace::tool {

namespace {

constexpr double kWidth = 820;
constexpr double kHeight = 360;
constexpr double kLeft = 70;
constexpr double kRight = 130;  // names of curves
constexpr double kTop = 16;
constexpr double kBottom = 40;

// From decades to pixels.
struct Axes {
    double decades_right;  // of 1/(1-share)
    double lowest;         // decades of nanoseconds
    double highest;

    [[nodiscard]] double x(double decades) const {
        return kLeft + (kWidth - kLeft - kRight) * decades / decades_right;
    }
    [[nodiscard]] double y(double decades) const {
        return kTop + (kHeight - kTop - kBottom) * (highest - decades) / (highest - lowest);
    }
};

double decades_of(double share) {
    return -std::log10(1 - share);
}

// The last step of a curve is its largest value: it stands at the edge.
Axes axes_for(const std::vector<PercentileCurve>& curves) {
    double right = 1;
    double least = std::numeric_limits<double>::max();
    double most = 1;
    for (const PercentileCurve& curve : curves) {
        for (const auto& [share, ns] : curve.points) {
            if (share < 1) right = std::max(right, decades_of(share));
            least = std::min(least, std::max(ns, 1.0));
            most = std::max(most, ns);
        }
    }
    const double lowest = std::floor(std::log10(least));
    return {right, lowest, std::max(std::ceil(std::log10(most)), lowest + 1)};
}

std::string percent_text(double decade) {
    if (decade < 1) return "0 %";
    const int nines = static_cast<int>(decade);
    if (nines == 1) return "90 %";
    return fmt::format("{:.{}f} %", 100 - std::pow(10, 2 - nines), std::max(0, nines - 2));
}

std::string grid_of(const Axes& axes) {
    std::string svg;
    for (double decade = 0; decade <= axes.decades_right; ++decade) {
        svg += fmt::format(R"(<path class="grid" d="M{0:.1f} {1:.1f}V{2:.1f}"/>)"
                           R"(<text x="{0:.1f}" y="{3:.1f}" class="below">{4}</text>)",
                           axes.x(decade),
                           kTop,
                           kHeight - kBottom,
                           kHeight - kBottom + 18,
                           percent_text(decade));
        svg += '\n';
    }
    for (double decade = axes.lowest; decade <= axes.highest; ++decade) {
        svg += fmt::format(R"(<path class="grid" d="M{0:.1f} {1:.1f}H{2:.1f}"/>)"
                           R"(<text x="{3:.1f}" y="{4:.1f}" class="beside">{5}</text>)",
                           kLeft,
                           axes.y(decade),
                           kWidth - kRight,
                           kLeft - 8,
                           axes.y(decade) + 4,
                           latency_text(std::pow(10, decade)));
        svg += '\n';
    }
    return svg;
}

}  // namespace

std::string percentile_svg(const std::vector<PercentileCurve>& curves) {
    if (std::all_of(curves.begin(), curves.end(), [](const PercentileCurve& curve) {
            return curve.points.empty();
        })) {
        return {};
    }
    const Axes axes = axes_for(curves);
    std::string svg =
        fmt::format(R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" role="img" )"
                    R"(aria-label="percentile curves">)",
                    kWidth,
                    kHeight);
    svg += '\n' + grid_of(axes);
    std::vector<double> taken;  // by names of curves
    for (const PercentileCurve& curve : curves) {
        if (curve.points.empty()) continue;
        std::string path;
        double y = 0;
        for (const auto& [share, ns] : curve.points) {
            const double right = share < 1 ? decades_of(share) : axes.decades_right;
            y = axes.y(std::log10(std::max(ns, 1.0)));
            path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? 'M' : 'L', axes.x(right), y);
        }
        svg += fmt::format(R"(<path class="curve {}" d="{}"/>)", curve.kind, path);
        constexpr double kLineHeight = 14;
        while (std::any_of(taken.begin(), taken.end(), [&](double other) {
            return std::abs(other - y) < kLineHeight;
        })) {
            y += kLineHeight;
        }
        taken.push_back(y);
        svg += fmt::format(R"(<text x="{:.1f}" y="{:.1f}" class="{}">{}</text>)",
                           kWidth - kRight + 8,
                           y + 4,
                           curve.kind,
                           page_text(curve.name));
        svg += '\n';
    }
    return svg + "</svg>\n";
}

}  // namespace tailrace::tool
