// Publishes two trades and reads them back. Before: tailrace create trades
#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <cstdint>
#include <cstdio>
#include <new>

struct Trade {
    double price;
    std::int32_t quantity;
    std::uint32_t instrument;
};
constexpr tailrace::EventType kTrade = 1;

int main() {
    using tailrace::bus::PublishStatus;
    // value() ends the program with the reason when there is no such stream.
    auto publisher = tailrace::bus::Publisher::attach("trades").value();
    auto reader = tailrace::bus::Subscriber::attach("trades", {.name = "risk"}).value();

    // By copy.
    if (publisher.publish(Trade{101.25, 10, 7}, kTrade) != PublishStatus::ok) return 1;

    // In place: written straight into shared memory, visible at the commit, whole.
    tailrace::bus::Claim claim;
    if (publisher.try_claim(claim, sizeof(Trade), kTrade) != PublishStatus::ok) return 1;
    new (claim.payload.data()) Trade{55.10, -4, 9};
    publisher.commit(claim);

    const auto print = [](const tailrace::Event& event) {
        if (!event.is<Trade>(kTrade)) return;  // somebody else's event
        const Trade trade = event.as<Trade>();
        std::printf("%u: %d at %.2f\n", trade.instrument, trade.quantity, trade.price);
    };
    return reader.poll(print, 256).events >= 2 ? 0 : 1;
}
