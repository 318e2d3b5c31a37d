// Condition: whether an event is wanted, by its fields; what --where and Condition cost an event.

#include "benchmarks.hpp"

#include <tailrace/schema/condition.hpp>

#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace tailrace::micro {

namespace {

struct Trade {
    double price;
    std::int32_t quantity;
    std::uint32_t instrument;
    char symbol[8];
};

constexpr std::array<const char*, 5> kConditions = {
    "instrument == 7",
    "price > 100 and instrument == 7",
    "symbol == 'TRACE'",
    "price > quantity",
    "price > 100 and (instrument == 7 or instrument == 9 or not symbol == 'TRACE')",
};

void holds(benchmark::State& state) {
    schema::StreamSchema types;
    types.add<Trade>(1);
    const auto condition =
        schema::Condition::compile(kConditions.at(static_cast<std::size_t>(state.range(0))), types);
    const std::array<Trade, 2> trades = {{{101.5, 10, 7, "TRACE"}, {99.0, 100, 8, "OTHER"}}};
    std::int64_t wanted = 0;
    std::size_t next = 0;
    for (auto _ : state) {
        const auto bytes = std::as_bytes(std::span(trades).subspan(next, 1));
        benchmark::DoNotOptimize(bytes.data());
        wanted += condition->holds(1, bytes) ? 1 : 0;
        next ^= 1U;
    }
    // It is true of the first one alone.
    if (wanted != (state.iterations() + 1) / 2) state.SkipWithError("it chose others");
    state.SetItemsProcessed(state.iterations());
}

}  // namespace

void register_benchmarks() {
    auto* const registered = benchmark::RegisterBenchmark("condition/holds", holds);
    for (std::size_t condition = 0; condition < kConditions.size(); ++condition)
        registered->Arg(static_cast<std::int64_t>(condition));
}

}  // namespace tailrace::micro
