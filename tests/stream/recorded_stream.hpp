// RecordedStream: a small stream with a journal beside it, and the questions that the tests of
// stream/ ask of both.
#pragma once

#include "support/numbered_event.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_stream.hpp"

#include <tailrace/journal/reader.hpp>
#include <tailrace/stream/recorder.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace tailrace::test {

struct JournaledEvent {
    Sequence sequence;
    std::uint32_t publisher;
    std::uint64_t number;
    friend bool operator==(const JournaledEvent&, const JournaledEvent&) = default;
};

// Everything that a journal holds, read from its first event to its end.
struct JournalContent {
    std::vector<JournaledEvent> events;
    std::vector<journal::Gap> gaps;
    std::uint64_t tombstones = 0;
    std::uint64_t torn = 0;  // events whose bytes are not what their publisher wrote
    Sequence end_sequence = 0;
};

[[nodiscard]] inline JournalContent read_journal(const std::string& directory) {
    JournalContent content;
    auto reader = expect(journal::Reader::open(directory), "open the journal");
    content.end_sequence = reader.first_sequence();
    for (;;) {
        auto step = expect(reader.next_batch(), "read the journal");
        if (step.kind == journal::ReadKind::end) return content;
        if (step.kind == journal::ReadKind::gap) {
            content.gaps.push_back(step.gap);
            content.end_sequence = step.gap.first + step.gap.count;
            continue;
        }
        for (const Event& event : step.batch) {
            content.end_sequence = event.sequence() + 1;
            if (event.is_tombstone()) {
                ++content.tombstones;
                continue;
            }
            const auto numbered = read_numbered(event.payload());
            if (numbered) {
                content.events.push_back({event.sequence(), numbered->publisher, numbered->number});
            } else {
                ++content.torn;
            }
        }
    }
}

// Whether one publisher's events are all there, in order.
[[nodiscard]] inline bool is_numbered_from(const JournalContent& content,
                                           std::uint32_t publisher,
                                           std::uint64_t count) {
    std::uint64_t expected = 0;
    for (const JournaledEvent& event : content.events) {
        if (event.publisher == publisher && event.number != expected++) return false;
    }
    return expected == count;
}

// Whether it begins at 0 and has every publisher's events in order, none missing.
[[nodiscard]] inline bool is_in_order(const JournalContent& content) {
    std::map<std::uint32_t, std::uint64_t> next;
    Sequence expected = 0;
    bool in_order = true;
    for (const JournaledEvent& event : content.events) {
        in_order =
            in_order && event.sequence == expected++ && event.number == next[event.publisher]++;
    }
    return in_order;
}

class RecordedStream {
public:
    explicit RecordedStream(const bus::StreamOptions& options = small_stream())
        : stream_(options) {}

    [[nodiscard]] const TestStream& stream() const noexcept { return stream_; }
    [[nodiscard]] std::string journal_directory() const {
        return stream_.directory() + "/.journal";
    }

    [[nodiscard]] stream::RecorderOptions options() const {
        stream::RecorderOptions options;
        options.journal.directory = journal_directory();
        options.journal.segment_size_bytes = std::uint64_t{1} << 20U;
        options.bus_directory = stream_.directory();
        return options;
    }
    [[nodiscard]] Result<stream::Recorder> try_record() const {
        return stream::Recorder::attach(stream_.name(), options());
    }
    [[nodiscard]] stream::Recorder recorder() const {
        return expect(try_record(), "attach the recorder");
    }

private:
    TestStream stream_;
};

// Publishes `count` numbered events, `first` on; false when one was refused.
[[nodiscard]] inline bool publish_numbered(bus::Publisher& publisher,
                                           std::uint32_t id,
                                           std::uint64_t first,
                                           std::uint64_t count,
                                           bus::Deadline deadline = bus::Deadline::never()) {
    std::array<std::byte, kLargestNumberedBytes> bytes{};
    for (std::uint64_t number = first; number < first + count; ++number) {
        const std::span<std::byte> payload(bytes.data(), numbered_size_bytes(id, number));
        fill_numbered(payload, id, number);
        if (publisher.publish(payload, 1, deadline) != bus::PublishStatus::ok) return false;
    }
    return true;
}

// Publishes numbered events, `first` on, until there is no room. Returns the number of the next.
[[nodiscard]] inline std::uint64_t publish_until_full(bus::Publisher& publisher,
                                                      std::uint32_t id,
                                                      std::uint64_t first = 0) {
    std::uint64_t next = first;
    while (publish_numbered(publisher, id, next, 1, bus::Deadline::at_once()))
        ++next;
    return next;
}

// Steps until everything published so far is durable. False: the recorder failed.
[[nodiscard]] inline bool record_all(stream::Recorder& recorder, const bus::Region& region) {
    constexpr std::uint64_t kTurnNs = 1'000'000;
    while (recorder.status().durable_sequence < region.tail().sequence) {
        if (!recorder.step(kTurnNs)) return false;
    }
    return true;
}

// A recorder that runs in a thread of its own.
class RunningRecorder {
public:
    explicit RunningRecorder(const RecordedStream& recorded)
        : RunningRecorder(recorded, recorded.options()) {}
    RunningRecorder(const RecordedStream& recorded, const stream::RecorderOptions& options)
        : recorder_(expect(stream::Recorder::attach(recorded.stream().name(), options), "record")),
          thread_([this] { outcome_ = recorder_.run(stop_); }) {}
    RunningRecorder(const RunningRecorder&) = delete;
    RunningRecorder& operator=(const RunningRecorder&) = delete;
    ~RunningRecorder() {
        stop_.store(true);
        thread_.join();
    }

private:
    std::atomic<bool> stop_{false};
    Result<void> outcome_;
    stream::Recorder recorder_;
    std::thread thread_;
};

}  // namespace tailrace::test
