#include "carrier_run.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>

namespace tailrace::bench {

void meet(CarrierStage& stage, std::uint32_t sides) {
    // [sync:bench_ready] Release: this side has come. Acquire: what the other one did before.
    stage.sides.fetch_add(1, std::memory_order_acq_rel);
    // [sync:bench_ready] Acquire: what the other one did before it came.
    while (stage.sides.load(std::memory_order_acquire) < sides)
        bus::cpu_relax();
}

std::string kernel_release() {
    utsname system{};
    ::uname(&system);
    return std::string("Linux ") + system.release;
}

int say_why(const Error& error) {
    std::fprintf(stderr, "peers: %s\n", error.message.c_str());
    return 1;
}

Result<void> join_both(BenchChild& one, BenchChild& other, const CarrierRun& run) {
    constexpr std::uint64_t kPatienceNs = 30'000'000'000;
    constexpr unsigned kLookUs = 1000;
    const std::uint64_t end_ns = monotonic_ns() + 2 * (run.warm_ns + run.run_ns) + kPatienceNs;
    for (;;) {
        const bool first = one.has_ended();
        const bool second = other.has_ended();
        if (first && !one.join()) return bench_broken("the sending side failed");
        if (second && !other.join()) return bench_broken("the receiving side failed");
        if (first && second) return {};
        if (monotonic_ns() > end_ns) {
            one.kill();
            other.kill();
            return bench_broken("nothing moved for too long");
        }
        ::usleep(kLookUs);
    }
}

}  // namespace tailrace::bench
