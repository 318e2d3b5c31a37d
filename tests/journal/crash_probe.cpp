// Runs the simulations and searches from fixed seeds until an invariant breaks, and says which: the
// program that is linked with changed sources by mutation_test.py. Exit code 0: all held.

#include "crash_search.hpp"
#include "crash_simulation.hpp"

#include <cstdio>
#include <malloc.h>

namespace {

using namespace tailrace::journal;

constexpr std::uint64_t kDisks = 120;
constexpr int kLivesPerDisk = 12;

bool holds(const std::string& wrong, const std::string& where) {
    if (wrong.empty()) return true;
    std::printf("BROKEN %s [%s]\n", wrong.c_str(), where.c_str());
    return false;
}

// Every ending of every story.
bool search_all(std::uint64_t& crashes) {
    for (const NamedSearch& search : crash_searches()) {
        CrashSearchCounts counts;
        if (!holds(search.run(counts), search.name)) return false;
        std::printf("%s: %llu states at %llu moments, at most %zu sectors, %zu names\n",
                    search.name,
                    static_cast<unsigned long long>(counts.states),
                    static_cast<unsigned long long>(counts.moments),
                    counts.most_units,
                    counts.most_names);
        crashes += counts.states;
    }
    return true;
}

}  // namespace

int main() {
    ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
    ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
    std::uint64_t crashes = 0;
    for (const DiskCharacter character :
         {DiskCharacter::honest, DiskCharacter::rotting, DiskCharacter::lying}) {
        if (character == DiskCharacter::rotting && !search_all(crashes)) return 1;
        for (std::uint64_t seed = 1; seed <= kDisks; ++seed) {
            CrashSimulation simulation(seed, character);
            const std::string wrong = simulation.run(kLivesPerDisk);
            if (!holds(wrong, "seed " + std::to_string(seed))) return 1;
            crashes += simulation.counts().crashes;
        }
    }
    std::printf("held: %llu crashes\n", static_cast<unsigned long long>(crashes));
    return 0;
}
