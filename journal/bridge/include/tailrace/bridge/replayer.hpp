// Replayer: gives the events of a journal again, at their own pace, faster, or as fast as possible.
//
// One thread. Reads beside a running recorder. The pace follows publish times: an event is due when
// (its time - the first event's time) / speed has passed; times that go back are due at once.
#pragma once

#include <tailrace/base/event.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/bus/publisher.hpp>
#include <tailrace/journal/reader.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace tailrace::bridge {

struct ReplayOptions {
    // 1: original pace, 10: ten times as fast; 0: no pauses.
    double speed = 1.0;
    std::optional<Sequence> to_sequence;          // exclusive
    std::optional<std::uint64_t> to_time_ns;      // exclusive
    std::uint64_t longest_pause_ns = UINT64_MAX;  // idle times are cut down to this
    bool follow = false;                          // at the end, wait for more instead of stopping
};

struct ReplayReport {
    std::uint64_t events = 0;          // handed out
    std::uint64_t bytes = 0;           // of payload
    std::uint64_t lost_events = 0;     // in gaps of the journal
    std::uint64_t damaged_events = 0;  // of these, journaled once and lost to damage
    Sequence first_sequence = kNoSequence;
    Sequence next_sequence = 0;
    std::uint64_t elapsed_ns = 0;
    std::uint64_t latest_ns = 0;  // how late the latest event was handed out
    bool stopped = false;         // by `stop` or by the sink
};

// What receives a replay. Both return false to stop it.
class ReplaySink {
public:
    ReplaySink() = default;
    ReplaySink(const ReplaySink&) = delete;
    ReplaySink& operator=(const ReplaySink&) = delete;
    virtual ~ReplaySink() = default;
    [[nodiscard]] virtual Result<bool> on_event(const Event& event) = 0;
    [[nodiscard]] virtual Result<bool> on_gap(journal::Gap gap) = 0;
};

// Publishes every event into a stream, with its type, key and event time (its original publish time
// where it had no event time). Waits for room. Gaps are not publishable; they are counted in the
// report.
class StreamSink final : public ReplaySink {
public:
    explicit StreamSink(bus::Publisher publisher) noexcept : publisher_(std::move(publisher)) {}
    [[nodiscard]] Result<bool> on_event(const Event& event) override;
    [[nodiscard]] Result<bool> on_gap(journal::Gap gap) override;
    // Set from another thread or a signal handler's flag: a wait for room gives up.
    void stop_when(const std::atomic<bool>* stop) noexcept { stop_ = stop; }

private:
    bus::Publisher publisher_;
    const std::atomic<bool>* stop_ = nullptr;
};

// Replays from where the reader stands. Errors: of the journal (`corrupt` with its range) or of the
// sink.
[[nodiscard]] Result<ReplayReport> replay(journal::Reader& reader,
                                          ReplaySink& sink,
                                          const ReplayOptions& options,
                                          const std::atomic<bool>& stop);

}  // namespace tailrace::bridge
