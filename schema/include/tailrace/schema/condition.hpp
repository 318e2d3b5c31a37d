// Condition: which events are wanted, said by what their fields hold.
//
//     auto wanted = Condition::compile("price > 100 and instrument == 7", types);
//     if (!wanted) return wanted.error();
//     if (wanted->holds(event)) use(event);
//
//     or, and, not, ( )              also || && !
//     == != < <= > >=                also = and <>; a field beside a constant or another field
//     price, levels[0].price, quantities[2], Trade.price
//     100, -1, 1.5e3, 0xFF, true, false, 'text', "text" (\' \" \\ \n \t \xHH)
//
// Numbers are compared as they are, whatever their types; a constant beside an f32 is rounded to
// one first. A bool stands alone or beside true and false. Text is compared by its bytes.
//
// An event is wanted when the condition is true of it. What is said of a field that an event
// doesn't have (another type, an older version) is neither true nor false, and nor is its
// contrary. Immutable; reading costs no call of the kernel and no allocation. Any thread. Law:
// docs/typed_events.md.
#pragma once

#include <tailrace/base/event.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/schema/field_place.hpp>
#include <tailrace/schema/stream_schema.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::schema {

namespace detail {

enum class Step : std::uint8_t {
    both,
    either,
    contrary,
    unknown,    // of this type's events
    fixed,      // how the field stands to the constant is the same whatever it holds
    signed_is,  // a field beside a constant
    unsigned_is,
    real_is,
    flag_is,
    text_is,
    field_is,  // a field beside another one
};

// One step of a condition, bound to one type's bytes.
struct BoundStep {
    Step step = Step::unknown;
    std::uint8_t relation = 0;  // the orders that do: detail of condition.cpp
    std::uint16_t left = 0;     // other steps
    std::uint16_t right = 0;
    FieldPlace place;
    FieldPlace other;
    std::int64_t signed_number = 0;
    std::uint64_t unsigned_number = 0;
    double real = 0;
    std::string text;
};

}  // namespace detail

class Condition {
public:
    // Errors: invalid_argument begins with the column, from 1 on: what doesn't make sense there, a
    // type or a field that no type has, or a comparison that no type's fields can make.
    [[nodiscard]] static Result<Condition> compile(std::string_view text,
                                                   const StreamSchema& schema);

    [[nodiscard]] bool holds(EventType type, std::span<const std::byte> payload) const noexcept;
    [[nodiscard]] bool holds(const Event& event) const noexcept {
        return holds(event.type(), event.payload());
    }
    // Whether it can hold for any event of that type.
    [[nodiscard]] bool concerns(EventType type) const noexcept { return find(type) != nullptr; }

private:
    struct Bound {
        EventType type = 0;
        std::vector<detail::BoundStep> steps;  // the last one is the whole
    };

    [[nodiscard]] const Bound* find(EventType type) const noexcept;

    std::vector<Bound> bound_;
};

}  // namespace tailrace::schema
