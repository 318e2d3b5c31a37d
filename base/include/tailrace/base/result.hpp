// Result<T>: a value or an Error, with the names of std::expected (which gcc 12 and clang 14 lack
// in C++20). Move-only, for cold paths; never returned by publish or poll.
//
//     auto region = Region::open(name, access);
//     if (!region) return region.error();
#pragma once

#include <tailrace/base/check.hpp>
#include <tailrace/base/error.hpp>

#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace tailrace {

namespace detail {

[[noreturn]] void no_value(const Error& error) noexcept;

}  // namespace detail

template <typename T>
class [[nodiscard]] Result {
    static_assert(!std::is_same_v<std::remove_cv_t<T>, Error>);

public:
    using value_type = T;
    using error_type = Error;

    // Implicit on purpose: `return value;` and `return error;` both read as they should.
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

    Result(Result&&) noexcept = default;
    Result& operator=(Result&&) noexcept = default;
    Result(const Result&) = delete;
    Result& operator=(const Result&) = delete;
    ~Result() = default;

    [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }

    // Requires: has_value(), or the program ends with the error's message and hint.
    [[nodiscard]] T& value() & noexcept {
        if (!has_value()) [[unlikely]]
            detail::no_value(error());
        return *std::get_if<0>(&state_);
    }
    [[nodiscard]] const T& value() const& noexcept {
        if (!has_value()) [[unlikely]]
            detail::no_value(error());
        return *std::get_if<0>(&state_);
    }
    [[nodiscard]] T&& value() && noexcept { return std::move(value()); }
    [[nodiscard]] T& operator*() & noexcept { return value(); }
    [[nodiscard]] const T& operator*() const& noexcept { return value(); }
    [[nodiscard]] T&& operator*() && noexcept { return std::move(value()); }
    [[nodiscard]] T* operator->() noexcept { return &value(); }
    [[nodiscard]] const T* operator->() const noexcept { return &value(); }

    // Requires: !has_value().
    [[nodiscard]] Error& error() & noexcept {
        TAILRACE_CHECK(!has_value());
        return *std::get_if<1>(&state_);
    }
    [[nodiscard]] const Error& error() const& noexcept {
        TAILRACE_CHECK(!has_value());
        return *std::get_if<1>(&state_);
    }
    [[nodiscard]] Error&& error() && noexcept { return std::move(error()); }

private:
    std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
public:
    using value_type = void;
    using error_type = Error;

    Result() noexcept = default;
    Result(Error error) : error_(std::move(error)) {}  // NOLINT: `return error;` reads as it should

    Result(Result&&) noexcept = default;
    Result& operator=(Result&&) noexcept = default;
    Result(const Result&) = delete;
    Result& operator=(const Result&) = delete;
    ~Result() = default;

    [[nodiscard]] bool has_value() const noexcept { return !error_.has_value(); }
    explicit operator bool() const noexcept { return has_value(); }

    // Requires: !has_value().
    [[nodiscard]] Error& error() & noexcept {
        TAILRACE_CHECK(error_.has_value());
        return *error_;
    }
    [[nodiscard]] const Error& error() const& noexcept {
        TAILRACE_CHECK(error_.has_value());
        return *error_;
    }
    [[nodiscard]] Error&& error() && noexcept { return std::move(error()); }

private:
    std::optional<Error> error_;
};

}  // namespace tailrace
