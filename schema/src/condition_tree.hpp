// ConditionTree: a condition as it is written, before anybody knows what its fields are. Pure
// functions.
//
//     condition   = conjunction { "or" conjunction }
//     conjunction = statement { "and" statement }
//     statement   = "not" statement | "(" condition ")" | operand [ relation operand ]
#pragma once

#include <tailrace/base/result.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tailrace::schema {

// The orders of two values in which a comparison is true, as bits.
enum Relation : std::uint8_t {
    kLess = 1,
    kEqual = 2,
    kGreater = 4,
    kUnordered = 8,  // one of them is no number
};

struct FieldPath {
    std::string text;
};
using Operand = std::variant<FieldPath, bool, std::int64_t, std::uint64_t, double, std::string>;

struct TreeStep {
    enum class Kind : std::uint8_t { both, either, contrary, comparison, flag };
    Kind kind = Kind::comparison;
    std::uint16_t left = 0;  // other steps, which stand before it
    std::uint16_t right = 0;
    std::uint8_t relation = 0;
    Operand first;  // of a comparison, and of a flag that stands alone
    Operand second;
    std::size_t first_column = 0;  // from 1 on
    std::size_t second_column = 0;
};

// The last step is the whole. Error invalid_argument begins with the column.
[[nodiscard]] Result<std::vector<TreeStep>> parse_condition(std::string_view text);

// "column 7: what"
[[nodiscard]] Error condition_error(std::size_t column, const std::string& what, std::string hint);

}  // namespace tailrace::schema
