// Reader: what it costs to read a journal that lies in memory, to seek in it and to open it. Items
// are events where they are read, else seeks.

#include "benchmarks.hpp"
#include "scratch_journal.hpp"

#include <tailrace/journal/reader.hpp>

#include <benchmark/benchmark.h>

namespace tailrace::micro {

namespace {

constexpr std::uint64_t kSumOfNumbers = ScratchJournal::kEvents * (ScratchJournal::kEvents - 1) / 2;

// Checksums, stamps and sizes of each batch are checked, then each event is handed out.
void batches(benchmark::State& state) {
    const ScratchJournal scratch;
    auto reader = test::expect(journal::Reader::open(scratch.directory()), "open the journal");
    for (auto _ : state) {
        std::uint64_t sum = 0;
        for (;;) {
            const auto step = reader.next_batch();
            if (!step || step->kind != journal::ReadKind::event) break;
            for (const Event& event : step->batch)
                sum += event.as<std::uint64_t>();
        }
        if (sum != kSumOfNumbers || !reader.seek_sequence(0)) {
            state.SkipWithError("events were lost or changed");
            break;
        }
    }
    state.SetItemsProcessed(state.iterations() *
                            static_cast<std::int64_t>(ScratchJournal::kEvents));
}

// The same, an event at a time.
void events(benchmark::State& state) {
    const ScratchJournal scratch;
    auto reader = test::expect(journal::Reader::open(scratch.directory()), "open the journal");
    for (auto _ : state) {
        std::uint64_t sum = 0;
        for (;;) {
            const auto step = reader.next();
            if (!step || step->kind != journal::ReadKind::event) break;
            sum += step->event->as<std::uint64_t>();
        }
        if (sum != kSumOfNumbers || !reader.seek_sequence(0)) {
            state.SkipWithError("events were lost or changed");
            break;
        }
    }
    state.SetItemsProcessed(state.iterations() *
                            static_cast<std::int64_t>(ScratchJournal::kEvents));
}

// Where the reader stands after a seek: the number of the event there.
[[nodiscard]] bool stands_at(journal::Reader& reader, std::uint64_t number) {
    const auto step = reader.next();
    return step && step->kind == journal::ReadKind::event &&
           step->event->as<std::uint64_t>() == number;
}

// Numbers below `count` that jump about.
class Jumps {
public:
    explicit Jumps(std::uint64_t count) noexcept : count_(count) {}
    [[nodiscard]] std::uint64_t next() noexcept {
        state_ = state_ * 6364136223846793005U + 1442695040888963407U;
        return (state_ >> 33U) % count_;
    }

private:
    std::uint64_t count_;
    std::uint64_t state_ = 1;
};

void seek_sequence(benchmark::State& state) {
    const ScratchJournal scratch;
    auto reader = test::expect(journal::Reader::open(scratch.directory()), "open the journal");
    Jumps jumps(ScratchJournal::kEvents);
    for (auto _ : state) {
        const std::uint64_t number = jumps.next();
        if (!reader.seek_sequence(number) || !stands_at(reader, number)) {
            state.SkipWithError("a seek went elsewhere");
            break;
        }
    }
    state.SetItemsProcessed(state.iterations());
}

void seek_time(benchmark::State& state) {
    const ScratchJournal scratch;
    auto reader = test::expect(journal::Reader::open(scratch.directory()), "open the journal");
    Jumps jumps(ScratchJournal::kBatches);
    for (auto _ : state) {
        const std::uint64_t batch = jumps.next();
        if (!reader.seek_time(ScratchJournal::time_ns(batch)) ||
            !stands_at(reader, batch * ScratchJournal::kEventsPerBatch)) {
            state.SkipWithError("a seek went elsewhere");
            break;
        }
    }
    state.SetItemsProcessed(state.iterations());
}

void open(benchmark::State& state) {
    const ScratchJournal scratch;
    for (auto _ : state) {
        auto reader = journal::Reader::open(scratch.directory());
        if (!reader || !stands_at(*reader, 0)) {
            state.SkipWithError("the journal was not opened");
            break;
        }
    }
    state.SetItemsProcessed(state.iterations());
}

}  // namespace

void register_benchmarks() {
    benchmark::RegisterBenchmark("read/batches", batches);
    benchmark::RegisterBenchmark("read/events", events);
    benchmark::RegisterBenchmark("seek/sequence", seek_sequence);
    benchmark::RegisterBenchmark("seek/time", seek_time);
    benchmark::RegisterBenchmark("open", open);
}

}  // namespace tailrace::micro
