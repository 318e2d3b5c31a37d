#include "figure_json.hpp"

#include <string>
#include <type_traits>
#include <variant>

namespace tailrace::tool {

namespace {

Json value_json(const observe::Value& value, observe::Unit unit) {
    const bool is_string = unit == observe::Unit::nanoseconds || unit == observe::Unit::time_ns;
    return std::visit(
        [&](const auto& held) -> Json {
            using Held = std::decay_t<decltype(held)>;
            if constexpr (std::is_same_v<Held, observe::Absent> ||
                          std::is_same_v<Held, observe::Unknown>) {
                return {};
            } else if constexpr (std::is_same_v<Held, std::uint64_t>) {
                return is_string ? Json(ns_string(held)) : Json(held);
            } else {
                return held;
            }
        },
        value);
}

}  // namespace

void put_figure(Json& document,
                std::string_view name,
                const observe::Value& value,
                observe::Unit unit) {
    if (std::holds_alternative<observe::Absent>(value)) return;
    const std::size_t dot = name.find('.');
    if (dot == std::string_view::npos) {
        document[std::string(name)] = value_json(value, unit);
        return;
    }
    Json& group = document[std::string(name.substr(0, dot))];
    const bool is_known = !std::holds_alternative<observe::Unknown>(value);
    if (is_known || group.is_object()) put_figure(group, name.substr(dot + 1), value, unit);
}

}  // namespace tailrace::tool
