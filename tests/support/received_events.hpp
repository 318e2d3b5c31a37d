// ReceivedEvents: copies of what a subscriber hands over, for tests that look at content
// afterwards. One thread.
#pragma once

#include <tailrace/base/event.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::test {

struct ReceivedEvent {
    Sequence sequence;
    EventType type;
    std::string payload;
    std::uint64_t publish_time_ns;
    std::uint64_t event_time_ns;
    std::uint64_t key;
    std::uint8_t flags;
};

[[nodiscard]] inline std::string text_of(const Event& event) {
    return {reinterpret_cast<const char*>(event.payload().data()), event.payload().size()};
}

[[nodiscard]] inline std::span<const std::byte> bytes_of(std::string_view text) noexcept {
    return std::as_bytes(std::span(text.data(), text.size()));
}

// Looks often enough that a hole or the end of the stream is noticed (Subscriber looks for those
// only now and then).
inline constexpr int kLooks = 600;

// Everything that is there now. `last` is the last state that wasn't ok.
struct Drained {
    std::vector<ReceivedEvent> events;
    bus::PollState last = bus::PollState::ok;

    [[nodiscard]] std::vector<Sequence> sequences() const {
        std::vector<Sequence> found;
        for (const ReceivedEvent& event : events)
            found.push_back(event.sequence);
        return found;
    }
    [[nodiscard]] std::vector<std::string> texts() const {
        std::vector<std::string> found;
        for (const ReceivedEvent& event : events)
            found.push_back(event.payload);
        return found;
    }
};

[[nodiscard]] inline Drained drain(bus::Subscriber& subscriber, std::uint64_t batch_limit = 64) {
    Drained drained;
    int idle_polls = 0;
    while (idle_polls < kLooks) {
        const bus::PollResult result = subscriber.poll(
            [&](const Event& event) {
                drained.events.push_back({event.sequence(),
                                          event.type(),
                                          text_of(event),
                                          event.publish_time_ns(),
                                          event.event_time_ns(),
                                          event.key(),
                                          event.flags()});
            },
            batch_limit);
        if (result.state == bus::PollState::ok) {
            idle_polls = 0;
            continue;
        }
        drained.last = result.state;
        if (result.state != bus::PollState::idle) break;
        ++idle_polls;
    }
    return drained;
}

}  // namespace tailrace::test
