// The rows of the suite that show what a crowd costs: readers, sleepers, armed descriptors, blocked
// publishers, and a thousand processes that attach at once.

#include "floor.hpp"
#include "suite.hpp"

#include <utility>

namespace tailrace::bench {

namespace {

using nlohmann::json;

SuiteJob wake_job(const SuiteOptions& options, std::uint32_t sleepers, bool by_epoll) {
    const std::string name =
        std::string(by_epoll ? "armed_" : "sleepers_") + std::to_string(sleepers);
    const std::uint32_t rounds = options.quick ? 2 : 30;
    SuiteJob job;
    job.name = name;
    job.rows = {{"publish_beside_" + name, "ns", Judged::not_at_all, 0},
                {"last_woken_of_" + name, "ms", Judged::not_at_all, 0}};
    job.conditions = {{"readers", sleepers},
                      {"policy", "skip"},
                      {"wait", by_epoll ? "epoll" : "futex"},
                      {"rounds", rounds},
                      {"verified", "every reader had every round's event"}};
    job.run = [=, directory = options.directory]() -> Result<Reading> {
        const double floor_ns = measure_floor_ns();
        auto wake = run_crowd_wake(directory, sleepers, by_epoll, rounds);
        if (!wake) return wake.error();
        return Reading{{wake->publish_ns, wake->last_ms}, floor_ns};
    };
    return job;
}

SuiteJob publish_job(const SuiteOptions& options, std::uint32_t readers) {
    SuiteJob job;
    job.name = "readers_" + std::to_string(readers);
    job.rows = {{"publish_beside_" + job.name, "ns", Judged::not_at_all, 0}};
    job.conditions = {{"readers", readers},
                      {"policy", "skip"},
                      {"size_bytes", 32},
                      {"publishing", "multi"},
                      {"verified", "no publish was refused"}};
    job.run = [readers, directory = options.directory]() -> Result<Reading> {
        const double floor_ns = measure_floor_ns();
        auto publish_ns = run_crowd_publish(directory, readers);
        if (!publish_ns) return publish_ns.error();
        return Reading{{*publish_ns}, floor_ns};
    };
    return job;
}

SuiteJob blocked_job(const SuiteOptions& options, std::uint32_t publishers) {
    const std::uint64_t duration_ms = options.quick ? 100 : 1000;
    SuiteJob job;
    job.name = "blocked_publishers_" + std::to_string(publishers);
    job.rows = {{"cpu_of_" + job.name, "share", Judged::not_at_all, 0}};
    job.conditions = {{"publishers", publishers},
                      {"wait", "futex"},
                      {"duration_ms", duration_ms},
                      {"verified", "none of them found room"}};
    job.run = [=, directory = options.directory]() -> Result<Reading> {
        const double floor_ns = measure_floor_ns();
        auto share = run_crowd_blocked(directory, publishers, duration_ms);
        if (!share) return share.error();
        return Reading{{*share}, floor_ns};
    };
    return job;
}

SuiteJob attach_job(const SuiteOptions& options, std::uint32_t processes, bool is_judged) {
    constexpr double kMostMs = 10'000;
    SuiteJob job;
    job.name = "attach_" + std::to_string(processes) + "_at_once";
    job.rows = {{job.name, "ms", is_judged ? Judged::worst_at_most : Judged::not_at_all, kMostMs}};
    job.conditions = {{"processes", processes},
                      {"policy", "skip"},
                      {"verified", "every process attached, and none was refused"}};
    job.run = [processes, directory = options.directory]() -> Result<Reading> {
        const double floor_ns = measure_floor_ns();
        auto took_ms = run_crowd_attach(directory, processes);
        if (!took_ms) return took_ms.error();
        return Reading{{*took_ms}, floor_ns};
    };
    return job;
}

}  // namespace

void add_crowd_jobs(std::vector<SuiteJob>& jobs, const SuiteOptions& options) {
    // A smoke test shows that they run, not what a crowd costs.
    const std::vector<std::uint32_t> counts = options.quick
                                                  ? std::vector<std::uint32_t>{1, 10}
                                                  : std::vector<std::uint32_t>{1, 10, 50, 100};
    for (const bool by_epoll : {false, true}) {
        for (const std::uint32_t count : counts)
            jobs.push_back(wake_job(options, count, by_epoll));
    }
    for (const std::uint32_t readers : {1U, 100U})
        jobs.push_back(publish_job(options, readers));
    for (const std::uint32_t publishers : {1U, 10U})
        jobs.push_back(blocked_job(options, publishers));
    if (!options.quick) jobs.push_back(blocked_job(options, 100));
    jobs.push_back(attach_job(options, 100, false));
    if (!options.quick) jobs.push_back(attach_job(options, 1000, true));
}

}  // namespace tailrace::bench
