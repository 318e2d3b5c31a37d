// Walking events that lie back to back in memory, trusting nothing in them. Pure functions, any
// thread.
#pragma once

#include <tailrace/base/event_header.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace tailrace::journal {

enum class WalkStop : std::uint8_t {
    done,       // event_count_max events, or exactly the end of the bytes
    cut,        // the next event begins here but needs more bytes than there are
    malformed,  // what stands here is not the event that should
};

struct EventWalk {
    std::uint64_t event_count = 0;
    std::uint64_t size_bytes = 0;
    std::uint64_t next_size_bytes =
        0;  // for `cut`: what the next event asks for; 0 when not even its header is there
    std::uint8_t last_flags = 0;  // of the last event that was walked
    WalkStop stop = WalkStop::done;
};

// Requires: alignment_bytes is a power of two of at least 16. Ends after at most bytes.size() / 16
// steps: no event is smaller.
[[nodiscard]] inline EventWalk walk_events(std::span<const std::byte> bytes,
                                           Sequence first_sequence,
                                           std::uint64_t record_salt,
                                           std::uint32_t alignment_bytes,
                                           std::uint64_t event_count_max) noexcept {
    EventWalk walk;
    while (walk.event_count < event_count_max && walk.size_bytes < bytes.size()) {
        const std::uint64_t left = bytes.size() - walk.size_bytes;
        if (left < sizeof(EventHeader)) {
            walk.stop = WalkStop::cut;
            return walk;
        }
        EventHeader header{};
        std::memcpy(&header, bytes.data() + walk.size_bytes, sizeof(header));
        if (header.stamp != stamp_of(first_sequence + walk.event_count, record_salt)) {
            walk.stop = WalkStop::malformed;
            return walk;
        }
        const std::uint64_t size =
            event_size_bytes(header.payload_size_bytes, header.extension_words, alignment_bytes);
        if (size > left) {
            walk.stop = WalkStop::cut;
            walk.next_size_bytes = size;
            return walk;
        }
        walk.last_flags = header.flags;
        walk.size_bytes += size;
        ++walk.event_count;
    }
    return walk;
}

// Calls `visit(header, bytes)` with each of whole events that were walked before; `bytes` from its
// header to the next one's.
template <typename Visit>
inline void for_each_walked(std::span<const std::byte> events,
                            std::uint32_t alignment_bytes,
                            Visit&& visit) noexcept {
    while (!events.empty()) {
        EventHeader header{};
        std::memcpy(&header, events.data(), sizeof(header));
        const std::uint64_t size =
            event_size_bytes(header.payload_size_bytes, header.extension_words, alignment_bytes);
        visit(header, events.first(size));
        events = events.subspan(size);
    }
}

// The publish time that an event carries; 0: none.
[[nodiscard]] inline std::uint64_t publish_time_ns_of(const EventHeader& header,
                                                      std::span<const std::byte> event) noexcept {
    if ((header.flags & kHasPublishTime) == 0 || header.extension_words == 0) return 0;
    std::uint64_t time = 0;  // the first word: no flag stands before it but the tombstone's
    std::memcpy(&time, event.data() + sizeof(header), sizeof(time));
    return time;
}

// The largest publish time among whole events that were walked before; 0 when none carries one.
[[nodiscard]] inline std::uint64_t max_publish_time_ns(std::span<const std::byte> bytes,
                                                       std::uint32_t alignment_bytes) noexcept {
    std::uint64_t latest = 0;
    for_each_walked(
        bytes, alignment_bytes, [&](const EventHeader& header, std::span<const std::byte> event) {
            const std::uint64_t time = publish_time_ns_of(header, event);
            latest = time > latest ? time : latest;
        });
    return latest;
}

}  // namespace tailrace::journal
