// TypedView: the events of one stream by their fields: which of them are wanted (--where and
// --fields), and which fields of each are shown. It goes along when the stream's types grow. One
// thread.
#pragma once

#include "filter_option.hpp"
#include "known_types.hpp"

#include <tailrace/base/event.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/schema/condition.hpp>
#include <tailrace/schema/field_place.hpp>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tailrace::tool {

// The options --where and --fields, and --type where it has names.
struct TypedFlags {
    std::string where;                // empty: all events
    std::vector<std::string> fields;  // empty: all of an event's
    std::vector<std::string> types;   // empty: all events

    [[nodiscard]] bool are_used() const noexcept {
        return !where.empty() || !fields.empty() || !types.empty();
    }
    // With the types of --type, if it names any: else the stream's filter knows them.
    [[nodiscard]] TypedFlags with(const FilterFlags& wanted) const;
};

void add_typed_options(CLI::App& command, TypedFlags& flags);

// When its types are asked for.
enum class TypesDue : std::uint8_t {
    now,    // what no type answers to is an error
    later,  // a stream that has just come may declare them in a moment
};

class TypedView {
public:
    // `stream` is for messages. Errors: a condition or a field that makes no sense of these types,
    // types that can't be read when they are needed.
    [[nodiscard]] static Result<TypedView> open(KnownTypes types,
                                                const TypedFlags& flags,
                                                const std::string& stream,
                                                TypesDue due = TypesDue::now);

    // Whether it is to be shown. Costs some tens of nanoseconds.
    [[nodiscard]] bool wants(const Event& event);

    // Null: nobody has declared its type.
    [[nodiscard]] const schema::EventSchema* type_of(const Event& event);
    // Those that are shown of its type, in the order of --fields, or of their offsets; an older
    // event may lack some. None: it is shown as bytes.
    [[nodiscard]] std::span<const schema::NamedPlace> fields_of(const Event& event);

    // A column of a table, and where it is in a type's events. Each element of an array has one.
    struct Column {
        std::string name;
        std::vector<std::optional<schema::FieldPlace>> places;  // beside types()
    };
    // Fixed when they are first asked for: a table doesn't grow in the middle.
    [[nodiscard]] const std::vector<Column>& columns();
    // Of the event's type among the columns; nothing when it has none there.
    [[nodiscard]] std::optional<std::size_t> row_of(const Event& event);

private:
    struct TypeFields {
        EventType type = 0;
        std::vector<schema::NamedPlace> fields;
    };

    [[nodiscard]] Result<void> bind();
    void look(const Event& event);
    void add_columns(const TypeFields& type, std::size_t row);
    [[nodiscard]] const TypeFields* find(EventType type) const noexcept;

    KnownTypes types_;
    TypedFlags flags_;
    std::string stream_;
    std::optional<schema::Condition> condition_;
    std::vector<EventType> wanted_;  // of flags_.types
    std::vector<TypeFields> shown_;  // only types that have some
    std::optional<std::vector<Column>> columns_;
    std::vector<EventType> rows_;  // of the columns' places
    bool is_told_ = false;
};

}  // namespace tailrace::tool
