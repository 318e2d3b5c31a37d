// The members of a plain struct, found by the compiler: how many, which, and what they are called.
//
// No macro and no generator: C++20 has no reflection, but a struct that can be written as
// `T{a, b, c}` tells how many initialisers it takes, a structured binding gives its members, and
// the compiler's own name of a function tells theirs. gcc from 12 and clang from 14 say the same
// (tests/schema). What can't be found so: more than 32 members at one level, bit-fields, unions,
// base classes, private members. For users there is layout_of.hpp.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace tailrace::schema::detail {

inline constexpr std::size_t kMostMembers = 32;

// Stands for any initialiser. Never called.
template <std::size_t>
struct AnyValue {
    template <typename T>
    constexpr operator T() const noexcept;  // NOLINT: implicit is what it is for
};

template <typename T, std::size_t... kFlat>
consteval bool takes(std::index_sequence<kFlat...>) {
    return requires {
        T{AnyValue<kFlat>{}...};
    };
}

template <typename T, std::size_t... kBefore, std::size_t... kInside, std::size_t... kBehind>
consteval bool takes_nested(std::index_sequence<kBefore...>,
                            std::index_sequence<kInside...>,
                            std::index_sequence<kBehind...>) {
    return requires {
        T{AnyValue<kBefore>{}..., {AnyValue<kInside>{}...}, AnyValue<kBehind>{}...};
    };
}

template <typename T, std::size_t kBefore, std::size_t kInside, std::size_t kBehind = 0>
inline constexpr bool kTakesNested = takes_nested<T>(std::make_index_sequence<kBefore>(),
                                                     std::make_index_sequence<kInside>(),
                                                     std::make_index_sequence<kBehind>());

// How many initialisers without inner braces it takes at most: for each member one, for a C array
// one for each element.
template <typename T, std::size_t kLow = 0, std::size_t kHigh = sizeof(T) + 1>
consteval std::size_t flat_count() {
    if constexpr (kHigh - kLow <= 1) {
        return kLow;
    } else {
        constexpr std::size_t kMiddle = kLow + (kHigh - kLow) / 2;
        if constexpr (takes<T>(std::make_index_sequence<kMiddle>())) {
            return flat_count<T, kMiddle, kHigh>();
        } else {
            return flat_count<T, kLow, kMiddle>();
        }
    }
}

// How many the member takes in braces of its own that has `kBefore` flat ones before it.
template <typename T, std::size_t kBefore, std::size_t kLow = 1, std::size_t kHigh = sizeof(T) + 1>
consteval std::size_t inner_count() {
    if constexpr (kHigh - kLow <= 1) {
        return kLow;
    } else {
        constexpr std::size_t kMiddle = kLow + (kHigh - kLow) / 2;
        if constexpr (kTakesNested<T, kBefore, kMiddle>) {
            return inner_count<T, kBefore, kMiddle, kHigh>();
        } else {
            return inner_count<T, kBefore, kLow, kMiddle>();
        }
    }
}

// How many flat ones belong to that member: all of its own for a C array, else one. If a struct
// took several in braces, there is still room for all the others behind it; of a C array these
// were the others.
template <typename T, std::size_t kBefore, std::size_t kFlat>
consteval std::size_t member_width() {
    if constexpr (!kTakesNested<T, kBefore, 2>) {
        return 1;
    } else {
        constexpr std::size_t kInner = inner_count<T, kBefore>();
        if constexpr (kTakesNested<T, kBefore, kInner, kFlat - kBefore - 1>) {
            return 1;
        } else {
            return kInner;
        }
    }
}

template <typename T, std::size_t kFlat, std::size_t kBefore = 0>
consteval std::size_t count_members() {
    if constexpr (kBefore >= kFlat) {
        return 0;
    } else {
        constexpr std::size_t kWidth = member_width<T, kBefore, kFlat>();
        return 1 + count_members<T, kFlat, kBefore + kWidth>();
    }
}

template <typename T>
inline constexpr std::size_t kMemberCount = count_members<T, flat_count<T>()>();

