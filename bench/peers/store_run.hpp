// One store: durable acknowledges one event at a time, then a batch of 1,024 at a time, then all of
// it read back and compared.
#pragma once

#include "store.hpp"

#include <tailrace/base/clock.hpp>

#include <bench_runs.hpp>
#include <machine.hpp>
#include <samples.hpp>

namespace tailrace::bench {

template <typename Store>
[[nodiscard]] Result<StoreTimes> measure_store(const StoreRun& run) {
    constexpr std::uint64_t kWarmBatches = 8;
    pin_to_core(0);
    auto store = Store::open(run);
    if (!store) return store.error();
    std::uint64_t number = 0;
    for (std::uint64_t batch = 0; batch < kWarmBatches; ++batch, number += kStoreBatch) {
        if (auto appended = (*store)->append(number, kStoreBatch); !appended)
            return appended.error();
    }
    Samples samples;
    for (std::uint64_t event = 0; event < run.one_by_one; ++event, ++number) {
        const std::uint64_t before = read_ticks();
        if (auto appended = (*store)->append(number, 1); !appended) return appended.error();
        samples.add(read_ticks() - before);
    }
    samples.sort();
    const std::uint64_t begin_ns = monotonic_ns();
    for (std::uint64_t batch = 0; batch < run.batches; ++batch, number += kStoreBatch) {
        if (auto appended = (*store)->append(number, kStoreBatch); !appended)
            return appended.error();
    }
    const auto elapsed_ns = static_cast<double>(monotonic_ns() - begin_ns);
    auto found = (*store)->read_back();
    if (!found) return found.error();
    if (*found != number) return bench_broken("acknowledged events are missing");
    return StoreTimes{samples.percentile_ns(0.5, ns_per_tick()),
                      samples.percentile_ns(0.99, ns_per_tick()),
                      static_cast<double>(run.batches * kStoreBatch) * 1e9 / elapsed_ns};
}

}  // namespace tailrace::bench
