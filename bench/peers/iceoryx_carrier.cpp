// Eclipse iceoryx: chunks of shared memory that RouDi, a daemon, hands out. It is started for the
// run with pools for messages of this size.
#include "carrier_run.hpp"
#include "server_process.hpp"

#include <unistd.h>

#include <cstdio>
#include <fmt/format.h>
#include <iceoryx_hoofs/log/logmanager.hpp>
#include <iceoryx_posh/popo/untyped_publisher.hpp>
#include <iceoryx_posh/popo/untyped_subscriber.hpp>
#include <iceoryx_posh/runtime/posh_runtime.hpp>
#include <iceoryx_versions.hpp>
#include <memory>

namespace tailrace::bench {

namespace {

iox::capro::ServiceDescription service_of(std::uint32_t channel) {
    const iox::capro::IdString_t instance(iox::cxx::TruncateToCapacity,
                                          fmt::format("channel{}", channel));
    return {"Tailrace", instance, "Messages"};
}

// One runtime a process.
void start_runtime() {
    iox::log::LogManager::GetLogManager().SetDefaultLogLevel(iox::log::LogLevel::kOff);
    const iox::RuntimeName_t name(iox::cxx::TruncateToCapacity,
                                  fmt::format("tailrace-peers-{}", ::getpid()));
    iox::runtime::PoshRuntime::initRuntime(name);
}

class IceoryxSender {
public:
    explicit IceoryxSender(std::unique_ptr<iox::popo::UntypedPublisher> publisher)
        : publisher_(std::move(publisher)) {}

    template <typename Fill>
    bool send(std::uint32_t size_bytes, Fill&& fill) {
        for (;;) {
            bool sent = false;
            publisher_->loan(size_bytes)
                .and_then([&](void* memory) {
                    fill(std::span<std::byte>(static_cast<std::byte*>(memory), size_bytes));
                    publisher_->publish(memory);
                    sent = true;
                })
                .or_else([](auto&) { bus::cpu_relax(); });
            if (sent) return true;
        }
    }

private:
    std::unique_ptr<iox::popo::UntypedPublisher> publisher_;
};

class IceoryxReceiver {
public:
    explicit IceoryxReceiver(std::unique_ptr<iox::popo::UntypedSubscriber> subscriber)
        : subscriber_(std::move(subscriber)) {}

    template <typename Handler>
    std::ptrdiff_t receive(Handler&& handler) {
        std::ptrdiff_t messages = 0;
        subscriber_->take()
            .and_then([&](const void* memory) {
                const auto* const chunk = iox::mepoo::ChunkHeader::fromUserPayload(memory);
                handler(std::span<const std::byte>(static_cast<const std::byte*>(memory),
                                                   chunk->userPayloadSize()));
                subscriber_->release(memory);
                messages = 1;
            })
            .or_else([&](const iox::popo::ChunkReceiveResult& why) {
                if (why != iox::popo::ChunkReceiveResult::NO_CHUNK_AVAILABLE) messages = -1;
            });
        return messages;
    }

private:
    std::unique_ptr<iox::popo::UntypedSubscriber> subscriber_;
};

class IceoryxCarrier {
public:
    static Result<IceoryxCarrier> make(const CarrierRun& run, std::uint32_t /*channels*/) {
        IceoryxCarrier carrier;
        const std::string settings = run.directory + "/roudi.toml";
        std::FILE* const file = std::fopen(settings.c_str(), "w");
        if (file == nullptr) return bench_broken("can't write " + settings);
        std::fputs(fmt::format("[general]\nversion = 1\n\n[[segment]]\n\n"
                               "[[segment.mempool]]\nsize = {}\ncount = 1024\n",
                               (run.size_bytes + 31) / 32 * 32)
                       .c_str(),
                   file);
        std::fclose(file);
        carrier.daemon_ = start_server({"iox-roudi", "-c", settings, "-l", "off"});
        return carrier;
    }

    Result<IceoryxSender> open_sender(std::uint32_t channel) {
        start_runtime();
        iox::popo::PublisherOptions options;
        options.subscriberTooSlowPolicy = iox::popo::ConsumerTooSlowPolicy::WAIT_FOR_CONSUMER;
        auto publisher =
            std::make_unique<iox::popo::UntypedPublisher>(service_of(channel), options);
        // A message before the reader has subscribed would be nobody's.
        while (!publisher->hasSubscribers())
            bus::cpu_relax();
        return IceoryxSender(std::move(publisher));
    }
    Result<IceoryxReceiver> open_receiver(std::uint32_t channel) {
        start_runtime();
        iox::popo::SubscriberOptions options;
        options.queueFullPolicy = iox::popo::QueueFullPolicy::BLOCK_PRODUCER;
        return IceoryxReceiver(
            std::make_unique<iox::popo::UntypedSubscriber>(service_of(channel), options));
    }

private:
    IceoryxCarrier() = default;

    BenchChild daemon_;
};

}  // namespace

CarrierPeer iceoryx_carrier() {
    return {"iceoryx",
            ICEORYX_LATEST_RELEASE_VERSION,
            "RouDi, loan and publish, take; queue of 256, the sender waits",
            ~std::uint32_t{0},
            measure_one_way<IceoryxCarrier>,
            measure_round_trip<IceoryxCarrier>};
}

}  // namespace tailrace::bench
