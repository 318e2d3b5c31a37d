// DeadLetters: the stream to which a group publishes what it can't handle: same payload, type, key
// and event time. One thread.
#pragma once

#include <tailrace/base/event.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/bus/publisher.hpp>

#include <string>

namespace tailrace::stream {

// What an event carries beside its payload, for whoever publishes it anew.
[[nodiscard]] bus::EventFields fields_of(const Event& event) noexcept;

class DeadLetters {
public:
    [[nodiscard]] static Result<DeadLetters> open(const std::string& stream,
                                                  const std::string& group,
                                                  const std::string& bus_directory);
    // Never waits. Errors: `busy` when there is no room, too_large, closed.
    [[nodiscard]] Result<void> publish(const Event& event);

private:
    DeadLetters(std::string stream, bus::Publisher publisher) noexcept;

    std::string stream_;
    bus::Publisher publisher_;
};

}  // namespace tailrace::stream
