// ModelRing: one stream and its handles, brought back to the same bytes before each schedule, since
// attaching anew would cost more than the schedule. Handles that a schedule itself makes must be
// gone by its end. One thread.
#pragma once

#include "support/test_stream.hpp"

#include <tailrace/bus/layout.hpp>
#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace tailrace::bus {

inline detail::PublisherCell& cell_of(Publisher& publisher) noexcept {
    return *publisher.cell_;
}

// Its looks at the stream's life go by the clock: now each comes soon after the last one.
inline void forget_time(Publisher& publisher) noexcept {
    publisher.last_look_ns_ = std::uint64_t{1} << 63U;
}

}  // namespace tailrace::bus

namespace tailrace::test {

// No publish times: a clock would make two runs of a schedule differ.
[[nodiscard]] inline bus::StreamOptions model_stream(
    bus::Publishing publishing = bus::Publishing::multi) {
    bus::StreamOptions options = small_stream(publishing);
    options.publisher_slots = 3;
    options.subscriber_slots = 2;
    options.publish_time = bus::PublishTime::off;
    return options;
}

// A handle that is made once. What it owns (the region, its lock) doesn't change while it is used;
// the rest of it is plain numbers, which are put back as bytes.
template <typename Handle>
class Kept {
public:
    explicit Kept(Handle handle) : handle_(std::make_unique<Handle>(std::move(handle))) {
        remember();
    }
    void remember() {
        const auto* const bytes =
            static_cast<const std::byte*>(static_cast<const void*>(handle_.get()));
        bytes_.assign(bytes, bytes + sizeof(Handle));
        if constexpr (std::is_same_v<Handle, bus::Publisher>) cell_ = cell_of(*handle_);
    }
    void reset() const noexcept {
        std::memcpy(static_cast<void*>(handle_.get()), bytes_.data(), bytes_.size());
        if constexpr (std::is_same_v<Handle, bus::Publisher>) cell_of(*handle_) = cell_;
    }
    [[nodiscard]] Handle& operator*() const noexcept { return *handle_; }

private:
    std::unique_ptr<Handle> handle_;
    std::vector<std::byte> bytes_;
    bus::detail::PublisherCell cell_{};  // a publisher's progress lies outside of it
};

class ModelRing {
public:
    explicit ModelRing(const bus::StreamOptions& options = model_stream())
        : stream_(options),
          region_(stream_.open()),
          control_(shared_control().begin(), shared_control().end()),
          events_(shared_events().begin(), shared_events().end()) {}

    // Handles for all schedules. Slots are taken in order.
    [[nodiscard]] bus::Publisher& keep_publisher() {
        auto& kept = publishers_.emplace_back(
            expect(bus::Publisher::attach(region_, {.wait = bus::WaitStrategy::futex}), "attach"));
        forget_time(*kept);
        kept.remember();
        return *kept;
    }
    [[nodiscard]] bus::Subscriber& keep_subscriber() {
        return *subscribers_.emplace_back(subscriber());
    }

    // How every schedule finds the ring and the kept handles from now on.
    void remember() {
        control_.assign(shared_control().begin(), shared_control().end());
        events_.assign(shared_events().begin(), shared_events().end());
        for (auto& publisher : publishers_)
            publisher.remember();
        for (auto& subscriber : subscribers_)
            subscriber.remember();
    }
    void reset() const {
        std::memcpy(shared_control().data(), control_.data(), control_.size());
        std::memcpy(shared_events().data(), events_.data(), events_.size());
        for (const auto& publisher : publishers_)
            publisher.reset();
        for (const auto& subscriber : subscribers_)
            subscriber.reset();
    }

    // A handle of one schedule.
    [[nodiscard]] bus::Publisher publisher() const {
        bus::Publisher publisher = expect(bus::Publisher::attach(region_), "attach");
        forget_time(publisher);
        return publisher;
    }
    [[nodiscard]] bus::Subscriber subscriber(bus::SlowPolicy policy = bus::SlowPolicy::gate,
                                             bus::Start start = bus::Start::oldest()) const {
        bus::SubscriberOptions options;
        options.policy = policy;
        options.start = start;
        return expect(bus::Subscriber::attach(region_, options), "attach");
    }
    [[nodiscard]] bus::Region& region() const noexcept { return *region_; }
    [[nodiscard]] const std::shared_ptr<bus::Region>& stream() const noexcept { return region_; }

    // From now on the kernel's answer about the owner of this slot is that it has ended.
    void bury_publisher(std::uint32_t slot) const noexcept {
        auto& process = region_->publisher_slot(slot).owner.process;
        ProcessIdentity other = process.read();
        other.start_ticks ^= 1U;
        process.write(other);
    }

private:
    [[nodiscard]] std::span<std::byte> shared_control() const noexcept {
        return {reinterpret_cast<std::byte*>(&region_->state()),
                region_->header().control_size_bytes - bus::kStateOffset};
    }
    [[nodiscard]] std::span<std::byte> shared_events() const noexcept {
        return {region_->event_at(0), region_->capacity_bytes()};
    }

    TestStream stream_;
    std::shared_ptr<bus::Region> region_;
    std::vector<std::byte> control_;
    std::vector<std::byte> events_;
    std::deque<Kept<bus::Publisher>> publishers_;
    std::deque<Kept<bus::Subscriber>> subscribers_;
};

// A payload that is one number over and over, so that any piece of another event in it shows.
inline void fill_even(std::span<std::byte> payload, std::uint64_t number) noexcept {
    for (std::size_t offset = 0; offset + sizeof(number) <= payload.size();
         offset += sizeof(number)) {
        std::memcpy(payload.data() + offset, &number, sizeof(number));
    }
}

[[nodiscard]] inline std::optional<std::uint64_t> read_even(
    std::span<const std::byte> payload) noexcept {
    std::uint64_t number = 0;
    if (payload.size() < sizeof(number)) return std::nullopt;
    std::memcpy(&number, payload.data(), sizeof(number));
    for (std::size_t offset = 0; offset + sizeof(number) <= payload.size();
         offset += sizeof(number)) {
        if (std::memcmp(payload.data() + offset, &number, sizeof(number)) != 0) return std::nullopt;
    }
    return number;
}

// Claims, fills and commits, if there is room.
[[nodiscard]] inline bus::PublishStatus publish_even(bus::Publisher& publisher,
                                                     std::uint32_t size_bytes,
                                                     std::uint64_t number) noexcept {
    bus::Claim claim;
    const bus::PublishStatus status = publisher.try_claim(claim, size_bytes);
    if (status != bus::PublishStatus::ok) return status;
    fill_even(claim.payload, number);
    publisher.commit(claim);
    return status;
}

}  // namespace tailrace::test
