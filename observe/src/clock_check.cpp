#include <tailrace/base/clock.hpp>
#include <tailrace/bus/stream_status.hpp>
#include <tailrace/bus/subscriber.hpp>
#include <tailrace/journal/inspect.hpp>
#include <tailrace/observe/clock_check.hpp>
#include <tailrace/observe/quantity_text.hpp>

#include <algorithm>

namespace tailrace::observe {

std::optional<Trouble> find_clock_trouble(const std::shared_ptr<bus::Region>& region) {
    if (region->header().publish_time == bus::PublishTime::off) return std::nullopt;
    constexpr std::uint64_t kMostEvents = 1000;
    const bus::StreamStatus status = bus::read_status(region);
    if (status.end_sequence <= status.oldest_sequence) return std::nullopt;
    const std::uint64_t there = status.end_sequence - status.oldest_sequence;
    bus::SubscriberOptions options;
    options.policy = bus::SlowPolicy::observe;
    options.start = bus::Start::at(status.end_sequence - std::min(there, kMostEvents));
    auto observer = bus::Subscriber::attach(region, options);
    if (!observer) return std::nullopt;  // overwritten meanwhile, or an open claim stands there
    const std::uint64_t now_ns = wall_clock_ns();
    std::uint64_t seen = 0;
    std::uint64_t ahead = 0;
    std::uint64_t lead_ns = 0;
    for (bool more = true; more && seen < kMostEvents;) {
        const bus::PollResult result = observer->poll(
            [&](const Event& event) {
                ++seen;
                const std::uint64_t time_ns = event.publish_time_ns();
                if (time_ns <= now_ns + kClockToleranceNs) return;
                ++ahead;
                lead_ns = std::max(lead_ns, time_ns - now_ns);
            },
            kMostEvents - seen);
        more = result.events != 0;
    }
    if (ahead == 0) return std::nullopt;
    const std::string seen_text = std::to_string(seen);
    return Trouble{std::to_string(ahead) + " of the last " + seen_text +
                       " events carry publish times ahead of this machine's clock, by up to " +
                       duration_text(lead_ns) + "; looks by time don't count them",
                   "timedatectl; find the publisher: tailrace tail " + region->name() +
                       " --from -" + seen_text};
}

std::optional<Trouble> find_journal_clock_trouble(const std::string& stream,
                                                  const std::string& directory) {
    const auto summary = journal::inspect(directory);
    if (!summary) return std::nullopt;
    const std::uint64_t now_ns = wall_clock_ns();
    if (summary->max_time_ns <= now_ns + kClockToleranceNs) return std::nullopt;
    return Trouble{"its times have come to " + duration_text(summary->max_time_ns - now_ns) +
                       " ahead of this machine's clock, which was set back; until it has caught "
                       "up, looks by time find what came since together with what came last before",
                   "timedatectl; seek by sequence: tailrace replay " + stream + " --from N"};
}

}  // namespace tailrace::observe
