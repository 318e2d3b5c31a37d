// Crashes without a machine: a writer on a simulated disk, cut or killed in the middle of any
// operation, over and over. What must hold: crash_simulation.hpp.
//
// One seed makes everything; TAILRACE_SEED repeats a run, TAILRACE_CRASHES makes it longer.

#include "crash_simulation.hpp"

#include "support/test_length.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <malloc.h>
#include <random>

namespace tailrace::journal::crash_simulation_test {

namespace {

#if defined(TAILRACE_ADDRESS_SANITIZER) || defined(TAILRACE_THREAD_SANITIZER) || !defined(NDEBUG)
constexpr std::uint64_t kFullCrashes = 20'000;  // ten times slower there
constexpr std::uint64_t kSampleCrashes = 800;
#else
constexpr std::uint64_t kFullCrashes = 100'000;
constexpr std::uint64_t kSampleCrashes = 5'000;
#endif
constexpr int kLivesPerDisk = 12;

std::uint64_t choose_seed() {
    const std::uint64_t any = std::random_device()() % 1'000'000'000U;
    return test::test_length(any, any, "TAILRACE_SEED");
}

std::uint64_t crashes_wanted() {
    return test::test_length(kSampleCrashes, kFullCrashes, "TAILRACE_CRASHES");
}

using Faults = std::initializer_list<Fault>;

bool have_all_fired(const SimulationCounts& counts, Faults kinds) {
    return std::all_of(kinds.begin(), kinds.end(), [&](Fault kind) {
        return counts.fired[static_cast<std::size_t>(kind)] > 0;
    });
}

// Lives until there were so many crashes and each of `kinds` has fired; each seed is a disk. A
// rare fault may be missing from a short run: it gets ten times as many crashes before it counts as
// one that never fires.
SimulationCounts simulate(DiskCharacter character,
                          std::uint64_t first_seed,
                          std::uint64_t crashes,
                          Faults kinds) {
    // The disks are small and short-lived: keep their memory instead of asking the kernel each
    // time.
    ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
    ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
    SimulationCounts counts;
    for (std::uint64_t seed = first_seed;
         counts.crashes < crashes ||
         (counts.crashes < 10 * crashes && !have_all_fired(counts, kinds));
         ++seed) {
        CrashSimulation simulation(seed, character);
        const std::string wrong = simulation.run(kLivesPerDisk);
        counts.add(simulation.counts());
        if (!wrong.empty()) FAIL("TAILRACE_SEED=" << seed << ": " << wrong);
    }
    for (const Fault kind : kinds) {
        INFO("fault " << static_cast<int>(kind));
        CHECK(counts.fired[static_cast<std::size_t>(kind)] > 0);
    }
    return counts;
}

std::uint64_t bad_disk_crashes() {
    constexpr std::uint64_t kLeast = 400;  // so that every fault is met
    return std::max(crashes_wanted() / 20, kLeast);
}

}  // namespace

TEST_CASE("crash simulation: nothing acknowledged is ever lost, nothing discarded ever comes back",
          "[journal][search][crash]") {
    const std::uint64_t crashes = crashes_wanted();
    const std::uint64_t seed = choose_seed();
    INFO("TAILRACE_SEED=" << seed);  // for what is counted: no single disk is to blame
    const SimulationCounts counts = simulate(DiskCharacter::honest,
                                             seed,
                                             crashes,
                                             {Fault::short_write,
                                              Fault::again,
                                              Fault::write_error,
                                              Fault::flush_error,
                                              Fault::no_space,
                                              Fault::torn_write,
                                              Fault::reordered_write,
                                              Fault::lost_name,
                                              Fault::late_write});

    // That the crashes did hit something, or all of the above would prove nothing.
    CHECK(counts.crashes >= crashes);
    CHECK(counts.acknowledged > crashes / 10);
    CHECK(counts.lost > crashes / 10);
    CHECK(counts.rolls > 0);
    CHECK(counts.recycled > 0);
    CHECK(counts.kills > 0);
    CHECK(counts.cuts_in_recovery > 0);
    CHECK(counts.cuts_in_spare > 0);
    CHECK(counts.atomic_batches > 0);
    CHECK(counts.atomic_taken_back > 0);
    CHECK(counts.kept_cursors > 0);
}

TEST_CASE("crash simulation: on a device that lies about flushes nothing false is handed out",
          "[journal][crash]") {
    const std::uint64_t crashes = bad_disk_crashes();
    const std::uint64_t seed = choose_seed();
    INFO("TAILRACE_SEED=" << seed);  // for what is counted: no single disk is to blame
    const SimulationCounts counts =
        simulate(DiskCharacter::lying,
                 seed,
                 crashes,
                 {Fault::lost_flush, Fault::torn_write, Fault::lost_name});
    CHECK(counts.refusals > 0);
}

TEST_CASE("crash simulation: what rots below a promise is refused with its exact range",
          "[journal][crash]") {
    const std::uint64_t crashes = bad_disk_crashes();
    const std::uint64_t seed = choose_seed();
    INFO("TAILRACE_SEED=" << seed);  // for what is counted: no single disk is to blame
    const SimulationCounts counts =
        simulate(DiskCharacter::rotting,
                 seed,
                 crashes,
                 {Fault::bit_flip, Fault::misdirected_write, Fault::read_error});
    CHECK(counts.refusals > 0);
    CHECK(counts.recycled > 0);
}

}  // namespace tailrace::journal::crash_simulation_test
