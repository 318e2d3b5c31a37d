#include "floor.hpp"

#include "machine.hpp"
#include "samples.hpp"

namespace tailrace::bench {

double measure_floor_ns() {
    constexpr std::uint64_t kBounces = 40'000;
    constexpr std::uint64_t kWarmUp = 5'000;
    SharedPage<Floor> floor;
    BenchChild child([&] {
        pin_to_core(1);
        for (std::uint64_t bounce = 0; bounce < kBounces; ++bounce) {
            // The parent's death kills this process.
            static_cast<void>(await_ball(*floor, 2 * bounce + 1, [] { return false; }));
            throw_ball(*floor, 2 * bounce + 2);
        }
        return 0;
    });
    pin_to_core(0);
    Samples samples;
    samples.reserve(kBounces);
    std::uint64_t before = read_ticks();
    for (std::uint64_t bounce = 0; bounce < kBounces; ++bounce) {
        throw_ball(*floor, 2 * bounce + 1);
        if (!await_ball(*floor, 2 * bounce + 2, [&] { return child.has_ended(); })) return 0;
        const std::uint64_t now = read_ticks();
        if (bounce >= kWarmUp) samples.add(now - before);
        before = now;
    }
    samples.sort();
    return samples.percentile_ns(0.5, ns_per_tick());
}

}  // namespace tailrace::bench
