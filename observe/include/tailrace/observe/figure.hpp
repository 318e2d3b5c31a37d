// Figure: one thing that can be told of a stream, a reader, a journal or a machine, described once:
// its name, its unit, what it means, whether it only grows, and how it is got. Whoever shows
// figures (a table, JSON, a page for a monitoring system) goes through a list of them, and so all
// show the same.
//
//     for (const observe::Figure<observe::ReaderHealth>& figure : observe::reader_figures())
//         std::puts((std::string(figure.name) + " " + observe::text_of(figure, reader)).c_str());
//
// Pure functions, any thread.
#pragma once

#include <tailrace/base/check.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace tailrace::observe {

enum class Unit : std::uint8_t {
    text,
    flag,          // true or false
    number,        // that counts nothing: a pid, an errno
    count,         // how many
    sequence,      // of an event
    bytes,         // the name says whose: of payload, of the ring, on disk
    nanoseconds,   // a duration
    time_ns,       // nanoseconds since 1970, UTC
    ratio,         // 0 to 1
    change_per_s,  // how fast a count grows; negative: it falls
};

// How it moves, for whoever keeps it and compares.
enum class Kind : std::uint8_t {
    gauge,    // what is so now
    counter,  // only grows, from zero on as often as whoever counts starts anew
};

// "text", "flag", "bytes", ...
[[nodiscard]] std::string_view unit_name(Unit unit) noexcept;

// The figure is nothing that this row has.
struct Absent {
    friend bool operator==(Absent, Absent) = default;
};
// The row has it, but it is nobody's, or it can't be known at the moment.
struct Unknown {
    friend bool operator==(Unknown, Unknown) = default;
};
using Value = std::variant<Absent, Unknown, bool, std::uint64_t, double, std::string>;

template <typename Row>
struct Figure {
    // With its unit last: "lag_events". "latency.p50_ns" is one of a group.
    std::string_view name;
    Unit unit = Unit::text;
    std::string_view help;
    Value (*get)(const Row& row) = nullptr;
    Kind kind = Kind::gauge;
};

// As a person reads it; "-" for what isn't there.
[[nodiscard]] std::string value_text(const Value& value, Unit unit);

template <typename Row>
[[nodiscard]] std::string text_of(const Figure<Row>& figure, const Row& row) {
    return value_text(figure.get(row), figure.unit);
}

// Requires: there is one of this name.
template <typename Row>
[[nodiscard]] const Figure<Row>& figure_named(std::span<const Figure<Row>> figures,
                                              std::string_view name) noexcept {
    for (const Figure<Row>& figure : figures) {
        if (figure.name == name) return figure;
    }
    TAILRACE_CHECK(false);
    return figures.front();
}

}  // namespace tailrace::observe
