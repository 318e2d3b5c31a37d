// Cursor: what it costs a reader to note how far it has come. Commit: that alone. Read: an event
// that is published and read by a reader that notes nothing, each poll or each event.

#include "benchmarks.hpp"
#include "ring_events.hpp"

#include <tailrace/bus/cursor.hpp>
#include <tailrace/stream/stream_reader.hpp>

namespace tailrace::micro {

namespace {

void commit(benchmark::State& state) {
    const test::TestStream stream(kPlainWriting.options());
    auto cursor = test::expect(bus::Cursor::take(stream.open(), "bench", Sequence{0}), "take");
    Sequence sequence = 0;
    for (auto _ : state) {
        if (!cursor.commit(++sequence)) {
            state.SkipWithError("a commit was refused");
            break;
        }
    }
    if (cursor.sequence() != sequence) state.SkipWithError("the cursor stands elsewhere");
    state.SetItemsProcessed(state.iterations());
}

enum class Noting : std::uint8_t { nothing, polls, events };

void read(benchmark::State& state, Noting noting) {
    constexpr std::uint64_t kEventsPerRound = 64;
    const test::TestStream stream(kPlainWriting.options());
    auto publisher = stream.publisher();
    stream::StreamReaderOptions options;
    options.policy = bus::SlowPolicy::gate;
    options.from = Position::start();
    options.bus_directory = stream.directory();
    if (noting != Noting::nothing) {
        options.cursor = "bench";
        options.new_cursor_at = Position::start();
        options.commit =
            noting == Noting::events ? stream::CommitMode::per_event : stream::CommitMode::per_poll;
    }
    auto reader = test::expect(stream::StreamReader::attach(stream.name(), options), "attach");
    std::uint64_t number = 0;
    std::uint64_t sum = 0;
    const auto add = [&](const Event& event) noexcept {
        sum += event.as<std::uint64_t>();
    };
    for (auto _ : state) {
        for (std::uint64_t event = 0; event < kEventsPerRound; ++event, ++number) {
            if (publisher.try_publish(number) != bus::PublishStatus::ok) {
                state.SkipWithError("no room in the ring");
                return;
            }
        }
        static_cast<void>(reader.poll(add, kEventsPerRound));
    }
    const bool is_noted = noting == Noting::nothing || reader.committed_sequence() == number;
    if (!is_noted || sum != number * (number - 1) / 2)
        state.SkipWithError("events were lost, or are not noted");
    state.SetItemsProcessed(static_cast<std::int64_t>(number));
}

}  // namespace

void register_benchmarks() {
    benchmark::RegisterBenchmark("commit", commit);
    benchmark::RegisterBenchmark("read/without", read, Noting::nothing);
    benchmark::RegisterBenchmark("read/each_poll", read, Noting::polls);
    benchmark::RegisterBenchmark("read/each_event", read, Noting::events);
}

}  // namespace tailrace::micro
