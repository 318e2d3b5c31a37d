// The work whose instructions typed_publish_cost.py counts: so many events of 24 bytes published.
//
//     publish_probe untyped|typed EVENTS
//
// Untyped: a plain struct and a number that the caller gives. Typed: a struct that names its
// number, on a stream that has been told what it is made of.

#include "support/test_stream.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace publish_probe {

using namespace tailrace;

struct Plain {
    double price;
    std::int64_t quantity;
    std::uint64_t instrument;
};
struct Typed {
    static constexpr EventType kEventType = 3;
    double price;
    std::int64_t quantity;
    std::uint64_t instrument;
};

bool publish_untyped(bus::Publisher& publisher, std::uint64_t events) {
    for (std::uint64_t number = 0; number < events; ++number) {
        if (publisher.publish(Plain{1.5, 7, number}, 3) != bus::PublishStatus::ok) return false;
    }
    return true;
}

bool publish_typed(bus::Publisher& publisher, std::uint64_t events) {
    for (std::uint64_t number = 0; number < events; ++number) {
        if (publisher.publish(Typed{1.5, 7, number}) != bus::PublishStatus::ok) return false;
    }
    return true;
}

int run(bool is_typed, std::uint64_t events) {
    // No publish times: how often their clock is set right depends on the time that passes.
    bus::StreamOptions stream_options = test::small_stream();
    stream_options.publish_time = bus::PublishTime::off;
    const test::TestStream stream(stream_options);
    bus::PublisherOptions options;
    options.directory = stream.directory();
    if (is_typed) options.types.add<Typed>();
    auto publisher = test::expect(bus::Publisher::attach(stream.name(), options), "attach");
    const bool is_done =
        is_typed ? publish_typed(publisher, events) : publish_untyped(publisher, events);
    return is_done ? 0 : 1;
}

}  // namespace publish_probe

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    return publish_probe::run(std::string_view(argv[1]) == "typed",
                              std::strtoull(argv[2], nullptr, 10));
}
