// JournalBatch: what a batch costs between the ring and the disk: events copied into it, its
// checksum, its seal, and the check of whoever reads it. Arguments are events of 64 bytes; items
// are batches, but for append events.

#include "batch_codec.hpp"
#include "batch_filler.hpp"
#include "benchmarks.hpp"
#include "event_bytes.hpp"

#include <tailrace/base/checksum.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>

namespace tailrace::micro {

namespace {

constexpr std::uint32_t kPayloadBytes = 64;
constexpr std::array<std::int64_t, 4> kEventCounts = {1, 50, 800, 13'000};
constexpr journal::BatchPlace kPlace{3, 0xABCDEF, 8192, std::uint64_t{256} << 20U, 16};

// A batch whose body stands there, and its header as far as the writer fills it in.
struct UnsealedBatch {
    explicit UnsealedBatch(std::int64_t event_count) {
        const EventBytes events(static_cast<std::uint64_t>(event_count), kPayloadBytes);
        header.record_salt = EventBytes::kSalt;
        header.event_count = static_cast<std::uint32_t>(events.count());
        header.body_size_bytes = static_cast<std::uint32_t>(events.bytes().size());
        block.resize(journal::batch_slot_bytes(header.body_size_bytes), std::byte{0xEE});
        std::copy(events.bytes().begin(),
                  events.bytes().end(),
                  block.begin() + sizeof(journal::BatchHeader));
    }
    [[nodiscard]] std::span<const std::byte> body() const noexcept {
        return std::span(block).subspan(sizeof(header), header.body_size_bytes);
    }
    [[nodiscard]] bool is_valid() const noexcept {
        journal::BatchHeader found{};
        return journal::check_batch_header(block, kPlace, found) == journal::BatchVerdict::valid &&
               journal::check_batch_body(found, body(), kPlace) == journal::BatchVerdict::valid;
    }

    journal::BatchHeader header{};
    std::vector<std::byte> block;
};

void count_batches(benchmark::State& state, const UnsealedBatch& batch) {
    state.SetItemsProcessed(state.iterations());
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(batch.body().size()));
}

void checksum(benchmark::State& state) {
    UnsealedBatch batch(state.range(0));
    journal::seal_batch(batch.block, batch.header, kPlace);
    const std::uint64_t seed = journal::batch_seed(kPlace.salt, kPlace.offset);
    std::uint64_t difference = 0;
    journal::BatchHeader sealed{};
    std::memcpy(&sealed, batch.block.data(), sizeof(sealed));
    for (auto _ : state) {
        difference |= checksum64(batch.body(), seed) ^ sealed.body_checksum;
        benchmark::ClobberMemory();
    }
    if (difference != 0) state.SkipWithError("the checksum isn't that of the sealed batch");
    count_batches(state, batch);
}

void seal(benchmark::State& state) {
    UnsealedBatch batch(state.range(0));
    for (auto _ : state)
        benchmark::DoNotOptimize(journal::seal_batch(batch.block, batch.header, kPlace));
    if (!batch.is_valid()) state.SkipWithError("the batch isn't sealed");
    count_batches(state, batch);
}

void check(benchmark::State& state) {
    UnsealedBatch batch(state.range(0));
    journal::seal_batch(batch.block, batch.header, kPlace);
    std::int64_t valid = 0;
    for (auto _ : state)
        valid += batch.is_valid() ? 1 : 0;
    if (valid != state.iterations()) state.SkipWithError("a sound batch was refused");
    batch.block[sizeof(journal::BatchHeader) + sizeof(EventHeader)] ^= std::byte{1};
    if (batch.is_valid()) state.SkipWithError("a damaged batch was taken for sound");
    count_batches(state, batch);
}

// Full batches, one after the other, from runs of 4096 events.
void append(benchmark::State& state) {
    constexpr std::uint64_t kEvents = 4096;
    const EventBytes events(kEvents, static_cast<std::uint32_t>(state.range(0)));
    constexpr std::uint32_t kBuffers = 2;
    journal::BlockPool pool(kBuffers);
    journal::BatchFiller filler(
        pool, journal::kMaxBatchSizeBytes, EventBytes::kAlignmentBytes, 0, 0);
    std::uint64_t taken = 0;
    std::uint64_t handed_over = 0;
    const auto take_ready = [&] {
        while (filler.has_ready()) {
            handed_over += filler.front().event_count;
            pool.release(filler.front().buffer);
            filler.pop_front();
        }
    };
    for (auto _ : state) {
        journal::Run run;
        // With this salt the same bytes are events of each sequence that is a multiple of 4096.
        run.first_sequence = taken;
        run.record_salt = EventBytes::kSalt ^ taken;
        run.event_count = events.count();
        run.bytes = events.bytes();
        run.first_publish_time_ns = 1;
        run.max_publish_time_ns = 1;
        while (run.event_count != 0) {
            const auto result = filler.append(run, 1);
            run.first_sequence += result.event_count;
            run.event_count -= result.event_count;
            run.bytes = run.bytes.subspan(result.size_bytes);
            if (result.event_count == 0 && !filler.has_ready()) break;
            take_ready();
        }
        if (run.event_count != 0) {
            state.SkipWithError("events were refused");
            break;
        }
        taken += events.count();
    }
    filler.finish();
    take_ready();
    if (handed_over != taken) state.SkipWithError("events were lost");
    state.SetItemsProcessed(static_cast<std::int64_t>(taken));
}

}  // namespace

void register_benchmarks() {
    auto* const checksums = benchmark::RegisterBenchmark("checksum", checksum);
    auto* const seals = benchmark::RegisterBenchmark("seal", seal);
    auto* const checks = benchmark::RegisterBenchmark("check", check);
    for (const std::int64_t events : kEventCounts) {
        checksums->Arg(events);
        seals->Arg(events);
        checks->Arg(events);
    }
    benchmark::RegisterBenchmark("append", append)->Arg(8)->Arg(64)->Arg(1024);
}

}  // namespace tailrace::micro
