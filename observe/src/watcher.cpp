#include <tailrace/base/clock.hpp>
#include <tailrace/bus/stream_options.hpp>
#include <tailrace/observe/clock_check.hpp>
#include <tailrace/observe/watcher.hpp>

#include <algorithm>
#include <utility>

namespace tailrace::observe {

namespace {

// A reader that hasn't moved for so long, with events to read, is stalled. Two of these are below
// the two seconds in which whoever watches shall see it.
constexpr std::uint64_t kJudgedAfterNs = 700 * kNsPerMs;
constexpr std::uint64_t kCheckEveryNs = 5 * kNsPerSecond;

}  // namespace

Watcher::Watcher(std::string rings)
    : rings_(rings.empty() ? bus::default_directory() : std::move(rings)),
      trend_(kJudgedAfterNs) {}

Result<Look> Watcher::look() {
    auto names = bus::Region::list(rings_);
    if (!names) return names.error();
    forget_all_but(*names);
    const std::uint64_t now_ns = monotonic_ns();
    Look look;
    look.time_ns = wall_clock_ns();
    for (const std::string& name : *names) {
        Watched& watched = streams_[name];
        if (watched.region != nullptr && watched.region->has_ended()) {
            // Another one of its name may be there by now.
            watched = {};
            trend_.forget(name);
        }
        if (watched.region == nullptr) {
            auto region = bus::Region::open(name, bus::RegionAccess::observe, rings_);
            if (!region) {
                // Removed since the names were read: it isn't there, and that is no problem.
                if (region.error().code != ErrorCode::not_found)
                    look.problems.push_back({name, region.error().message});
                continue;
            }
            watched.region = std::move(*region);
        }
        look.streams.push_back(look_at(watched, now_ns));
    }
    look.rings = disk_room_of(rings_);
    look.duration_ns = monotonic_ns() - now_ns;
    return look;
}

void Watcher::check_now_and_then(Watched& watched, std::uint64_t now_ns) const {
    if (now_ns < watched.next_check_ns) return;
    watched.next_check_ns = now_ns + kCheckEveryNs;
    watched.clock = find_clock_trouble(watched.region);
    watched.disk = disk_room_of(watched.region->header().journal_directory.data());
}

StreamLook Watcher::look_at(Watched& watched, std::uint64_t now_ns) {
    check_now_and_then(watched, now_ns);
    StreamLook look{picture_of(watched.region), {}, watched.disk};
    look.health = health_of(watched.region, look.picture.status);
    look.health.clock = watched.clock;
    trend_.judge(look.health, now_ns);
    return look;
}

void Watcher::forget_all_but(const std::vector<std::string>& names) {
    std::erase_if(streams_, [&](const auto& entry) {
        const bool is_there = std::binary_search(names.begin(), names.end(), entry.first);
        if (!is_there) trend_.forget(entry.first);
        return !is_there;
    });
}

}  // namespace tailrace::observe
