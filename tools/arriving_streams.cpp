#include "arriving_streams.hpp"

#include "command.hpp"
#include "name_pattern.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/region.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace tailrace::tool {

namespace {

constexpr std::uint64_t kArrivalLookNs = 250 * kNsPerMs;

}  // namespace

ArrivingStreams::ArrivingStreams(std::vector<std::string> patterns)
    : patterns_(std::move(patterns)) {}

std::vector<std::string> ArrivingStreams::look(const std::vector<std::string>& present) {
    const std::uint64_t now_ns = monotonic_ns();
    if (now_ns < next_look_ns_) return {};
    next_look_ns_ = now_ns + kArrivalLookNs;
    auto names = bus::Region::list(settings().directory);
    if (!names) return {};
    std::vector<std::string> there = matches_of(patterns_, *names);
    const auto is_there = [&](const std::string& name) {
        return std::find(there.begin(), there.end(), name) != there.end();
    };
    std::erase_if(told_, [&](const std::string& name) { return !is_there(name); });
    std::erase_if(there, [&](const std::string& name) {
        return std::find(present.begin(), present.end(), name) != present.end();
    });
    return there;
}

std::string ArrivingStreams::text() const {
    return fmt::format("'{}'", fmt::join(patterns_, "', '"));
}

}  // namespace tailrace::tool
