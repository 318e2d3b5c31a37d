// Question: how late is an event of a replay at 10,000 events a second?
//
// Load: one thread on a core that is otherwise idle. Doesn't show: a stream that it is published
// into and that has no room.

#include "replay_pace.hpp"

#include "bench_runs.hpp"
#include "machine.hpp"
#include "samples.hpp"
#include "scratch_directory.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/event.hpp>
#include <tailrace/bus/wait.hpp>
#include <tailrace/journal/writer.hpp>
#include <tailrace/stream/replayer.hpp>

#include <atomic>
#include <cstring>
#include <vector>

namespace tailrace::bench {

namespace {

constexpr std::uint64_t kApartNs = 100'000;
constexpr std::uint64_t kFirstNs = 1'700'000'000'000'000'000;
constexpr std::uint32_t kPacedBytes = 64;
constexpr std::uint64_t kPacedSalt = 1;
constexpr std::uint64_t kWriteNs = 10'000'000'000;

constexpr std::uint64_t due_time_of(std::uint64_t number) {
    return kFirstNs + number * kApartNs;
}

// With its publish time and its number, as it stands in a ring.
std::vector<std::byte> paced_event(std::uint64_t number) {
    const std::uint64_t time_ns = due_time_of(number);
    std::vector<std::byte> bytes(event_size_bytes(
        kPacedBytes, sizeof(time_ns) / sizeof(std::uint64_t), kEventAlignmentBytes));
    const EventHeader header{stamp_of(number, kPacedSalt), kPacedBytes, 0, kHasPublishTime, 1};
    std::memcpy(bytes.data(), &header, sizeof(header));
    std::memcpy(bytes.data() + sizeof(header), &time_ns, sizeof(time_ns));
    fill_words({bytes.data() + sizeof(header) + sizeof(time_ns), kPacedBytes}, number);
    return bytes;
}

Result<void> write_paced(const std::string& directory, std::uint64_t events) {
    journal::JournalOptions options;
    options.directory = directory;
    auto writer = journal::Writer::open(options);
    if (!writer) return writer.error();
    for (std::uint64_t number = 0; number < events; ++number) {
        const auto bytes = paced_event(number);
        const journal::Run run{
            number, 1, bytes, kPacedSalt, due_time_of(number), due_time_of(number)};
        while (true) {
            const auto status = writer->append(run).status;
            if (status == journal::AppendStatus::taken) break;
            if (status != journal::AppendStatus::full)
                return bench_broken("the writer refused an event");
            writer->drive(kWriteNs);
        }
    }
    if (auto durable = writer->sync(kWriteNs); !durable) return durable.error();
    return writer->close();
}

class ComparingSink final : public stream::ReplaySink {
public:
    [[nodiscard]] Result<stream::SinkAnswer> on_event(const Event& event) override {
        if (!words_match(event.payload(), events_++)) return bench_broken("an event has changed");
        return stream::SinkAnswer::more;
    }
    [[nodiscard]] Result<bool> on_gap(journal::Gap) override {
        return bench_broken("the journal lacks events");
    }
    [[nodiscard]] std::uint64_t events() const noexcept { return events_; }

private:
    std::uint64_t events_ = 0;
};

Result<double> replay_late_ns(const std::string& directory, std::uint64_t events) {
    auto reader = journal::Reader::open(directory);
    if (!reader) return reader.error();
    ComparingSink sink;
    const std::atomic<bool> stop = false;
    auto report = stream::replay(*reader, sink, {}, stop);
    if (!report) return report.error();
    if (sink.events() != events) return bench_broken("the replay ended early");
    return static_cast<double>(report->pace.p99_ns);
}

double idle_loop_late_ns(std::uint64_t events) {
    Samples late;
    late.reserve(events);
    const std::uint64_t begin_ns = monotonic_ns();
    for (std::uint64_t number = 1; number <= events; ++number) {
        const std::uint64_t due_ns = begin_ns + number * kApartNs;
        std::uint64_t now_ns = monotonic_ns();
        for (; now_ns < due_ns; now_ns = monotonic_ns())
            bus::cpu_relax();
        late.add(now_ns - due_ns);
    }
    late.sort();
    return late.percentile_ns(0.99, 1);
}

}  // namespace

Result<ReplayLateness> run_replay_pace(const SlidingOptions& options) {
    const ScratchDirectory journal(options.journal_directory, "pace");
    if (auto written = write_paced(journal.path(), options.events); !written)
        return written.error();
    pin_to_core(1);
    const double idle_loop_ns = idle_loop_late_ns(options.events);
    auto replayed_ns = replay_late_ns(journal.path(), options.events);
    if (!replayed_ns) return replayed_ns.error();
    return ReplayLateness{*replayed_ns, idle_loop_ns};
}

}  // namespace tailrace::bench
