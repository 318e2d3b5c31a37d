// The rows of the suite that show what reading a stream as one log costs.

#include "cursor_cost.hpp"
#include "floor.hpp"
#include "replay_pace.hpp"
#include "sliding.hpp"
#include "suite.hpp"

#include <algorithm>
#include <utility>

namespace tailrace::bench {

namespace {

using nlohmann::json;

SlidingOptions sliding_of(const SuiteOptions& options, std::uint64_t events) {
    constexpr std::uint64_t kQuickShare = 100;
    SlidingOptions sliding;
    sliding.directory = options.directory;
    sliding.journal_directory = options.journal_directory;
    sliding.events = options.quick ? events / kQuickShare : events;
    if (options.quick) sliding.rounds = 1;
    return sliding;
}

// Two figures of one measurement, and the second as a share of the first (or the first of the
// second, where less is better).
SuiteJob pair_job(std::string name,
                  const char* unit,
                  double target_share,
                  json conditions,
                  std::function<Result<LivePair>()> measure) {
    const bool less_is_better = std::string_view(unit) == "ns";
    SuiteJob job;
    job.name = std::move(name);
    job.rows = {{job.name, unit, Judged::not_at_all, 0},
                {job.name + "_share", "share", Judged::share_at_least, target_share}};
    job.conditions = std::move(conditions);
    job.run = [less_is_better, measure = std::move(measure)]() -> Result<Reading> {
        const double floor_ns = measure_floor_ns();
        auto pair = measure();
        if (!pair) return pair.error();
        const double share =
            less_is_better ? pair->plain / pair->sliding : pair->sliding / pair->plain;
        return Reading{{pair->sliding, share}, floor_ns};
    };
    return job;
}

SuiteJob returns_job(const SuiteOptions& options) {
    constexpr double kMostMs = 5;
    SlidingOptions sliding = sliding_of(options, 0);
    sliding.rounds = options.quick ? 1 : 20;
    SuiteJob job;
    job.name = "stream_return_to_ring";
    job.rows = {{"stream_return_to_ring_worst", "ms", Judged::worst_at_most, kMostMs},
                {"stream_return_to_ring_median", "ms", Judged::not_at_all, 0}};
    job.conditions = {{"capacity_bytes", std::uint64_t{64} << 20U},
                      {"returns", sliding.rounds},
                      {"timed", "the call that goes from the journal back into the ring"},
                      {"verified", "every byte read and compared"}};
    job.run = [sliding]() -> Result<Reading> {
        const double floor_ns = measure_floor_ns();
        auto times_ms = run_returns(sliding);
        if (!times_ms) return times_ms.error();
        std::sort(times_ms->begin(), times_ms->end());
        return Reading{{times_ms->back(), (*times_ms)[times_ms->size() / 2]}, floor_ns};
    };
    return job;
}

SuiteJob commit_job(const SuiteOptions& options) {
    constexpr double kMostNs = 5;
    SuiteJob job;
    job.name = "stream_cursor_commit";
    job.rows = {{job.name, "ns", Judged::median_at_most, kMostNs}};
    job.conditions = {{"commits", "one after the other, by hand"},
                      {"verified", "where the cursor stands at the end"}};
    job.run = [sliding = sliding_of(options, 20'000'000)]() -> Result<Reading> {
        const double floor_ns = measure_floor_ns();
        auto commit_ns = run_cursor_commit(sliding);
        if (!commit_ns) return commit_ns.error();
        return Reading{{*commit_ns}, floor_ns};
    };
    return job;
}

SuiteJob durable_commit_job(const SuiteOptions& options) {
    // At most 1.3 times as long.
    constexpr double kLeastShare = 1 / 1.3;
    SuiteJob job;
    job.name = "stream_cursor_durable_commit_p50";
    job.rows = {{job.name, "ns", Judged::not_at_all, 0},
                {job.name + "_share", "share", Judged::share_at_least, kLeastShare}};
    job.conditions = {{"size_bytes", 64},
                      {"share_of", "the durable acknowledge of the event before it"},
                      {"verified", "every event read and compared"}};
    job.run = [sliding = sliding_of(options, 2'000)]() -> Result<Reading> {
        const double floor_ns = measure_floor_ns();
        auto cost = run_durable_commit(sliding);
        if (!cost) return cost.error();
        return Reading{{cost->commit_ns, cost->acknowledge_ns / cost->commit_ns}, floor_ns};
    };
    return job;
}

SuiteJob replay_pace_job(const SuiteOptions& options) {
    constexpr double kMostNs = 50'000;
    SuiteJob job;
    job.name = "stream_replay_late_p99";
    job.rows = {{job.name, "ns", Judged::median_at_most, kMostNs},
                {job.name + "_idle_loop", "ns", Judged::not_at_all, 0}};
    job.conditions = {{"size_bytes", 64},
                      {"rate_per_s", 10'000},
                      {"idle_loop", "a loop on the same core that waits for the same instants"},
                      {"verified", "every byte read and compared"}};
    job.run = [sliding = sliding_of(options, 20'000)]() -> Result<Reading> {
        const double floor_ns = measure_floor_ns();
        auto late = run_replay_pace(sliding);
        if (!late) return late.error();
        return Reading{{late->p99_ns, late->idle_loop_p99_ns}, floor_ns};
    };
    return job;
}

}  // namespace

void add_stream_jobs(std::vector<SuiteJob>& jobs, const SuiteOptions& options) {
    constexpr double kLiveShare = 0.95;
    constexpr double kJournalShare = 0.8;
    const json live = {{"size_bytes", 32},
                       {"policy", "gate"},
                       {"processes", 2},
                       {"share_of", "the same with a plain Subscriber, in turns"},
                       {"verified", "every byte written, read and compared"}};
    jobs.push_back(pair_job("stream_one_way_32", "events/s", kLiveShare, live, [=] {
        return run_live_rate(sliding_of(options, 10'000'000));
    }));
    jobs.push_back(pair_job("stream_round_trip_32_p50", "ns", kLiveShare, live, [=] {
        return run_live_round_trip(sliding_of(options, 100'000));
    }));
    jobs.push_back(pair_job("stream_journal_read_64",
                            "events/s",
                            kJournalShare,
                            {{"size_bytes", 64},
                             {"share_of", "journal::Reader on the same journal, in turns"},
                             {"journal", "in memory"},
                             {"verified", "every byte read and compared"}},
                            [=] { return run_journal_read(sliding_of(options, 2'000'000)); }));
    jobs.push_back(pair_job("stream_publish_beside_spill_64",
                            "events/s",
                            kLiveShare,
                            {{"size_bytes", 64},
                             {"capacity_bytes", std::uint64_t{1} << 20U},
                             {"recorded", true},
                             {"reader", "policy spill, a hundred times slower"},
                             {"share_of", "the same without the reader, right before"},
                             {"verified", "the reader had every event, and so has the journal"}},
                            [=]() -> Result<LivePair> {
                                auto cost = run_spill_cost(sliding_of(options, 8'000'000));
                                if (!cost) return cost.error();
                                return LivePair{cost->alone_per_s, cost->beside_per_s};
                            }));
    jobs.push_back(returns_job(options));
    jobs.push_back(commit_job(options));
    jobs.push_back(durable_commit_job(options));
    jobs.push_back(replay_pace_job(options));
    constexpr double kCommitShare = 0.99;
    jobs.push_back(
        pair_job("stream_durable_beside_cursor_64",
                 "events/s",
                 kCommitShare,
                 {{"size_bytes", 64},
                  {"reader", "gates, and commits each eighth event"},
                  {"share_of", "the same reader without a cursor, in turns"},
                  {"verified", "every byte read and compared"}},
                 [=] { return run_commits_beside_journal(sliding_of(options, 4'000'000)); }));
}

}  // namespace tailrace::bench
