#include "filter_option.hpp"

#include "event_key.hpp"
#include "misspelling.hpp"
#include "output.hpp"
#include "units.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace tailrace::tool {

namespace {

// What begins as a number is one: no name of a schema does.
std::string check_type(const std::string& text) {
    const bool is_number = text.empty() || text[0] == '-' || (text[0] >= '0' && text[0] <= '9');
    if (!is_number || whole_number<EventType>(text)) return {};
    return fmt::format("'{}' is no type; allowed: a name, or 0 to 65535", text);
}

}  // namespace

bool FilterFlags::names_types() const {
    return std::any_of(types.begin(), types.end(), [](const std::string& text) {
        return !whole_number<EventType>(text);
    });
}

void add_filter_options(CLI::App& command, FilterFlags& flags) {
    command
        .add_option("--type", flags.types, "Only events of this type (7, Trade); may be repeated")
        ->type_name("TYPE")
        ->check(CLI::Validator(check_type, ""))
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    command.add_option("--key", flags.keys, "Only events of this key; may be given again")
        ->type_name("KEY")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

bus::EventFilter filter_of(const FilterFlags& flags) {
    bus::EventFilter filter;
    if (!flags.names_types()) {
        for (const std::string& type : flags.types)
            filter.add_type(whole_number<EventType>(type).value_or(0));
    }
    for (const std::string& key : flags.keys)
        filter.add_key(event_key(key));
    return filter;
}

Result<bus::EventFilter> filter_of(const FilterFlags& flags, const schema::StreamSchema& types) {
    bus::EventFilter filter = filter_of(flags);
    if (!flags.names_types()) return filter;
    for (const std::string& text : flags.types) {
        auto type = type_named(text, types);
        if (!type) return type.error();
        filter.add_type(*type);
    }
    return filter;
}

Result<EventType> type_named(const std::string& text, const schema::StreamSchema& types) {
    if (const schema::EventSchema* const type = types.find(std::string_view(text)))
        return type->type;
    if (const auto number = whole_number<EventType>(text)) return *number;
    std::vector<std::string> names;
    for (const schema::EventSchema& type : types.types())
        names.push_back(type.name);
    const std::string meant = nearest_name(text, names);
    return make_error(
        ErrorCode::invalid_argument,
        fmt::format("the stream has no type '{}'{}",
                    tame(text),
                    meant.empty() ? "" : fmt::format("; did you mean '{}'?", tame(meant))),
        names.empty() ? "a number, 0 to 65535; nobody has declared what its events are made of"
                      : tame(fmt::format("{}", fmt::join(names, ", "))));
}

}  // namespace tailrace::tool
