#include "condition_tree.hpp"

#include <tailrace/schema/condition.hpp>

#include <algorithm>
#include <cmath>
#include <compare>
#include <cstring>
#include <optional>
#include <type_traits>
#include <utility>

namespace tailrace::schema {

namespace {

using detail::BoundStep;
using detail::Step;

// A field of a type that has it as the condition wants it; nothing when the type doesn't have it.
// Error: it can't be compared so.
using Found = Result<std::optional<FieldPlace>>;

constexpr double kTwoTo63 = 9223372036854775808.0;
constexpr double kTwoTo64 = 18446744073709551616.0;

// --- orders

std::uint8_t relation_of(std::partial_ordering order) noexcept {
    if (order < 0) return kLess;
    if (order > 0) return kGreater;
    return order == 0 ? kEqual : kUnordered;
}

std::uint8_t mirrored(std::uint8_t relation) noexcept {
    std::uint8_t mirror = relation & (kEqual | kUnordered);
    if ((relation & kLess) != 0) mirror |= kGreater;
    if ((relation & kGreater) != 0) mirror |= kLess;
    return mirror;
}

// Exact, where a conversion of either to the other's type would round.
std::partial_ordering order_of_whole_and_real(std::int64_t whole, double real) noexcept {
    if (std::isnan(real)) return std::partial_ordering::unordered;
    if (real >= kTwoTo63) return std::partial_ordering::less;
    if (real < -kTwoTo63) return std::partial_ordering::greater;
    const double down = std::floor(real);
    const auto order = whole <=> static_cast<std::int64_t>(down);
    return order == 0 && down < real ? std::partial_ordering::less : order;
}

std::partial_ordering order_of_whole_and_real(std::uint64_t whole, double real) noexcept {
    if (std::isnan(real)) return std::partial_ordering::unordered;
    if (real >= kTwoTo64) return std::partial_ordering::less;
    if (real < 0) return std::partial_ordering::greater;
    const double down = std::floor(real);
    const auto order = whole <=> static_cast<std::uint64_t>(down);
    return order == 0 && down < real ? std::partial_ordering::less : order;
}

template <typename T>
inline constexpr bool kIsReal = std::is_floating_point_v<T>;
template <typename T>
inline constexpr bool kIsWhole =
    std::is_same_v<T, std::int64_t> || std::is_same_v<T, std::uint64_t>;

// Of two fields that a comparison may stand between: both numbers, both texts, or both flags.
std::partial_ordering order_of_values(const FieldValue& one, const FieldValue& other) noexcept {
    return std::visit(
        [](const auto& a, const auto& b) -> std::partial_ordering {
            using A = std::decay_t<decltype(a)>;
            using B = std::decay_t<decltype(b)>;
            if constexpr (std::is_same_v<A, B>) {
                return a <=> b;
            } else if constexpr (kIsReal<A> && kIsReal<B>) {
                return static_cast<double>(a) <=> static_cast<double>(b);
            } else if constexpr (kIsWhole<A> && kIsWhole<B>) {
                return std::cmp_less(a, b)    ? std::partial_ordering::less
                       : std::cmp_equal(a, b) ? std::partial_ordering::equivalent
                                              : std::partial_ordering::greater;
            } else if constexpr (kIsWhole<A> && kIsReal<B>) {
                return order_of_whole_and_real(a, static_cast<double>(b));
            } else if constexpr (kIsReal<A> && kIsWhole<B>) {
                return 0 <=> order_of_whole_and_real(b, static_cast<double>(a));
            } else {
                return std::partial_ordering::unordered;
            }
        },
        one,
        other);
}

// --- binding

enum class Sort : std::uint8_t { number, text, flag };

Sort sort_of(const FieldPlace& place) noexcept {
    if (place.is_text()) return Sort::text;
    return place.kind == FieldKind::boolean ? Sort::flag : Sort::number;
}

Sort sort_of(const Operand& constant) noexcept {
    if (std::holds_alternative<bool>(constant)) return Sort::flag;
    return std::holds_alternative<std::string>(constant) ? Sort::text : Sort::number;
}

const char* sort_name(Sort sort) noexcept {
    return sort == Sort::number ? "a number" : sort == Sort::text ? "a text" : "true or false";
}

const std::string* path_in(const Operand& operand) noexcept {
    const auto* const path = std::get_if<FieldPath>(&operand);
    return path == nullptr ? nullptr : &path->text;
}

std::string place_type_text(const FieldPlace& place) {
    return type_text(Field{"", place.kind, place.count, 0});
}

// As the type has it: by its name alone, or behind the type's.
Result<std::optional<FieldPlace>> place_in(const EventSchema& type, std::string_view path) {
    auto place = find_place(type, path);
    const std::string prefix = type.name + ".";
    if (!place && place.error().code == ErrorCode::not_found && path.starts_with(prefix))
        place = find_place(type, path.substr(prefix.size()));
    if (place) return std::optional(*place);
    if (place.error().code == ErrorCode::not_found) return std::optional<FieldPlace>();
    return place.error();
}

// The same question of all types.
bool is_known(const StreamSchema& schema, std::string_view path) {
    return std::any_of(schema.types().begin(), schema.types().end(), [&](const EventSchema& type) {
        const auto place = place_in(type, path);
        return !place || place->has_value();
    });
}

std::string known_fields(const StreamSchema& schema) {
    constexpr std::size_t kLongestList = 200;
    std::vector<std::string> names;
    std::string list;
    for (const EventSchema& type : schema.types()) {
        for (const NamedPlace& field : places_of(type)) {
            if (std::find(names.begin(), names.end(), field.name) != names.end()) continue;
            names.push_back(field.name);
            if (list.size() > kLongestList) return list + ", …";
            list += (list.empty() ? "the fields are " : ", ") + field.name;
        }
    }
    return list.empty() ? "no type of events has been declared with fields" : list;
}

Error unknown_path(const StreamSchema& schema, const std::string& path, std::size_t column) {
    const std::string_view prefix = std::string_view(path).substr(0, path.find('.'));
    const EventSchema* const type = prefix.size() < path.size() ? schema.find(prefix) : nullptr;
    const std::string field = path.substr(std::min(prefix.size() + 1, path.size()));
    if (type != nullptr && !type->is_struct()) {
        return condition_error(
            column,
            "type '" + type->name + "' is " + type->encoding + ", whose fields aren't known here",
            known_fields(schema));
    }
    if (type != nullptr) {
        return condition_error(
            column, "type '" + type->name + "' has no field '" + field + "'", known_fields(schema));
    }
    return condition_error(
        column,
        prefix.size() < path.size()
            ? "there is no type '" + std::string(prefix) + "', and no field '" + path + "'"
            : "there is no field '" + path + "'",
        known_fields(schema));
}

// One comparison, or a flag that stands alone.
class Binder {
public:
    Binder(const TreeStep& step, const EventSchema& type) : step_(step), type_(type) {}

