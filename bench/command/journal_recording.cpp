#include "journal_recording.hpp"

#include <tailrace/journal/reader.hpp>

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace tailrace::bench {

namespace {

// What the kernel refuses leaves the ordinary one.
void take_priority(RecorderPriority priority) {
    constexpr int kNicest = 19;
    const sched_param none{};
    if (priority == RecorderPriority::nice) ::setpriority(PRIO_PROCESS, 0, kNicest);
    if (priority == RecorderPriority::idle) ::sched_setscheduler(0, SCHED_IDLE, &none);
}

int record_until_stopped(RecordingStage& stage,
                         const BenchStreams& streams,
                         const RecordingOptions& options,
                         const std::string& journal_directory) {
    pin_to_core(options.core);
    take_priority(options.priority);
    stream::RecorderOptions recording;
    recording.journal = options.journal;
    recording.journal.directory = journal_directory;
    recording.bus_directory = streams.directory();
    auto recorder = stream::Recorder::attach(streams.name(0), recording);
    if (!recorder) {
        std::fprintf(stderr, "tailrace: %s\n", recorder.error().message.c_str());
        return 1;
    }
    const std::string_view reason = recorder->writer().durable_write_reason();
    const std::size_t shown = std::min(reason.size(), sizeof(stage.durable_write) - 1);
    std::copy_n(reason.data(), shown, &stage.durable_write[0]);
    // [sync:bench_ready] Release: attached.
    stage.recording.store(true, std::memory_order_release);
    auto outcome = recorder->run(stage.stop);
    if (!outcome) std::fprintf(stderr, "tailrace: %s\n", outcome.error().message.c_str());
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    // Relaxed: read after the process has been waited for.
    stage.voluntary_switches.store(static_cast<std::uint64_t>(usage.ru_nvcsw),
                                   std::memory_order_relaxed);
    stage.involuntary_switches.store(static_cast<std::uint64_t>(usage.ru_nivcsw),
                                     std::memory_order_relaxed);
    return outcome ? 0 : 1;
}

}  // namespace

Recording::Recording(BenchStreams streams, const RecordingOptions& options)
    : streams_(std::move(streams)),
      journal_directory_(options.journal_directory + "/" + streams_.name(0)),
      stage_(std::make_unique<SharedPage<RecordingStage>>()) {
    if (!options.is_recorded) return;
    child_ = BenchChild(
        [&] { return record_until_stopped(**stage_, streams_, options, journal_directory_); });
}

Recording::~Recording() {
    child_ = BenchChild();
    std::error_code ignored;
    if (!journal_directory_.empty()) std::filesystem::remove_all(journal_directory_, ignored);
}

Result<Recording> Recording::start(const RecordingOptions& options) {
    bus::StreamOptions stream;
    stream.capacity_bytes = options.ring_bytes;
    stream.publishing = bus::Publishing::single;
    stream.publish_time = options.publish_time;
    auto streams = BenchStreams::create(1, stream, options.bus_directory);
    if (!streams) return streams.error();
    Recording recording(std::move(*streams), options);
    while (options.is_recorded && !recording.is_recording()) {
        if (recording.child_.has_ended()) return bench_broken("the recorder did not start");
        ::usleep(1000);
    }
    return recording;
}

Result<bus::Publisher> Recording::publisher() const {
    bus::PublisherOptions attaching;
    attaching.directory = streams_.directory();
    return bus::Publisher::attach(streams_.name(0), attaching);
}

bool Recording::stop() noexcept {
    // Relaxed: a flag that carries nothing.
    (*stage_)->stop.store(true, std::memory_order_relaxed);
    return child_.join();
}

bool Recording::is_recording() const noexcept {
    // [sync:bench_ready] Acquire: the recorder has its place in the ring.
    return (*stage_)->recording.load(std::memory_order_acquire);
}

Result<void> publish_numbers(bus::Publisher& publisher,
                             std::uint64_t first,
                             std::uint64_t count,
                             std::uint32_t size_bytes) {
    for (std::uint64_t number = first; number < first + count; ++number) {
        bus::Claim claim;
        auto status = publisher.try_claim(claim, size_bytes);
        if (status == bus::PublishStatus::would_block)
            status = publisher.claim(claim, size_bytes, 0, bus::Deadline::in_ms(kStallMs));
        if (status != bus::PublishStatus::ok)
            return bench_broken("the recorder stopped taking events");
        fill_words(claim.payload, number);
        publisher.commit(claim);
    }
    return {};
}

Result<void> check_content(Recording& recording, std::uint64_t events) {
    if (!recording.stop()) return bench_broken("the recorder failed");
    auto found = read_back(recording.journal_directory());
    if (!found) return found.error();
    if (*found != events) return bench_broken("the journal lacks events");
    return {};
}

Result<std::uint64_t> read_back(const std::string& directory) {
    auto reader = journal::Reader::open(directory);
    if (!reader) return reader.error();
    std::uint64_t events = 0;
    for (;;) {
        auto step = reader->next_batch();
        if (!step) return step.error();
        if (step->kind == journal::ReadKind::gap) return bench_broken("the journal has a gap");
        if (step->kind == journal::ReadKind::end) return events;
        for (const Event& event : step->batch) {
            if (!words_match(event.payload(), event.sequence()))
                return bench_broken("the journal holds other bytes");
        }
        events += step->batch.event_count;
    }
}

}  // namespace tailrace::bench
