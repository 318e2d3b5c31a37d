#include "value_range.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>
#include <type_traits>

namespace tailrace::parquet {

namespace {

template <typename Value>
Value value_in(const std::byte* bytes) noexcept {
    Value value;  // NOLINT: filled below
    std::memcpy(&value, bytes, sizeof(value));
    return value;
}

template <typename Value>
std::string text_of_value(Value value) {
    std::string text(sizeof(value), '\0');
    std::memcpy(text.data(), &value, sizeof(value));
    return text;
}

template <typename Value>
std::optional<ValueRange> number_range(std::span<const std::byte> values) {
    if (values.empty()) return {};
    Value least = std::numeric_limits<Value>::max();
    Value greatest = std::numeric_limits<Value>::lowest();
    if constexpr (std::is_floating_point_v<Value>) {
        least = std::numeric_limits<Value>::infinity();
        greatest = -least;
    }
    bool is_any = !std::is_floating_point_v<Value>;
    for (std::size_t at = 0; at < values.size(); at += sizeof(Value)) {
        const auto value = value_in<Value>(values.data() + at);
        // NaN is neither.
        least = value < least ? value : least;
        greatest = value > greatest ? value : greatest;
        if constexpr (std::is_floating_point_v<Value>) is_any |= !std::isnan(value);
    }
    if (!is_any) return {};
    if constexpr (std::is_floating_point_v<Value>) {
        // Readers don't tell the zeros apart; the format has the wider range.
        if (least == Value{0}) least = -Value{0};
        if (greatest == Value{0}) greatest = Value{0};
    }
    return ValueRange{text_of_value(least), text_of_value(greatest)};
}

std::optional<ValueRange> bytes_range(std::span<const std::byte> values) {
    // A statistic is to be a glance.
    constexpr std::size_t kLongest = 64;
    if (values.empty()) return {};
    std::string_view least;
    std::string_view greatest;
    for (std::size_t at = 0; at < values.size();) {
        const auto size = value_in<std::uint32_t>(values.data() + at);
        at += sizeof(size);
        if (size > kLongest) return {};
        // string_view compares as unsigned bytes.
        const void* const place = values.data() + at;
        const std::string_view value(static_cast<const char*>(place), size);
        if (at == sizeof(size) || value < least) least = value;
        if (at == sizeof(size) || value > greatest) greatest = value;
        at += size;
    }
    return ValueRange{std::string(least), std::string(greatest)};
}

template <typename Signed, typename Unsigned>
std::optional<ValueRange> whole_range(const ColumnType& type, std::span<const std::byte> values) {
    return type.meaning == Meaning::unsigned_ ? number_range<Unsigned>(values)
                                              : number_range<Signed>(values);
}

}  // namespace

std::optional<ValueRange> range_of(const ColumnType& type, std::span<const std::byte> values) {
    switch (type.physical) {
        case PhysicalType::boolean:
            return number_range<std::uint8_t>(values);
        case PhysicalType::int32:
            return whole_range<std::int32_t, std::uint32_t>(type, values);
        case PhysicalType::int64:
            return whole_range<std::int64_t, std::uint64_t>(type, values);
        case PhysicalType::float32:
            return number_range<float>(values);
        case PhysicalType::float64:
            return number_range<double>(values);
        case PhysicalType::byte_array:
            return bytes_range(values);
        case PhysicalType::fixed_bytes:
            return {};
    }
    return {};
}

}  // namespace tailrace::parquet