    // The step without its place among the others; `unknown` when the type doesn't have the
    // fields. Error: it has, and they can't be compared.
    [[nodiscard]] Result<BoundStep> bind();

private:
    [[nodiscard]] Result<BoundStep> bind_fields(const FieldPlace& first, const FieldPlace& second);
    [[nodiscard]] Result<BoundStep> bind_constant(const FieldPlace& place,
                                                  const std::string& path,
                                                  const Operand& constant,
                                                  std::uint8_t relation);
    [[nodiscard]] static BoundStep beside_number(const FieldPlace& place,
                                                 const Operand& constant,
                                                 std::uint8_t relation);
    [[nodiscard]] Found found(const Operand& operand, std::size_t column) const;

    const TreeStep& step_;
    const EventSchema& type_;
};

Found Binder::found(const Operand& operand, std::size_t column) const {
    const std::string& path = *path_in(operand);
    auto place = place_in(type_, path);
    if (!place) return condition_error(column, place.error().message, "a smaller index");
    if (!*place || !(*place)->is_array()) return place;
    return condition_error(column,
                           "'" + path + "' is " + place_type_text(**place) +
                               ": one of its elements is compared, " + path + "[0]",
                           path + "[0]");
}

BoundStep Binder::beside_number(const FieldPlace& place,
                                const Operand& constant,
                                std::uint8_t relation) {
    BoundStep step;
    step.place = place;
    step.relation = relation;
    const bool is_real_field = place.kind == FieldKind::f32 || place.kind == FieldKind::f64;
    const bool is_signed = !is_real_field && place.kind <= FieldKind::i64;
    const auto* const natural = std::get_if<std::uint64_t>(&constant);
    const auto* const negative = std::get_if<std::int64_t>(&constant);
    const auto fixed = [&](std::uint8_t order) {
        step.step = Step::fixed;
        step.relation = (relation & order) != 0 ? kEqual : 0;
        return step;
    };
    if (is_real_field) {
        step.step = Step::real_is;
        step.real = natural != nullptr    ? static_cast<double>(*natural)
                    : negative != nullptr ? static_cast<double>(*negative)
                                          : std::get<double>(constant);
        // As the field would hold it: 0.1 is to find what was written as 0.1f.
        if (place.kind == FieldKind::f32)
            step.real = static_cast<double>(static_cast<float>(step.real));
        return step;
    }
    step.step = is_signed ? Step::signed_is : Step::unsigned_is;
    if (natural != nullptr) {
        if (is_signed && *natural > static_cast<std::uint64_t>(INT64_MAX)) return fixed(kLess);
        step.unsigned_number = *natural;
        step.signed_number = static_cast<std::int64_t>(*natural);
        return step;
    }
    if (negative != nullptr) {
        if (!is_signed && *negative < 0) return fixed(kGreater);
        step.signed_number = *negative;
        return step;
    }
    const double real = std::get<double>(constant);
    const double down = std::floor(real);
    if (down >= (is_signed ? kTwoTo63 : kTwoTo64)) return fixed(kLess);
    if (down < (is_signed ? -kTwoTo63 : 0.0)) return fixed(kGreater);
    if (is_signed) {
        step.signed_number = static_cast<std::int64_t>(down);
    } else {
        step.unsigned_number = static_cast<std::uint64_t>(down);
    }
    // A whole number is never 2.5: it is less when it is 2 or less.
    if (down < real) {
        const bool is_less = (relation & kLess) != 0;
        step.relation =
            static_cast<std::uint8_t>((relation & kGreater) | (is_less ? kLess | kEqual : 0));
    }
    return step;
}

Result<BoundStep> Binder::bind_constant(const FieldPlace& place,
                                        const std::string& path,
                                        const Operand& constant,
                                        std::uint8_t relation) {
    const Sort sort = sort_of(place);
    if (sort != sort_of(constant)) {
        return condition_error(step_.first_column,
                               "'" + path + "' is " + place_type_text(place) + ", " +
                                   sort_name(sort) + ", and is compared with " +
                                   sort_name(sort_of(constant)),
                               sort == Sort::text   ? path + " == 'ABC'"
                               : sort == Sort::flag ? "not " + path
                                                    : path + " > 100");
    }
    if (sort == Sort::number) return beside_number(place, constant, relation);
    BoundStep step;
    step.place = place;
    step.relation = relation;
    if (sort == Sort::flag) {
        step.step = Step::flag_is;
        step.unsigned_number = std::get<bool>(constant) ? 1 : 0;
    } else {
        step.step = Step::text_is;
        step.text = std::get<std::string>(constant);
    }
    return step;
}

Result<BoundStep> Binder::bind_fields(const FieldPlace& first, const FieldPlace& second) {
    if (sort_of(first) != sort_of(second)) {
        return condition_error(step_.first_column,
                               "'" + *path_in(step_.first) + "' is " + place_type_text(first) +
                                   ", and '" + *path_in(step_.second) + "' is " +
                                   place_type_text(second),
                               "two numbers, two texts, or two bools");
    }
    BoundStep step;
    step.step = Step::field_is;
    step.relation = step_.relation;
    step.place = first;
    step.other = second;
    return step;
}

Result<BoundStep> Binder::bind() {
    const std::string* const first = path_in(step_.first);
    const std::string* const second = path_in(step_.second);
    std::optional<FieldPlace> place;
    std::optional<FieldPlace> other;
    if (first != nullptr) {
        auto there = found(step_.first, step_.first_column);
        if (!there) return there.error();
        place = *there;
    }
    if (second != nullptr) {
        auto there = found(step_.second, step_.second_column);
        if (!there) return there.error();
        other = *there;
    }
    const bool lacks_one = (first != nullptr && !place) || (second != nullptr && !other);
    if (lacks_one) return BoundStep{};
    if (step_.kind == TreeStep::Kind::flag) {
        if (sort_of(*place) == Sort::flag)
            return bind_constant(*place, *first, Operand(true), kEqual);
        return condition_error(step_.first_column,
                               "'" + *first + "' is " + place_type_text(*place) +
                                   ": it is to be compared with something",
                               place->is_text() ? *first + " == 'ABC'" : *first + " > 100");
    }
    if (place && other) return bind_fields(*place, *other);
    if (place) return bind_constant(*place, *first, step_.second, step_.relation);
    return bind_constant(*other, *second, step_.first, mirrored(step_.relation));
}

Result<void> check_operands(const TreeStep& step, const StreamSchema& schema) {
    const std::string* const first = path_in(step.first);
    const std::string* const second = path_in(step.second);
    const bool is_flag = step.kind == TreeStep::Kind::flag;
    if (first == nullptr && (is_flag || second == nullptr)) {
        return condition_error(step.first_column,
                               is_flag ? "a constant alone says nothing of an event"
                                       : "a field is to stand on one side",
                               "price > 100");
    }
    if (first != nullptr && !is_known(schema, *first))
        return unknown_path(schema, *first, step.first_column);
    if (second != nullptr && !is_known(schema, *second))
        return unknown_path(schema, *second, step.second_column);
    return {};
}

Error no_common_type(const TreeStep& step, const StreamSchema& schema) {
    return condition_error(
        step.first_column,
        "no type has both '" + *path_in(step.first) + "' and '" + *path_in(step.second) + "'",
        known_fields(schema));
}

Result<BoundStep> joined(TreeStep::Kind kind) {
    BoundStep step;
    step.step = kind == TreeStep::Kind::both     ? Step::both
                : kind == TreeStep::Kind::either ? Step::either
                                                 : Step::contrary;
    return step;
}

bool is_of_fields(const TreeStep& step) noexcept {
    return step.kind == TreeStep::Kind::comparison || step.kind == TreeStep::Kind::flag;
}

// --- holding

enum class Truth : std::uint8_t { no, yes, unknown };

Truth truth_of(bool value) noexcept {
    return value ? Truth::yes : Truth::no;
}

std::int64_t signed_at(const FieldPlace& place, std::span<const std::byte> payload) noexcept {
    const std::byte* const at = payload.data() + place.offset_bytes;
    const auto load = [at]<typename Number>(Number number) {
        std::memcpy(&number, at, sizeof(number));
        return std::int64_t{number};
    };
    if (place.kind == FieldKind::i64) return load(std::int64_t{});
    if (place.kind == FieldKind::i32) return load(std::int32_t{});
    return place.kind == FieldKind::i16 ? load(std::int16_t{}) : load(std::int8_t{});
}

std::uint64_t unsigned_at(const FieldPlace& place, std::span<const std::byte> payload) noexcept {
    const std::byte* const at = payload.data() + place.offset_bytes;
    const auto load = [at]<typename Number>(Number number) {
        std::memcpy(&number, at, sizeof(number));
        return std::uint64_t{number};
    };
    if (place.kind == FieldKind::u64) return load(std::uint64_t{});
    if (place.kind == FieldKind::u32) return load(std::uint32_t{});
    return place.kind == FieldKind::u16 ? load(std::uint16_t{}) : load(std::uint8_t{});
}

double real_at(const FieldPlace& place, std::span<const std::byte> payload) noexcept {
    const std::byte* const at = payload.data() + place.offset_bytes;
    double wide = 0;
    float narrow = 0;
    if (place.kind == FieldKind::f32) {
        std::memcpy(&narrow, at, sizeof(narrow));
        return static_cast<double>(narrow);
    }
    std::memcpy(&wide, at, sizeof(wide));
    return wide;
}

// Requires: the payload has the step's fields.
std::uint8_t order_at(const BoundStep& step, std::span<const std::byte> payload) noexcept {
    switch (step.step) {
        case Step::signed_is:
            return relation_of(signed_at(step.place, payload) <=> step.signed_number);
        case Step::unsigned_is:
            return relation_of(unsigned_at(step.place, payload) <=> step.unsigned_number);
        case Step::real_is:
            return relation_of(real_at(step.place, payload) <=> step.real);
        case Step::flag_is:
            return relation_of(std::uint64_t{unsigned_at(step.place, payload) != 0 ? 1U : 0U} <=>
                               step.unsigned_number);
        case Step::text_is:
            return relation_of(std::get<std::string_view>(step.place.value(payload)) <=>
                               std::string_view(step.text));
        case Step::field_is:
            return relation_of(
                order_of_values(step.place.value(payload), step.other.value(payload)));
        case Step::fixed:
        default:
            return kEqual;
    }
}

Truth holds_at(const std::vector<BoundStep>& steps,
               std::size_t index,
               std::span<const std::byte> payload) noexcept {
    const BoundStep& step = steps[index];
    switch (step.step) {
        case Step::both: {
            const Truth left = holds_at(steps, step.left, payload);
            if (left == Truth::no) return left;
            const Truth right = holds_at(steps, step.right, payload);
            return left == Truth::yes || right == Truth::no ? right : Truth::unknown;
        }
        case Step::either: {
            const Truth left = holds_at(steps, step.left, payload);
            if (left == Truth::yes) return left;
            const Truth right = holds_at(steps, step.right, payload);
            return left == Truth::no || right == Truth::yes ? right : Truth::unknown;
        }
        case Step::contrary: {
            const Truth denied = holds_at(steps, step.left, payload);
            return denied == Truth::unknown ? denied : truth_of(denied == Truth::no);
        }
        case Step::unknown:
            return Truth::unknown;
        default:
            if (!step.place.is_in(payload) || !step.other.is_in(payload)) return Truth::unknown;
            return truth_of((order_at(step, payload) & step.relation) != 0);
    }
}

}  // namespace

Result<Condition> Condition::compile(std::string_view text, const StreamSchema& schema) {
    auto tree = parse_condition(text);
    if (!tree) return tree.error();
    for (const TreeStep& step : *tree) {
        if (!is_of_fields(step)) continue;
        if (auto checked = check_operands(step, schema); !checked) return checked.error();
    }
    // What each comparison came to over all types.
    std::vector<bool> can_hold(tree->size(), false);
    std::vector<std::optional<Error>> mismatches(tree->size());
    Condition condition;
    for (const EventSchema& type : schema.types()) {
        Bound bound{type.type, {}};
        bool has_any = false;
        for (std::size_t at = 0; at < tree->size(); ++at) {
            const TreeStep& step = (*tree)[at];
            auto made = is_of_fields(step) ? Binder(step, type).bind() : joined(step.kind);
            if (!made && !mismatches[at]) mismatches[at] = made.error();
            BoundStep fresh = made ? std::move(*made) : BoundStep{};
            can_hold[at] = can_hold[at] || fresh.step != Step::unknown;
            has_any = has_any || (is_of_fields(step) && fresh.step != Step::unknown);
            fresh.left = step.left;
            fresh.right = step.right;
            bound.steps.push_back(std::move(fresh));
        }
        if (has_any) condition.bound_.push_back(std::move(bound));
    }
    for (std::size_t at = 0; at < tree->size(); ++at) {
        if (can_hold[at] || !is_of_fields((*tree)[at])) continue;
        return mismatches[at] ? *mismatches[at] : no_common_type((*tree)[at], schema);
    }
    return condition;
}

const Condition::Bound* Condition::find(EventType type) const noexcept {
    for (const Bound& bound : bound_) {
        if (bound.type == type) return &bound;
    }
    return nullptr;
}

bool Condition::holds(EventType type, std::span<const std::byte> payload) const noexcept {
    const Bound* const bound = find(type);
    return bound != nullptr &&
           holds_at(bound->steps, bound->steps.size() - 1, payload) == Truth::yes;
}

}  // namespace tailrace::schema
