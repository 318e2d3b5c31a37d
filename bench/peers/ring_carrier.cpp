// Tailrace's own ring, single events by claim and commit, the reader by poll: once in the stream
// that serves one publisher best, once in the stream that `tailrace create` makes.
#include "carrier_run.hpp"

#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <optional>

namespace tailrace::bench {

namespace {

class RingSender {
public:
    explicit RingSender(bus::Publisher publisher) : publisher_(std::move(publisher)) {}

    template <typename Fill>
    bool send(std::uint32_t size_bytes, Fill&& fill) {
        bus::Claim claim;
        if (publisher_.claim(claim, size_bytes, 0, bus::Deadline::never()) !=
            bus::PublishStatus::ok) {
            return false;
        }
        fill(claim.payload);
        return publisher_.commit(claim) == bus::PublishStatus::ok;
    }

private:
    bus::Publisher publisher_;
};

class RingReceiver {
public:
    explicit RingReceiver(bus::Subscriber subscriber) : subscriber_(std::move(subscriber)) {}

    template <typename Handler>
    std::ptrdiff_t receive(Handler&& handler) {
        constexpr std::uint64_t kPollLimit = 256;
        const auto result =
            subscriber_.poll([&](const Event& event) { handler(event.payload()); }, kPollLimit);
        if (result.state != bus::PollState::ok && result.state != bus::PollState::idle) return -1;
        return static_cast<std::ptrdiff_t>(result.events);
    }

private:
    bus::Subscriber subscriber_;
};

struct TunedRing {
    static bus::StreamOptions options() {
        bus::StreamOptions options;
        options.publishing = bus::Publishing::single;
        options.publish_time = bus::PublishTime::off;
        options.alignment_bytes = 64;
        return options;
    }
};

// For messages in a row an event shares lines with its neighbours.
struct TunedRingOneWay {
    static bus::StreamOptions options() {
        bus::StreamOptions options = TunedRing::options();
        options.alignment_bytes = bus::StreamOptions{}.alignment_bytes;
        return options;
    }
};

struct CreatedRing {
    static bus::StreamOptions options() { return {}; }
};

template <typename Kind>
class RingCarrier {
public:
    static Result<RingCarrier> make(const CarrierRun& run, std::uint32_t channels) {
        bus::StreamOptions options = Kind::options();
        auto streams = BenchStreams::create(channels, options, run.directory);
        if (!streams) return streams.error();
        return RingCarrier(std::move(*streams));
    }

    Result<RingSender> open_sender(std::uint32_t channel) {
        bus::PublisherOptions options;
        options.directory = streams_.directory();
        auto publisher = bus::Publisher::attach(streams_.name(channel), options);
        if (!publisher) return publisher.error();
        return RingSender(std::move(*publisher));
    }

    Result<RingReceiver> open_receiver(std::uint32_t channel) {
        bus::SubscriberOptions options;
        options.directory = streams_.directory();
        auto subscriber = bus::Subscriber::attach(streams_.name(channel), options);
        if (!subscriber) return subscriber.error();
        return RingReceiver(std::move(*subscriber));
    }

private:
    explicit RingCarrier(BenchStreams streams) : streams_(std::move(streams)) {}

    BenchStreams streams_;
};

}  // namespace

std::vector<CarrierPeer> ring_carriers() {
    return {{"Tailrace, tuned",
             TAILRACE_VERSION,
             "single publisher, no publish time, ring of 64 MiB",
             ~std::uint32_t{0},
             measure_one_way<RingCarrier<TunedRingOneWay>>,
             measure_round_trip<RingCarrier<TunedRing>>},
            {"Tailrace, as created",
             TAILRACE_VERSION,
             "many publishers, publish time of each event, ring of 64 MiB",
             ~std::uint32_t{0},
             measure_one_way<RingCarrier<CreatedRing>>,
             measure_round_trip<RingCarrier<CreatedRing>>}};
}

}  // namespace tailrace::bench
