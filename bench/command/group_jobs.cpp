// The rows of the suite that show what a group costs.

#include "floor.hpp"
#include "group_cost.hpp"
#include "suite.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace tailrace::bench {

namespace {

SlidingOptions group_sizes(const SuiteOptions& options, std::uint64_t events) {
    constexpr std::uint64_t kQuickShare = 50;
    SlidingOptions sizes;
    sizes.directory = options.directory;
    sizes.journal_directory = options.journal_directory;
    sizes.events = options.quick ? events / kQuickShare : events;
    if (options.quick) sizes.rounds = 1;
    return sizes;
}

SuiteJob group_rate_job(const SuiteOptions& options, std::uint64_t prefetch, double target_per_s) {
    SuiteJob job;
    job.name = "group_hand_out_" + std::to_string(prefetch);
    job.rows = {{job.name, "events/s", Judged::value_at_least, target_per_s, target_per_s}};
    job.conditions = {{"size_bytes", 32},
                      {"members", 2},
                      {"prefetch", prefetch},
                      {"ring", "holds all of them before the members begin"},
                      {"verified", "every byte compared, each event handed out once"}};
    job.run = [prefetch, sizes = group_sizes(options, 1'000'000)]() -> Result<Reading> {
        const double floor_ns = measure_floor_ns();
        auto rate = run_group_rate(sizes, prefetch);
        if (!rate) return rate.error();
        return Reading{{*rate}, floor_ns};
    };
    return job;
}

SuiteJob group_publisher_job(const SuiteOptions& options) {
    constexpr double kLeastShare = 0.95;
    SuiteJob job;
    job.name = "group_publish_beside_64";
    job.rows = {{job.name, "events/s", Judged::not_at_all, 0},
                {job.name + "_share", "share", Judged::share_at_least, kLeastShare}};
    job.conditions = {{"size_bytes", 64},
                      {"recorded", true},
                      {"member", "one, asleep most of the time, far behind"},
                      {"share_of", "the same without the group, in turns"},
                      {"verified", "every byte that the member was handed"}};
    job.run = [sizes = group_sizes(options, 4'000'000)]() -> Result<Reading> {
        const double floor_ns = measure_floor_ns();
        auto pair = run_group_publisher(sizes);
        if (!pair) return pair.error();
        return Reading{{pair->sliding, pair->sliding / pair->plain}, floor_ns};
    };
    return job;
}

SuiteJob member_death_job(const SuiteOptions& options) {
    constexpr double kMostMs = 20;
    SlidingOptions sizes = group_sizes(options, 0);
    sizes.rounds = options.quick ? 1 : 20;
    SuiteJob job;
    job.name = "group_member_dies";
    job.rows = {{"group_member_dies_worst", "ms", Judged::worst_at_most, kMostMs},
                {"group_member_dies_median", "ms", Judged::not_at_all, 0}};
    job.conditions = {{"deaths", sizes.rounds},
                      {"timed", "from SIGKILL to another member's handler"},
                      {"verified", "the event"}};
    job.run = [sizes]() -> Result<Reading> {
        const double floor_ns = measure_floor_ns();
        auto times_ms = run_member_deaths(sizes);
        if (!times_ms) return times_ms.error();
        std::sort(times_ms->begin(), times_ms->end());
        return Reading{{times_ms->back(), (*times_ms)[times_ms->size() / 2]}, floor_ns};
    };
    return job;
}

}  // namespace

void add_group_jobs(std::vector<SuiteJob>& jobs, const SuiteOptions& options) {
    constexpr double kManyPerS = 5e6;
    constexpr double kSinglesPerS = 1e6;
    constexpr std::uint64_t kMany = 16;
    jobs.push_back(group_rate_job(options, kMany, kManyPerS));
    jobs.push_back(group_rate_job(options, 1, kSinglesPerS));
    jobs.push_back(group_publisher_job(options));
    jobs.push_back(member_death_job(options));
}

}  // namespace tailrace::bench
