// Keeps a stream's journal from a thread of this process, waits until an event is durable, then
// reads it back. Before: tailrace create trades. Usage: record_and_replay JOURNAL_DIRECTORY
#include "trade.hpp"

#include <tailrace/bus/publisher.hpp>
#include <tailrace/journal/reader.hpp>
#include <tailrace/stream/recorder.hpp>

#include <atomic>
#include <cstdio>
#include <thread>

namespace {

int fail(const tailrace::Error& error) {
    std::fprintf(stderr, "%s\n  try: %s\n", error.message.c_str(), error.hint.c_str());
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string directory = argc > 1 ? argv[1] : "/tmp/trades-journal";
    tailrace::stream::RecorderOptions options;
    options.journal.directory = directory;
    auto recorder = tailrace::stream::Recorder::attach("trades", options);
    if (!recorder) return fail(recorder.error());
    std::atomic<bool> stop{false};
    std::thread journal([&] {
        if (auto recorded = recorder->run(stop); !recorded) fail(recorded.error());
    });

    auto publisher = tailrace::bus::Publisher::attach("trades");
    bool durable = false;
    if (publisher &&
        publisher->publish(Trade{101.25, 10, 7}, kTrade) == tailrace::bus::PublishStatus::ok) {
        const auto waited = publisher->wait_durable(publisher->next_own_sequence(),
                                                    tailrace::bus::Deadline::in_ms(5000));
        durable = waited.has_value();
    }
    stop.store(true, std::memory_order_relaxed);  // a flag that carries nothing
    journal.join();
    if (!publisher) return fail(publisher.error());
    if (!durable) return 1;

    auto reader = tailrace::journal::Reader::open(directory);
    if (!reader) return fail(reader.error());
    for (;;) {
        auto step = reader->next_batch();
        if (!step) return fail(step.error());
        if (step->kind == tailrace::journal::ReadKind::end) return 0;
        if (step->kind == tailrace::journal::ReadKind::gap) continue;
        for (const tailrace::Event& event : step->batch) {
            std::printf("#%llu  %u bytes\n",
                        static_cast<unsigned long long>(event.sequence()),
                        event.size_bytes());
        }
    }
}
