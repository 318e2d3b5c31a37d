// The event that the examples publish: plain bytes that mean the same in every process.
#pragma once

#include <tailrace/base/event_header.hpp>

#include <cstdint>

struct Trade {
    double price;
    std::int32_t quantity;
    std::uint32_t instrument;
};

inline constexpr tailrace::EventType kTrade = 1;
