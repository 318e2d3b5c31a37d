#include "typed_view.hpp"

#include "command.hpp"
#include "misspelling.hpp"
#include "output.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace tailrace::tool {

namespace {

std::vector<std::string> field_names(const schema::StreamSchema& types) {
    std::vector<std::string> names;
    for (const schema::EventSchema& type : types.types()) {
        for (schema::NamedPlace& field : schema::places_of(type))
            names.push_back(std::move(field.name));
    }
    return names;
}

Error no_types(const TypedFlags& flags, const std::string& stream) {
    const char* const option = !flags.where.empty()    ? "--where asks for fields"
                               : !flags.fields.empty() ? "--fields asks for fields"
                                                       : "--type asks for a name";
    return make_error(
        ErrorCode::invalid_argument,
        fmt::format(
            "{}, and nobody has declared what the events of '{}' are made of", option, stream),
        "docs/typed_events.md; tailrace create NAME --schema FILE declares types");
}

// Of one type: the fields asked for that it has.
Result<std::vector<schema::NamedPlace>> chosen_fields(const schema::EventSchema& type,
                                                      const std::vector<std::string>& names) {
    std::vector<schema::NamedPlace> chosen;
    for (const std::string& name : names) {
        const std::string prefix = type.name + ".";
        auto place = schema::find_place(type, name);
        if (!place && place.error().code == ErrorCode::not_found && name.starts_with(prefix))
            place = schema::find_place(type, std::string_view(name).substr(prefix.size()));
        if (place) {
            chosen.push_back({name, *place});
        } else if (place.error().code != ErrorCode::not_found) {
            return place.error();
        }
    }
    return chosen;
}

}  // namespace

TypedFlags TypedFlags::with(const FilterFlags& wanted) const {
    TypedFlags flags = *this;
    if (wanted.names_types()) flags.types = wanted.types;
    return flags;
}

void add_typed_options(CLI::App& command, TypedFlags& flags) {
    command
        .add_option(
            "--where", flags.where, "Only events of which it is true: 'price > 100 and ...'")
        ->type_name("CONDITION");
    command.add_option("--fields", flags.fields, "Only these fields: price,symbol")
        ->type_name("NAMES")
        ->delimiter(',')
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

Result<TypedView> TypedView::open(KnownTypes types,
                                  const TypedFlags& flags,
                                  const std::string& stream,
                                  TypesDue due) {
    TypedView view;
    view.types_ = std::move(types);
    view.flags_ = flags;
    view.stream_ = stream;
    if (view.types_.problem()) {
        if (flags.are_used()) return *view.types_.problem();
        warn(fmt::format("{}; its events are shown as bytes", view.types_.problem()->message));
        return view;
    }
    const bool has_none = view.types_.schema().types().empty();
    if (has_none && flags.are_used())
        return due == TypesDue::later ? Result<TypedView>(std::move(view))
                                      : no_types(flags, stream);
    if (auto bound = view.bind(); !bound) return bound.error();
    return view;
}

Result<void> TypedView::bind() {
    const schema::StreamSchema& types = types_.schema();
    std::optional<schema::Condition> condition;
    if (!flags_.where.empty()) {
        auto compiled = schema::Condition::compile(flags_.where, types);
        if (!compiled) {
            Error error = compiled.error();
            error.message = fmt::format("--where, {} ('{}')", error.message, stream_);
            return error;
        }
        condition = std::move(*compiled);
    }
    std::vector<EventType> wanted;
    for (const std::string& text : flags_.types) {
        auto type = type_named(text, types);
        if (!type) return type.error();
        wanted.push_back(*type);
    }
    std::vector<TypeFields> shown;
    std::vector<std::string> missing = flags_.fields;
    for (const schema::EventSchema& type : types.types()) {
        TypeFields fresh{type.type, {}};
        if (flags_.fields.empty()) {
            fresh.fields = schema::places_of(type);
        } else {
            auto chosen = chosen_fields(type, flags_.fields);
            if (!chosen) return chosen.error();
            fresh.fields = std::move(*chosen);
        }
        for (const schema::NamedPlace& field : fresh.fields)
            std::erase(missing, field.name);
        if (!fresh.fields.empty()) shown.push_back(std::move(fresh));
    }
    if (!missing.empty()) {
        const std::string meant = nearest_name(missing.front(), field_names(types));
        return make_error(
            ErrorCode::invalid_argument,
            fmt::format("--fields: no event of '{}' has a field '{}'{}",
                        stream_,
                        tame(missing.front()),
                        meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant)),
            fmt::format("tailrace schema {}", stream_));
    }
    condition_ = std::move(condition);
    wanted_ = std::move(wanted);
    shown_ = std::move(shown);
    return {};
}

