// Publishes a few trades. Before: tailrace create trades
#include "trade.hpp"

#include <tailrace/bus/publisher.hpp>

#include <cstdio>

int main() {
    auto publisher = tailrace::bus::Publisher::attach("trades");
    if (!publisher) {
        std::fprintf(stderr,
                     "%s\n  try: %s\n",
                     publisher.error().message.c_str(),
                     publisher.error().hint.c_str());
        return 1;
    }

    // By copy.
    if (publisher->publish(Trade{101.25, 10, 7}, kTrade) != tailrace::bus::PublishStatus::ok)
        return 1;

    // In place: the payload is written straight into shared memory.
    tailrace::bus::Claim claim;
    if (publisher->try_claim(claim, sizeof(Trade), kTrade) == tailrace::bus::PublishStatus::ok) {
        new (claim.payload.data()) Trade{55.10, -4, 9};
        publisher->commit(claim);
    }
    return 0;
}
