// Boost.Interprocess message_queue: a queue in shared memory behind a mutex.
#include "carrier_run.hpp"

#include <unistd.h>

#include <boost/interprocess/ipc/message_queue.hpp>
#include <boost/version.hpp>
#include <fmt/format.h>
#include <memory>

namespace tailrace::bench {

namespace {

using Queue = boost::interprocess::message_queue;

class QueueSender {
public:
    QueueSender(const std::string& name, std::uint32_t size_bytes)
        : queue_(std::make_unique<Queue>(boost::interprocess::open_only, name.c_str())),
          message_(size_bytes) {}

    template <typename Fill>
    bool send(std::uint32_t size_bytes, Fill&& fill) {
        const std::span<std::byte> message(message_.data(), size_bytes);
        fill(message);
        while (!queue_->try_send(message.data(), message.size(), 0))
            bus::cpu_relax();
        return true;
    }

private:
    std::unique_ptr<Queue> queue_;
    std::vector<std::byte> message_;
};

class QueueReceiver {
public:
    QueueReceiver(const std::string& name, std::uint32_t size_bytes)
        : queue_(std::make_unique<Queue>(boost::interprocess::open_only, name.c_str())),
          message_(size_bytes) {}

    template <typename Handler>
    std::ptrdiff_t receive(Handler&& handler) {
        Queue::size_type received = 0;
        unsigned priority = 0;
        if (!queue_->try_receive(message_.data(), message_.size(), received, priority)) return 0;
        handler(std::span<const std::byte>(message_.data(), received));
        return 1;
    }

private:
    std::unique_ptr<Queue> queue_;
    std::vector<std::byte> message_;
};

class QueueCarrier {
public:
    static Result<QueueCarrier> make(const CarrierRun& run, std::uint32_t channels) {
        constexpr std::uint64_t kMostBytes = std::uint64_t{64} << 20U;
        constexpr std::uint64_t kMostMessages = 8192;
        const auto messages = std::min<std::uint64_t>(kMostMessages, kMostBytes / run.size_bytes);
        QueueCarrier carrier(run.size_bytes);
        for (std::uint32_t channel = 0; channel < channels; ++channel) {
            carrier.names_.push_back(fmt::format("tailrace-peers-{}-{}", ::getpid(), channel));
            const char* const name = carrier.names_.back().c_str();
            Queue::remove(name);
            Queue(boost::interprocess::create_only, name, messages, run.size_bytes);
        }
        return carrier;
    }
    QueueCarrier(QueueCarrier&& other) noexcept = default;
    QueueCarrier& operator=(QueueCarrier&& other) noexcept = default;
    QueueCarrier(const QueueCarrier&) = delete;
    QueueCarrier& operator=(const QueueCarrier&) = delete;
    ~QueueCarrier() {
        for (const std::string& name : names_)
            Queue::remove(name.c_str());
    }

    Result<QueueSender> open_sender(std::uint32_t channel) {
        return QueueSender(names_[channel], size_bytes_);
    }
    Result<QueueReceiver> open_receiver(std::uint32_t channel) {
        return QueueReceiver(names_[channel], size_bytes_);
    }

private:
    explicit QueueCarrier(std::uint32_t size_bytes) : size_bytes_(size_bytes) {}

    std::vector<std::string> names_;
    std::uint32_t size_bytes_;
};

}  // namespace

CarrierPeer message_queue_carrier() {
    return {"Boost message_queue",
            fmt::format("{}.{}", BOOST_VERSION / 100'000, BOOST_VERSION / 100 % 1000),
            "8192 messages deep, try_send and try_receive",
            ~std::uint32_t{0},
            measure_one_way<QueueCarrier>,
            measure_round_trip<QueueCarrier>};
}

}  // namespace tailrace::bench