// What was asked for before and makes no sense of new types stays as it was: of those that have
// been there. A stream that had none yet is told of once.
void TypedView::look(const Event& event) {
    if (!types_.learn_from(event)) return;
    auto bound = bind();
    if (bound || is_told_) return;
    is_told_ = true;
    warn(fmt::format("{}; none of its events is shown", bound.error().message));
}

bool TypedView::wants(const Event& event) {
    if (!flags_.are_used()) return true;
    look(event);
    if (!flags_.types.empty() &&
        std::find(wanted_.begin(), wanted_.end(), event.type()) == wanted_.end()) {
        return false;
    }
    if (!flags_.fields.empty() && fields_of(event).empty()) return false;
    if (flags_.where.empty()) return true;
    return condition_ && condition_->holds(event);
}

const schema::EventSchema* TypedView::type_of(const Event& event) {
    look(event);
    return types_.schema().find(event.type());
}

const TypedView::TypeFields* TypedView::find(EventType type) const noexcept {
    const auto found = std::find_if(
        shown_.begin(), shown_.end(), [type](const TypeFields& one) { return one.type == type; });
    return found == shown_.end() ? nullptr : &*found;
}

std::span<const schema::NamedPlace> TypedView::fields_of(const Event& event) {
    look(event);
    const TypeFields* const type = find(event.type());
    if (type == nullptr) return {};
    // What is shorter than the smallest version is no such event.
    const bool has_one =
        std::any_of(type->fields.begin(), type->fields.end(), [&](const schema::NamedPlace& field) {
            return field.place.is_in(event.payload());
        });
    if (!has_one) return {};
    return type->fields;
}

void TypedView::add_columns(const TypeFields& type, std::size_t row) {
    const auto put = [&](const std::string& name, const schema::FieldPlace& place) {
        auto column = std::find_if(columns_->begin(), columns_->end(), [&](const Column& one) {
            return one.name == name;
        });
        if (column == columns_->end())
            column = columns_->insert(
                column, {name, std::vector(shown_.size(), std::optional<schema::FieldPlace>())});
        column->places[row] = place;
    };
    for (const schema::NamedPlace& field : type.fields) {
        if (!field.place.is_array()) {
            put(field.name, field.place);
            continue;
        }
        schema::FieldPlace element = field.place;
        element.count = 0;
        for (std::uint32_t index = 0; index < field.place.count; ++index) {
            put(fmt::format("{}[{}]", field.name, index), element);
            element.offset_bytes += schema::kind_size_bytes(element.kind);
        }
    }
}

const std::vector<TypedView::Column>& TypedView::columns() {
    if (columns_) return *columns_;
    columns_.emplace();
    for (std::size_t row = 0; row < shown_.size(); ++row) {
        rows_.push_back(shown_[row].type);
        add_columns(shown_[row], row);
    }
    return *columns_;
}

std::optional<std::size_t> TypedView::row_of(const Event& event) {
    (void)columns();
    const auto found = std::find(rows_.begin(), rows_.end(), event.type());
    if (found == rows_.end()) return std::nullopt;
    return static_cast<std::size_t>(found - rows_.begin());
}

}  // namespace tailrace::tool
