// TestStream: a stream of a test's own, in a directory of its own, removed at the end. Header only,
// so that it works with either variant of the libraries. One thread.
#pragma once

#include "support/temporary_directory.hpp"

#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

namespace tailrace::test {

// The value, or the end of the program with the error's message.
template <typename T>
[[nodiscard]] T expect(Result<T> result, const char* what) {
    if (!result) {
        std::fprintf(stderr, "%s: %s\n", what, result.error().message.c_str());
        std::abort();
    }
    return std::move(*result);
}

// The smallest ring, so that laps are cheap.
[[nodiscard]] inline bus::StreamOptions small_stream(
    bus::Publishing publishing = bus::Publishing::multi) {
    bus::StreamOptions options;
    options.capacity_bytes = bus::kMinCapacityBytes;
    options.publishing = publishing;
    options.publisher_slots = 8;
    options.subscriber_slots = 8;
    return options;
}

class TestStream {
public:
    explicit TestStream(const bus::StreamOptions& options = small_stream()) {
        if (auto made = bus::Region::create(name(), options, directory()); !made) {
            std::fprintf(stderr, "create: %s\n", made.error().message.c_str());
            std::abort();
        }
    }

    [[nodiscard]] std::string name() const { return "stream"; }
    [[nodiscard]] const std::string& directory() const noexcept { return directory_.path(); }

    [[nodiscard]] std::shared_ptr<bus::Region> open(
        bus::RegionAccess access = bus::RegionAccess::publish) const {
        return expect(bus::Region::open(name(), access, directory()), "open");
    }
    [[nodiscard]] bus::Publisher publisher(
        const std::string& publisher_name = "publisher",
        bus::WaitStrategy wait = bus::WaitStrategy::futex) const {
        return expect(bus::Publisher::attach(name(), {publisher_name, wait, directory()}),
                      "attach");
    }
    [[nodiscard]] bus::Subscriber subscriber(
        bus::SlowPolicy policy = bus::SlowPolicy::gate,
        bus::Start start = bus::Start::oldest(),
        const std::string& subscriber_name = "subscriber") const {
        bus::SubscriberOptions options;
        options.name = subscriber_name;
        options.policy = policy;
        options.start = start;
        options.directory = directory();
        return expect(bus::Subscriber::attach(name(), options), "attach");
    }

private:
    TemporaryDirectory directory_;
};

}  // namespace tailrace::test
