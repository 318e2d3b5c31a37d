#include "dead_letters.hpp"

#include <utility>

namespace tailrace::stream {

bus::EventFields fields_of(const Event& event) noexcept {
    bus::EventFields fields;
    fields.type = event.type();
    fields.event_time_ns = event.event_time_ns();
    fields.has_key = event.has_key();
    if (fields.has_key) fields.key = event.key();
    return fields;
}

DeadLetters::DeadLetters(std::string stream, bus::Publisher publisher) noexcept
    : stream_(std::move(stream)),
      publisher_(std::move(publisher)) {}

Result<DeadLetters> DeadLetters::open(const std::string& stream,
                                      const std::string& group,
                                      const std::string& bus_directory) {
    bus::PublisherOptions options;
    options.name = "dead of " + group;
    options.directory = bus_directory;
    auto publisher = bus::Publisher::attach(stream, options);
    if (!publisher) {
        Error error = publisher.error();
        error.message = "group '" + group + "' can't bury anything: " + error.message;
        return error;
    }
    return DeadLetters(stream, std::move(*publisher));
}

Result<void> DeadLetters::publish(const Event& event) {
    const auto status =
        publisher_.publish(event.payload(), fields_of(event), bus::Deadline::at_once());
    if (status == bus::PublishStatus::ok) return {};
    const std::string what = "event " + std::to_string(event.sequence()) +
                             " can't be published to the dead letters in '" + stream_ + "': ";
    switch (status) {
        case bus::PublishStatus::too_large:
            return make_error(ErrorCode::too_large,
                              what + "it is larger than that stream allows",
                              "tailrace create " + stream_ + " --max-event SIZE, made anew");
        case bus::PublishStatus::closed:
            return make_error(ErrorCode::closed,
                              what + publisher_.region().ending(),
                              "tailrace create " + stream_ + ", and start the members anew");
        default:
            return make_error(ErrorCode::busy,
                              what + std::string(bus::publish_status_name(status)),
                              "tailrace lag " + stream_ + " shows who holds it up");
    }
}

}  // namespace tailrace::stream
