// Tailrace's own journal: a publisher in this process, the recorder in another one.
#include "store_run.hpp"

#include <tailrace/bus/publisher.hpp>

#include <journal_recording.hpp>
#include <memory>

namespace tailrace::bench {

namespace {

class JournalStore {
public:
    static Result<std::unique_ptr<JournalStore>> open(const StoreRun& run) {
        RecordingOptions options;
        options.bus_directory = run.bus_directory;
        options.journal_directory = run.directory;
        auto recording = Recording::start(options);
        if (!recording) return recording.error();
        auto publisher = recording->publisher();
        if (!publisher) return publisher.error();
        return std::unique_ptr<JournalStore>(
            new JournalStore(std::move(*recording), std::move(*publisher), run.size_bytes));
    }

    Result<void> append(std::uint64_t first, std::uint64_t count) {
        if (auto done = publish_numbers(publisher_, first, count, size_bytes_); !done) return done;
        return publisher_.wait_durable(publisher_.next_own_sequence(),
                                       bus::Deadline::in_ms(kStallMs));
    }

    Result<std::uint64_t> read_back() {
        if (!recording_.stop()) return bench_broken("the recorder failed");
        return bench::read_back(recording_.journal_directory());
    }

private:
    JournalStore(Recording recording, bus::Publisher publisher, std::uint32_t size_bytes)
        : recording_(std::move(recording)),
          publisher_(std::move(publisher)),
          size_bytes_(size_bytes) {}

    Recording recording_;
    bus::Publisher publisher_;
    std::uint32_t size_bytes_;
};

}  // namespace

StorePeer journal_store() {
    return {"Tailrace journal",
            TAILRACE_VERSION,
            "ring of 16 MiB, recorder on the other core, as `record` sets it",
            measure_store<JournalStore>};
}

}  // namespace tailrace::bench
