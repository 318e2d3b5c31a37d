// JsonLine: where the parser of a line of JSON is, so that an error can name the column. Pure
// functions.
#pragma once

#include <tailrace/base/error.hpp>

#include <cstddef>
#include <exception>
#include <iterator>
#include <string>
#include <string_view>

namespace tailrace::tool {

// From 1 on, in characters: what an editor shows.
[[nodiscard]] std::size_t column_of(std::string_view line, std::size_t offset);

// invalid_argument: "column 7: what"
[[nodiscard]] Error line_error(std::string_view line,
                               std::size_t offset,
                               std::string_view what,
                               std::string hint);

// What the parser of JSON said of a line, without its own names.
[[nodiscard]] std::string json_complaint(const std::exception& failure);

// The line's characters, for a parser that takes iterators: it tells how far the parser is.
class LineIterator {
public:
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;

    LineIterator(const char* at, const char** furthest) noexcept : at_(at), furthest_(furthest) {}

    reference operator*() const noexcept { return *at_; }
    LineIterator& operator++() noexcept {
        *furthest_ = ++at_;
        return *this;
    }
    LineIterator operator++(int) noexcept {
        const LineIterator before = *this;
        ++*this;
        return before;
    }
    bool operator==(const LineIterator& other) const noexcept { return at_ == other.at_; }
    bool operator!=(const LineIterator& other) const noexcept { return at_ != other.at_; }

private:
    const char* at_;
    const char** furthest_;
};

}  // namespace tailrace::tool
