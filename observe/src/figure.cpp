#include <tailrace/observe/figure.hpp>
#include <tailrace/observe/quantity_text.hpp>

#include <cmath>

namespace tailrace::observe {

namespace {

std::string text_of_count(std::uint64_t value, Unit unit) {
    switch (unit) {
        case Unit::count:
        case Unit::sequence:
            return count_text(value);
        case Unit::bytes:
            return size_text(value);
        case Unit::nanoseconds:
            return value == 0 ? "0" : duration_text(value);
        case Unit::time_ns:
            return time_text(value);
        default:
            return std::to_string(value);
    }
}

std::string text_of_real(double value, Unit unit) {
    if (unit == Unit::ratio) return share_text(value);
    const double size = std::abs(value);
    if (size < 1) return "=";
    return (value > 0 ? "+" : "-") + rate_text(size);
}

}  // namespace

std::string_view unit_name(Unit unit) noexcept {
    switch (unit) {
        case Unit::text:
            return "text";
        case Unit::flag:
            return "flag";
        case Unit::number:
            return "number";
        case Unit::count:
            return "count";
        case Unit::sequence:
            return "sequence";
        case Unit::bytes:
            return "bytes";
        case Unit::nanoseconds:
            return "nanoseconds";
        case Unit::time_ns:
            return "time";
        case Unit::ratio:
            return "ratio";
        case Unit::change_per_s:
            return "per second";
    }
    return "unknown";
}

std::string value_text(const Value& value, Unit unit) {
    if (const bool* const flag = std::get_if<bool>(&value)) return *flag ? "yes" : "no";
    if (const auto* const count = std::get_if<std::uint64_t>(&value))
        return text_of_count(*count, unit);
    if (const auto* const real = std::get_if<double>(&value)) return text_of_real(*real, unit);
    if (const auto* const text = std::get_if<std::string>(&value); text && !text->empty())
        return *text;
    return "-";
}

}  // namespace tailrace::observe
