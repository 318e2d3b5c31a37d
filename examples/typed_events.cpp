// Declares the types of its events, publishes some, and reads them again with a struct that has
// grown since. Before: tailrace create trades
#include <tailrace/bus/declared_types.hpp>
#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/subscriber.hpp>
#include <tailrace/schema/condition.hpp>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>

struct Trade {
    static constexpr tailrace::EventType kEventType = 1;
    double price;
    std::int32_t quantity;
    std::uint32_t instrument;
    char symbol[8];
};

// A later release of the program.
namespace later {
struct Trade {
    static constexpr tailrace::EventType kEventType = 1;
    double price;
    std::int32_t quantity;
    std::uint32_t instrument;
    char symbol[8];
    std::uint64_t order = 0;  // new, behind the end of what there was
};
}  // namespace later

constexpr tailrace::EventType kNote = 2;

namespace bus = tailrace::bus;

int publish() {
    tailrace::schema::StreamSchema types;
    types.add<Trade>().add_opaque(kNote, "Note", "text");
    auto publisher = bus::Publisher::attach("trades", {.types = types}).value();

    Trade trade{101.25, 10, 7, "ABC"};
    if (publisher.publish(trade) != bus::PublishStatus::ok) return 1;
    const char* const note = "closing soon";
    const auto bytes = std::as_bytes(std::span(note, std::strlen(note)));
    return publisher.publish(bytes, kNote) == bus::PublishStatus::ok ? 0 : 1;
}

int publish_later() {
    tailrace::schema::StreamSchema types;
    types.add<later::Trade>();
    auto publisher = bus::Publisher::attach("trades", {.types = types}).value();
    const later::Trade trade{55.1, -4, 9, "XYZ", 1001};
    return publisher.publish(trade) == bus::PublishStatus::ok ? 0 : 1;
}

int read() {
    tailrace::schema::StreamSchema types;
    types.add<later::Trade>();
    bus::SubscriberOptions options;
    options.start = bus::Start::oldest();
    options.types = types;  // if the stream has something else under that number, attach says so
    auto reader = bus::Subscriber::attach("trades", options).value();
    const auto print = [](const tailrace::Event& event) {
        if (!event.is<Trade>()) return;
        const auto trade = event.as_grown<later::Trade>();
        std::printf("%.8s: %d at %.2f, order %llu\n",
                    trade.symbol,
                    trade.quantity,
                    trade.price,
                    static_cast<unsigned long long>(trade.order));
    };
    return reader.poll(print, 256).events >= 3 ? 0 : 1;
}

int count_chosen() {
    bus::SubscriberOptions options;
    options.start = bus::Start::oldest();
    auto reader = bus::Subscriber::attach("trades", options).value();
    const auto types = bus::declared_types(reader.region()).value();
    const auto wanted =
        tailrace::schema::Condition::compile("price > 100 and not symbol == 'XYZ'", types).value();
    int chosen = 0;
    const auto count = [&](const tailrace::Event& event) {
        if (wanted.holds(event)) ++chosen;
    };
    if (reader.poll(count, 256).events == 0) return 0;
    return chosen;
}

int main() {
    if (publish() != 0 || publish_later() != 0) return 1;
    if (count_chosen() != 1) return 1;
    return read();
}
