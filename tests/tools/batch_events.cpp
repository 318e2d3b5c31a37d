// Publishes events of several kinds, each made of its number alone, so that whoever reads them
// anywhere knows what they are to be (export_cases.py).
//
//     batch_events STREAM FIRST END

#include <tailrace/bus/publisher.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>

namespace {

using namespace tailrace;  // NOLINT: a program of one file

// A field of each name that a header's column has, too.
struct Trade {
    static constexpr EventType kEventType = 1;
    double price;
    std::int32_t quantity;
    std::uint32_t instrument;
    char symbol[8];  // NOLINT: as structs have it
    std::uint64_t key;
};

namespace later {
struct Trade {
    static constexpr EventType kEventType = 1;
    double price;
    std::int32_t quantity;
    std::uint32_t instrument;
    char symbol[8];  // NOLINT: as structs have it
    std::uint64_t key;
    double fee;
    std::int16_t levels[2];  // NOLINT: likewise
    bool is_last;
};
}  // namespace later

constexpr EventType kNote = 2;
constexpr EventType kUnknown = 9;

bool publish(bus::Publisher& publisher, std::uint64_t number) {
    bus::EventFields fields;
    fields.has_key = number % 3 == 0;
    fields.key = number * 1'000'000'007;
    fields.event_time_ns = number % 4 == 0 ? 1'700'000'000'000'000'001 + number : 0;
    later::Trade trade{};
    trade.price = static_cast<double>(number) / 8;
    trade.quantity = -static_cast<std::int32_t>(number);
    trade.instrument = static_cast<std::uint32_t>(number % 7);
    std::snprintf(trade.symbol, sizeof(trade.symbol), "S,%u", trade.instrument);
    trade.key = ~number;
    trade.fee = 0.1;
    trade.levels[0] = static_cast<std::int16_t>(number % 100);
    trade.levels[1] = -1;
    trade.is_last = number % 2 == 0;
    const auto whole = std::as_bytes(std::span(&trade, 1));
    const std::string note = "note \"" + std::to_string(number) + "\",\nsecond line \xC3\xA4";
    const std::uint32_t raw = 0xFF000000U | static_cast<std::uint32_t>(number);
    switch (number % 5) {
        case 0:
            fields.type = kNote;
            return publisher.publish(std::as_bytes(std::span(note)), fields) ==
                   bus::PublishStatus::ok;
        case 1:
            fields.type = Trade::kEventType;
            return publisher.publish(whole.first(sizeof(Trade)), fields) == bus::PublishStatus::ok;
        case 4:
            fields.type = kUnknown;
            return publisher.publish(std::as_bytes(std::span(&raw, 1)), fields) ==
                   bus::PublishStatus::ok;
        default:
            fields.type = Trade::kEventType;
            return publisher.publish(whole, fields) == bus::PublishStatus::ok;
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    schema::StreamSchema types;
    types.add<Trade>().add<later::Trade>().add_opaque(kNote, "Note", "text");
    bus::PublisherOptions options;
    options.types = types;
    auto publisher = bus::Publisher::attach(argv[1], options);
    if (!publisher) {
        std::fprintf(stderr, "%s\n", publisher.error().message.c_str());
        return 1;
    }
    const std::uint64_t end = std::strtoull(argv[3], nullptr, 10);
    for (std::uint64_t number = std::strtoull(argv[2], nullptr, 10); number < end; ++number) {
        if (!publish(*publisher, number)) return 1;
    }
    return 0;
}
