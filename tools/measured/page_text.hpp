// PageText: what stands in a page of HTML or SVG: foreign text, which is never markup, and times.
#pragma once

#include <fmt/format.h>
#include <string>
#include <string_view>

namespace tailrace::tool {

[[nodiscard]] inline std::string page_text(std::string_view text) {
    std::string result;
    for (const char c : text) {
        switch (c) {
            case '&':
                result += "&amp;";
                break;
            case '<':
                result += "&lt;";
                break;
            case '>':
                result += "&gt;";
                break;
            case '"':
                result += "&quot;";
                break;
            default:
                result += c;
                break;
        }
    }
    return result;
}

// "850 ns", "12.3 µs", "4.10 ms", "1.20 s"
[[nodiscard]] inline std::string latency_text(double ns) {
    const auto digits = [](double value) {
        return value < 10 ? 2 : value < 100 ? 1 : 0;
    };
    if (ns < 1e3) return fmt::format("{:.0f} ns", ns);
    if (ns < 1e6) return fmt::format("{:.{}f} µs", ns / 1e3, digits(ns / 1e3));
    if (ns < 1e9) return fmt::format("{:.{}f} ms", ns / 1e6, digits(ns / 1e6));
    return fmt::format("{:.2f} s", ns / 1e9);
}

}  // namespace tailrace::tool
