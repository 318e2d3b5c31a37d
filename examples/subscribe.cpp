// Prints trades as they come, from the oldest that is still in the ring, for ten quiet seconds at
// most. Before: tailrace create trades
#include "trade.hpp"

#include <tailrace/bus/subscriber.hpp>

#include <cstdio>

namespace bus = tailrace::bus;

int main() {
    auto subscriber =
        bus::Subscriber::attach("trades", {.name = "example", .start = bus::Start::oldest()});
    if (!subscriber) {
        std::fprintf(stderr,
                     "%s\n  try: %s\n",
                     subscriber.error().message.c_str(),
                     subscriber.error().hint.c_str());
        return 1;
    }
    for (;;) {
        const bus::PollResult result = subscriber->poll_until(
            [](const tailrace::Event& event) {
                if (!event.is<Trade>(kTrade)) return;
                const auto trade = event.as<Trade>();
                std::printf("#%llu  instrument %u  %d at %.2f\n",
                            static_cast<unsigned long long>(event.sequence()),
                            trade.instrument,
                            trade.quantity,
                            trade.price);
            },
            256,
            bus::Deadline::in_ms(10'000));
        if (result.state != bus::PollState::ok) return result.state == bus::PollState::idle ? 0 : 1;
    }
}
