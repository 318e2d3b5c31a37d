// The rows of the suite: what each measures, under which conditions, and its target.

#include "floor.hpp"
#include "suite.hpp"

#include <algorithm>
#include <utility>

namespace tailrace::bench {

namespace {

using nlohmann::json;

constexpr double kMillion = 1e6;
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;

// About a third of a second at the speed that is asked for; hardly anything for a smoke test.
std::uint64_t events_for(double events_per_s, bool quick) {
    constexpr double kRunSeconds = 0.3;
    constexpr double kQuickSeconds = 0.003;
    return static_cast<std::uint64_t>(events_per_s * (quick ? kQuickSeconds : kRunSeconds)) + 1000;
}

SuiteJob round_trip_job(const SuiteOptions& options,
                        std::uint32_t size_bytes,
                        double target_p50,
                        double target_p99) {
    PingPongOptions bench;
    bench.directory = options.directory;
    bench.size_bytes = size_bytes;
    bench.round_trips = options.quick ? 20'000 : 100'000;
    const std::string name = "round_trip_" + std::to_string(size_bytes);
    SuiteJob job;
    job.name = name;
    job.rows = {{name + "_p50", "ns", Judged::ratio_at_most, target_p50},
                {name + "_p99",
                 "ns",
                 target_p99 == 0 ? Judged::not_at_all : Judged::ratio_at_most,
                 target_p99},
                {name + "_bare_p50", "ns", Judged::not_at_all, 0}};
    job.conditions = {{"size_bytes", size_bytes},
                      {"alignment_bytes", bench.alignment_bytes},
                      {"publish_time", false},
                      {"capacity_bytes", kMiB},
                      {"processes", 2},
                      {"floor", "median bounce of the same two processes, in turns"},
                      {"verified", "every byte written, read and compared"}};
    job.run = [bench]() -> Result<Reading> {
        auto report = run_pingpong(bench);
        if (!report) return report.error();
        const json& rtt = (*report)["rtt_ns"];
        return Reading{{rtt["p50"].get<double>(),
                        rtt["p99"].get<double>(),
                        (*report)["bare_rtt_ns"]["p50"].get<double>()},
                       (*report)["floor_rtt_ns"]["p50"].get<double>()};
    };
    return job;
}

json conditions_of(const ThroughputOptions& bench) {
    return {{"size_bytes", bench.size_bytes},
            {"publishers", bench.publishers},
            {"subscribers", bench.subscribers},
            {"publishing", bench.multi || bench.publishers > 1 ? "multi" : "single"},
            {"publish_time", bench.publish_time},
            {"batch", bench.batch},
            {"wait", bus::wait_strategy_name(bench.wait)},
            {"capacity_bytes", bench.capacity_bytes},
            {"events_per_run", bench.events * bench.publishers},
            {"verified", "every byte written, read and compared; each publisher's order"}};
}

// Events a second of one run, and the slower of the floors around it.
Result<Reading> read_rate(const ThroughputOptions& bench) {
    auto report = run_throughput(bench);
    if (!report) return report.error();
    return Reading{{(*report)["events_per_s"].get<double>()},
                   (*report)["floor_rtt_ns"]["max"].get<double>()};
}

// Events a second that are promised, in millions: of cores that are near each other, and far.
struct Goal {
    double near;
    double far;
};

SuiteJob rate_job(std::string name, const ThroughputOptions& bench, Goal goal) {
    SuiteJob job;
    job.name = std::move(name);
    job.rows = {
        {job.name, "events/s", Judged::value_at_least, goal.near * kMillion, goal.far * kMillion}};
    job.conditions = conditions_of(bench);
    job.run = [bench] {
        return read_rate(bench);
    };
    return job;
}

// A rate as a share of another one that is measured right before it.
SuiteJob share_job(std::string name,
                   const ThroughputOptions& bench,
                   const ThroughputOptions& reference,
                   double target_share) {
    SuiteJob job;
    job.name = std::move(name);
    job.rows = {{job.name, "events/s", Judged::not_at_all, 0},
                {job.name + "_share", "share", Judged::share_at_least, target_share}};
    job.conditions = conditions_of(bench);
    job.conditions["share_of"] = conditions_of(reference);
    job.run = [bench, reference]() -> Result<Reading> {
        auto whole = read_rate(reference);
        if (!whole) return whole;
        auto part = read_rate(bench);
        if (!part) return part;
        return Reading{{part->values[0], part->values[0] / whole->values[0]},
                       std::max(whole->floor_ns, part->floor_ns)};
    };
    return job;
}

ThroughputOptions one_way(const SuiteOptions& options, std::uint32_t size_bytes, Goal goal) {
    // So long that a ring as `create` makes it is gone round several times.
    constexpr std::uint64_t kLeastBytes = 400 * kMiB;
    ThroughputOptions bench;
    bench.directory = options.directory;
    bench.size_bytes = size_bytes;
    bench.runs = 1;
    const std::uint64_t events = events_for(goal.far * kMillion, options.quick);
    bench.events = options.quick ? events : std::max(events, kLeastBytes / (size_bytes + 16));
    if (options.quick) bench.capacity_bytes = 4 * kMiB;
    return bench;
}

void add_one_way(std::vector<SuiteJob>& jobs, const SuiteOptions& options) {
    constexpr std::pair<std::uint32_t, Goal> kGoals[] = {{8, {350, 120}},
                                                         {32, {330, 115}},
                                                         {64, {270, 85}},
                                                         {256, {40, 28}},
                                                         {1024, {14, 7.9}},
                                                         {4096, {10, 2.3}},
                                                         {65536, {0.6, 0.37}}};
    for (const auto& [size_bytes, goal] : kGoals) {
        jobs.push_back(rate_job(
            "one_way_" + std::to_string(size_bytes), one_way(options, size_bytes, goal), goal));
    }
    constexpr std::pair<std::uint32_t, Goal> kTimed[] = {{8, {297, 102}}, {64, {230, 72}}};
    for (const auto& [size_bytes, goal] : kTimed) {
        ThroughputOptions bench = one_way(options, size_bytes, goal);
        bench.publish_time = true;
        jobs.push_back(rate_job("one_way_timed_" + std::to_string(size_bytes), bench, goal));
    }
    constexpr Goal kBatched = {300, 120};
    ThroughputOptions batches = one_way(options, 8, kBatched);
    batches.batch = 10;
    jobs.push_back(rate_job("batch_10_8", batches, kBatched));
}

void add_shared(std::vector<SuiteJob>& jobs, const SuiteOptions& options) {
    constexpr Goal kShared = {297, 103};
    ThroughputOptions multi = one_way(options, 32, kShared);
    multi.multi = true;
    jobs.push_back(rate_job("multi_one_active_32", multi, kShared));
    ThroughputOptions single = one_way(options, 32, kShared);
    single.batch = 16;
    multi = single;
    multi.multi = true;
    constexpr double kBatchShare = 0.9;
    jobs.push_back(share_job("multi_batch_16_32", multi, single, kBatchShare));
    constexpr Goal kTwo = {80, 18};
    ThroughputOptions two = one_way(options, 32, kTwo);
    two.publishers = 2;
    two.wait = bus::WaitStrategy::adaptive;  // three processes on two cores: the default knows
    jobs.push_back(rate_job("two_publishers_32", two, kTwo));
    // Four processes on two cores: each has half a core, so the slowest can't do better than half
    // of what a pair with a core each does. Less than a quarter would be a collapse.
    constexpr double kOversubscribedShare = 0.25;
    for (const auto wait :
         {bus::WaitStrategy::adaptive, bus::WaitStrategy::yield, bus::WaitStrategy::futex}) {
        ThroughputOptions three = one_way(options, 32, kTwo);
        three.subscribers = 3;
        three.wait = wait;
        jobs.push_back(share_job("three_subscribers_" + std::string(bus::wait_strategy_name(wait)),
                                 three,
                                 one_way(options, 32, kShared),
                                 kOversubscribedShare));
    }
}

SuiteJob publish_cost_job(const SuiteOptions& options) {
    const std::uint32_t chunks = options.quick ? 3 : 41;
    constexpr double kMostNs = 2;
    SuiteJob job;
    job.name = "publish_while_nobody_sleeps";
    job.rows = {{"publish_look_for_sleepers", "ns", Judged::worst_at_most, kMostNs},
                {"publish_alone_32", "ns", Judged::not_at_all, 0}};
    job.conditions = {{"size_bytes", 32},
                      {"publishing", "single"},
                      {"publish_time", false},
                      {"capacity_bytes", kMiB},
                      {"against", "the same loop with a second look at the sleepers' flag"},
                      {"verified", "no publish was refused"}};
    job.run = [chunks, directory = options.directory]() -> Result<Reading> {
        const double floor_ns = measure_floor_ns();
        auto cost = run_publish_cost(directory, chunks);
        if (!cost) return cost.error();
        return Reading{{cost->look_ns, cost->publish_ns}, floor_ns};
    };
    return job;
}

SuiteJob death_job(const SuiteOptions& options, DeathKind kind, const std::string& name) {
    const std::uint32_t deaths = options.quick ? 2 : 20;
    constexpr double kMostMs = 10;
    SuiteJob job;
    job.name = name;
    job.rows = {{name + "_worst", "ms", Judged::worst_at_most, kMostMs},
                {name + "_median", "ms", Judged::not_at_all, 0}};
    job.conditions = {{"deaths_per_run", deaths},
                      {"wait", "adaptive"},
                      {"verified",
                       "SIGKILL of a real process in that state, at a random instant; the others "
                       "had not gone on before, and the right event arrived"}};
    job.run = [kind, deaths, directory = options.directory]() -> Result<Reading> {
        const double floor_ns = measure_floor_ns();
        auto times_ms = run_deaths(kind, deaths, directory);
        if (!times_ms) return times_ms.error();
        std::sort(times_ms->begin(), times_ms->end());
        return Reading{{times_ms->back(), (*times_ms)[times_ms->size() / 2]}, floor_ns};
    };
    return job;
}

}  // namespace

std::vector<SuiteJob> suite_jobs(const SuiteOptions& options) {
    std::vector<SuiteJob> jobs;
    jobs.push_back(round_trip_job(options, 32, 1.25, 1.7));
    jobs.push_back(round_trip_job(options, 256, 1.7, 0));
    add_one_way(jobs, options);
    add_shared(jobs, options);
    jobs.push_back(publish_cost_job(options));
    jobs.push_back(death_job(options, DeathKind::publisher_in_claim, "publisher_dies_in_claim"));
    jobs.push_back(death_job(options, DeathKind::gating_subscriber, "gating_subscriber_dies"));
    add_stream_jobs(jobs, options);
    add_group_jobs(jobs, options);
    add_crowd_jobs(jobs, options);
    return jobs;
}

}  // namespace tailrace::bench
