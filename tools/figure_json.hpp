// FigureJson: figures as JSON, one key each.
//
// What a row doesn't have is no key, what isn't known is null. Durations and times are strings,
// because numbers beyond 2^53 don't survive every reader of JSON. The figures of a group
// ("latency.p50_ns") are an object, or null where none of them is known. Pure functions.
#pragma once

#include "output.hpp"

#include <tailrace/observe/figure.hpp>

#include <span>
#include <string_view>

namespace tailrace::tool {

void put_figure(Json& document,
                std::string_view name,
                const observe::Value& value,
                observe::Unit unit);

template <typename Row>
[[nodiscard]] Json figures_json(std::span<const observe::Figure<Row>> figures, const Row& row) {
    Json document;
    for (const observe::Figure<Row>& figure : figures)
        put_figure(document, figure.name, figure.get(row), figure.unit);
    return document;
}

}  // namespace tailrace::tool