// visit(member, member, ...)
// clang-format off
template <std::size_t kCount, typename T, typename Visit>
constexpr decltype(auto) with_members(T& object, Visit&& visit) {
    static_assert(kCount <= kMostMembers, "a struct of events has at most 32 members at a level");
    if constexpr (kCount == 1) {
        auto& [a] = object;
        return visit(a);
    } else if constexpr (kCount == 2) {
        auto& [a, b] = object;
        return visit(a, b);
    } else if constexpr (kCount == 3) {
        auto& [a, b, c] = object;
        return visit(a, b, c);
    } else if constexpr (kCount == 4) {
        auto& [a, b, c, d] = object;
        return visit(a, b, c, d);
    } else if constexpr (kCount == 5) {
        auto& [a, b, c, d, e] = object;
        return visit(a, b, c, d, e);
    } else if constexpr (kCount == 6) {
        auto& [a, b, c, d, e, f] = object;
        return visit(a, b, c, d, e, f);
    } else if constexpr (kCount == 7) {
        auto& [a, b, c, d, e, f, g] = object;
        return visit(a, b, c, d, e, f, g);
    } else if constexpr (kCount == 8) {
        auto& [a, b, c, d, e, f, g, h] = object;
        return visit(a, b, c, d, e, f, g, h);
    } else if constexpr (kCount == 9) {
        auto& [a, b, c, d, e, f, g, h, i] = object;
        return visit(a, b, c, d, e, f, g, h, i);
    } else if constexpr (kCount == 10) {
        auto& [a, b, c, d, e, f, g, h, i, j] = object;
        return visit(a, b, c, d, e, f, g, h, i, j);
    } else if constexpr (kCount == 11) {
        auto& [a, b, c, d, e, f, g, h, i, j, k] = object;
        return visit(a, b, c, d, e, f, g, h, i, j, k);
    } else if constexpr (kCount == 12) {
        auto& [a, b, c, d, e, f, g, h, i, j, k, l] = object;
        return visit(a, b, c, d, e, f, g, h, i, j, k, l);
    } else if constexpr (kCount == 13) {
        auto& [a, b, c, d, e, f, g, h, i, j, k, l, m] = object;
        return visit(a, b, c, d, e, f, g, h, i, j, k, l, m);
    } else if constexpr (kCount == 14) {
        auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = object;
        return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n);
    } else if constexpr (kCount == 15) {
        auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o] = object;
        return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o);
    } else if constexpr (kCount == 16) {
        auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = object;
        return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p);
    } else if constexpr (kCount == 17) {
        auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q] = object;
        return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q);
    } else if constexpr (kCount == 18) {
        auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r] = object;
        return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r);
    } else if constexpr (kCount == 19) {
        auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s] = object;
        return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s);
    } else if constexpr (kCount == 20) {
        auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t] = object;
        return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t);
    } else if constexpr (kCount == 21) {
        auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u] = object;
        return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u);
    } else if constexpr (kCount == 22) {
        auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v] = object;
        return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v);
    } else if constexpr (kCount == 23) {
        auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w] = object;
        return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w);
    } else if constexpr (kCount == 24) {
        auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x] = object;
        return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x);
    } else if constexpr (kCount == 25) {
        auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w,
               x, y] = object;
        return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y);
    } else if constexpr (kCount == 26) {
        auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w,
               x, y, z] = object;
        return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x,
                     y, z);
    } else if constexpr (kCount == 27) {
        auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w,
               x, y, z, A] = object;
        return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x,
                     y, z, A);
    } else if constexpr (kCount == 28) {
        auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w,
               x, y, z, A, B] = object;
        return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x,
                     y, z, A, B);
    } else if constexpr (kCount == 29) {
        auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w,
               x, y, z, A, B, C] = object;
        return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x,
                     y, z, A, B, C);
    } else if constexpr (kCount == 30) {
        auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w,
               x, y, z, A, B, C, D] = object;
        return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x,
                     y, z, A, B, C, D);
    } else if constexpr (kCount == 31) {
        auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w,
               x, y, z, A, B, C, D, E] = object;
        return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x,
                     y, z, A, B, C, D, E);
    } else if constexpr (kCount == 32) {
        auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w,
               x, y, z, A, B, C, D, E, F] = object;
        return visit(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x,
                     y, z, A, B, C, D, E, F);
    } else {
        return visit();
    }
}
// clang-format on

// An object that is nowhere: only the places of its members are spoken of.
template <typename T>
struct Nowhere {
    T object;
};
#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wundefined-var-template"
#pragma clang diagnostic ignored "-Wundefined-internal"
#endif
template <typename T>
extern const Nowhere<T> kNowhere;

// In a struct: clang 14 takes no bare pointer to a part of an object.
template <typename T>
struct Place {
    const T* pointer;
};
template <typename T>
Place(const T*) -> Place<T>;

template <auto kPlace>
consteval std::string_view name_at() {
    // gcc: "... Place<double>{(& kNowhere<T>.Nowhere<T>::object.T::price)}]"
    // clang: "... {&kNowhere.object.price}]"
    std::string_view text = __PRETTY_FUNCTION__;
    text = text.substr(0, text.rfind('}'));
    const auto is_of_a_name = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_';
    };
    while (!text.empty() && !is_of_a_name(text.back()))
        text.remove_suffix(1);
    std::size_t begin = text.size();
    while (begin > 0 && is_of_a_name(text[begin - 1]))
        --begin;
    return text.substr(begin);
}

template <typename T, std::size_t... kIndex>
consteval std::array<std::string_view, sizeof...(kIndex)> names_of_members(
    std::index_sequence<kIndex...>) {
    [[maybe_unused]] constexpr auto kPlaces = with_members<sizeof...(kIndex)>(
        kNowhere<T>.object, [](auto&... members) { return std::tuple{Place{&members}...}; });
    return {name_at<std::get<kIndex>(kPlaces)>()...};
}

template <typename T>
inline constexpr auto kMemberNames =
    names_of_members<T>(std::make_index_sequence<kMemberCount<T>>());
#ifdef __clang__
#pragma clang diagnostic pop
#endif

template <typename T>
consteval std::string_view compilers_name() {
    return __PRETTY_FUNCTION__;  // "... [with T = trading::Trade]" or "... [T = trading::Trade]"
}

// The name of a type without what it lies in, and without its arguments if it is a template's.
template <typename T>
consteval std::string_view name_of_type() {
    std::string_view text = compilers_name<T>();
    text.remove_prefix(text.find("T = ") + 4);
    text = text.substr(0, text.find_first_of("<;]"));
    const std::size_t colon = text.rfind(':');
    return colon == std::string_view::npos ? text : text.substr(colon + 1);
}

}  // namespace tailrace::schema::detail
