// Compiled against an installed Tailrace only: nothing of the source tree is on its include path.
// Argument: a directory for the stream. Publishes one event and reads it back.

#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <cstdint>
#include <cstdio>
#include <string>

namespace bus = tailrace::bus;

namespace {

int fail(const tailrace::Error& error) {
    std::fprintf(stderr, "%s\n", error.message.c_str());
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const std::string directory = argv[1];
    bus::StreamOptions options;
    options.capacity_bytes = bus::kMinCapacityBytes;
    if (auto created = bus::Region::create("outside", options, directory); !created) {
        return fail(created.error());
    }
    auto publisher = bus::Publisher::attach("outside", {.directory = directory});
    if (!publisher) return fail(publisher.error());
    bus::SubscriberOptions from_oldest;
    from_oldest.start = bus::Start::oldest();
    from_oldest.directory = directory;
    auto subscriber = bus::Subscriber::attach("outside", from_oldest);
    if (!subscriber) return fail(subscriber.error());

    std::uint64_t received = 0;
    if (publisher->publish(std::uint64_t{42}) != bus::PublishStatus::ok) return 1;
    (void)subscriber->poll(
        [&received](const tailrace::Event& event) { received = event.as<std::uint64_t>(); }, 1);
    return received == 42 ? 0 : 1;
}
