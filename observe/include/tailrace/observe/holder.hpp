// Holder: who holds a stream's publishers back. Law: docs/ring_protocol.md, "Room". Copies.
#pragma once

#include <tailrace/bus/stream_status.hpp>
#include <tailrace/observe/figure.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tailrace::observe {

// A publisher that waits for room, or that was refused and hasn't tried again.
struct HeldPublisher {
    std::string publisher;
    std::uint32_t pid = 0;
    std::uint64_t held_ns = 0;
    bus::Holder by;
    std::string by_text;  // "reader 'risk' (pid 4711)"
};

// Whoever is furthest behind: publishers can't go beyond a ring ahead of it.
struct HolderHealth {
    std::string stream;
    bus::HolderStatus status;
    bool is_close = false;  // the next publisher that asks for room may have to wait
};

[[nodiscard]] std::span<const Figure<HeldPublisher>> held_publisher_figures() noexcept;
[[nodiscard]] std::span<const Figure<HolderHealth>> holder_figures() noexcept;

[[nodiscard]] std::vector<HeldPublisher> held_publishers(const std::string& stream,
                                                         const bus::StreamStatus& status);

// A line for each publisher that is held up, and one for whoever is close to holding others up. The
// names in them are as somebody wrote them into shared memory: a terminal must not obey them.
[[nodiscard]] std::vector<std::string> holder_lines(const std::string& stream,
                                                    const std::vector<HeldPublisher>& held,
                                                    const std::optional<HolderHealth>& holder);

}  // namespace tailrace::observe
