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
#include <vector>

namespace tailrace::stream {

// Who steers a replay while it runs. Called from the thread that replays.
class ReplayPilot {
public:
    enum class Turn : std::uint8_t {
        go,    // hand it out when it is due
        hold,  // not yet; ask again
        step,  // hand it out now; the next one is due behind it
        end,   // the replay is over. What isn't whole of an atomic batch isn't published
    };
    struct Course {
        Turn turn = Turn::go;
        double speed = 1.0;  // as ReplayOptions::speed, which counts no more
    };

    ReplayPilot() = default;
    ReplayPilot(const ReplayPilot&) = delete;
    ReplayPilot& operator=(const ReplayPilot&) = delete;
    virtual ~ReplayPilot() = default;
    // Asked before the event `next` is handed out, and again after each nap while it isn't; also
    // while there is none yet (ReplayOptions::follow), or no room for it in the stream. After a
    // hold or another speed the schedule starts anew: what is left of the pause stays or is scaled,
    // and none of that counts as late.
    [[nodiscard]] virtual Course course(Sequence next) = 0;
    // Passes the time, at most so much; ends sooner when the course may be another.
    virtual void nap(std::uint64_t longest_ns) = 0;
};

struct ReplayOptions {
    // 1: original pace, 10: ten times as fast; 0: no pauses.
    double speed = 1.0;
    ReplayPilot* pilot = nullptr;         // nobody steers
    std::optional<Sequence> to_sequence;  // exclusive
    // Exclusive: ends before the first event at which the running maximum of publish times reaches
    // it, which is where Reader::seek_time finds it. So ranges by time that meet share no event and
    // leave none out, whatever the clocks did.
    std::optional<std::uint64_t> to_time_ns;
    std::uint64_t longest_pause_ns = UINT64_MAX;  // idle times are cut down to this
    bool follow = false;                          // at the end, wait for more instead of stopping
};

// How long after it was due an event was handed out. Percentiles are the ends of their buckets: up
// to an eighth more.
struct PaceReport {
    std::uint64_t events = 0;  // that had a due time
    std::uint64_t p50_ns = 0;
    std::uint64_t p99_ns = 0;
    std::uint64_t max_ns = 0;
};

struct ReplayReport {
    std::uint64_t events = 0;          // handed out
    std::uint64_t bytes = 0;           // of payload
    std::uint64_t lost_events = 0;     // in gaps of the journal
    std::uint64_t damaged_events = 0;  // of these, journaled once and lost to damage
    Sequence first_sequence = kNoSequence;
    Sequence next_sequence = 0;
    std::uint64_t elapsed_ns = 0;
    PaceReport pace{};
    // Of publish times, as far as they aren't ahead of the recorder's clock; 0: the events carry
    // none.
    std::uint64_t first_time_ns = 0;
    std::uint64_t last_time_ns = 0;
    bool stopped = false;  // by `stop`, by the pilot or by the sink
};

enum class SinkAnswer : std::uint8_t {
    more,     // taken; the next one, please
    enough,   // taken, and it was the last one that is wanted
    refused,  // not taken: the replay ends before it
};

// What receives a replay. Events of an atomic batch come one after the other, all but the last with
// kBatchContinues; a range may begin or end within one.
class ReplaySink {
public:
    ReplaySink() = default;
    ReplaySink(const ReplaySink&) = delete;
    ReplaySink& operator=(const ReplaySink&) = delete;
    virtual ~ReplaySink() = default;
    [[nodiscard]] virtual Result<SinkAnswer> on_event(const Event& event) = 0;
    // False: the replay ends behind it.
    [[nodiscard]] virtual Result<bool> on_gap(journal::Gap gap) = 0;
    // All that is there was handed over; with ReplayOptions::follow more is waited for.
    virtual void on_idle() {}
    // The replay has come to its end, or the sink has stopped it. Not called when `stop` was set or
    // the pilot ended it, nor after an error.
    [[nodiscard]] virtual Result<void> on_end() { return {}; }
};

// What becomes of an event's times when it is published again.
enum class ReplayTimes : std::uint8_t {
    original,  // its event time stays; where it had none, it is its original publish time
    renewed,   // it has no event time; the stream's publish time alone says when it came
};

// Publishes every event into a stream, with its type, key and event time. Waits for room. What was
// one atomic batch becomes one: it is published when its last event has come, or when nothing more
// of it can come, since the range or the journal ends there or a gap follows. Gaps are not
// publishable; on_gap says where one would stand.
//
// Under an identity a replay that is killed and begun again publishes each event once:
//
//     options.identity = replay_identity("rehearsal", reader);
//     auto publisher = bus::Publisher::attach("copy", options);
//     reader.seek_sequence(publisher->last_published());  // what it may still publish begins here
//     StreamSink sink(std::move(*publisher));
//     sink.number_events();
class StreamSink final : public ReplaySink {
public:
    explicit StreamSink(bus::Publisher publisher) noexcept : publisher_(std::move(publisher)) {}
    [[nodiscard]] Result<SinkAnswer> on_event(const Event& event) override;
    [[nodiscard]] Result<bool> on_gap(journal::Gap gap) override;
    [[nodiscard]] Result<void> on_end() override;
    void set_times(ReplayTimes times) noexcept { times_ = times; }
    // An event's number under the publisher's identity is its sequence in the journal, + 1: what it
    // has published already is dropped and counted. Requires: the publisher has an identity.
    void number_events() noexcept { numbers_events_ = true; }
    // Event times are so much later from here on: for journals that are replayed again and again.
    void shift_times(std::uint64_t shift_ns) noexcept { shift_ns_ = shift_ns; }
    // An event that isn't passed on; it may be the last one of a batch.
    [[nodiscard]] Result<SinkAnswer> pass_over(const Event& event);
    // Set from another thread or a signal handler's flag: a wait for room gives up. So it does when
    // the pilot ends the replay.
    void stop_when(const std::atomic<bool>* stop, ReplayPilot* pilot = nullptr) noexcept {
        stop_ = stop;
        pilot_ = pilot;
    }
    // Events that are in the stream now. What was handed over of a batch that isn't whole is not.
    [[nodiscard]] std::uint64_t published_events() const noexcept { return published_events_; }
    // That were dropped, since they had been published under this identity.
    [[nodiscard]] std::uint64_t known_events() const noexcept { return known_events_; }
    // The sequence in the stream of the next one, if nobody else publishes there.
    [[nodiscard]] Sequence next_sequence() const noexcept;

private:
    [[nodiscard]] bus::EventFields fields_of(const Event& event) const noexcept;
    [[nodiscard]] Result<void> keep(const Event& event);
    [[nodiscard]] Result<bool> publish_kept();
    [[nodiscard]] bool is_told_to_stop(Sequence next) const;
    template <typename Publish>
    [[nodiscard]] Result<bool> wait_for_room(Publish&& publish,
                                             Sequence first,
                                             std::uint64_t count,
                                             std::uint64_t size_bytes);

    struct Kept {
        std::size_t offset;
        std::size_t size_bytes;
        bus::EventFields fields;
    };

    bus::Publisher publisher_;
    const std::atomic<bool>* stop_ = nullptr;
    ReplayPilot* pilot_ = nullptr;
    ReplayTimes times_ = ReplayTimes::original;
    bool numbers_events_ = false;
    std::uint64_t shift_ns_ = 0;
    std::uint64_t published_events_ = 0;
    std::uint64_t known_events_ = 0;
    Sequence first_kept_ = kNoSequence;  // the batch that isn't whole yet
    std::vector<Kept> kept_;
    std::vector<std::byte> kept_bytes_;
};

// The identity under which `name` publishes what it replays from this journal: the name, and which
// journal it is, since the numbers are sequences of that one. A copy by backup is the same journal,
// one that was begun anew is another.
[[nodiscard]] std::string replay_identity(const std::string& name, const journal::Reader& journal);

// Replays from where the reader stands. Errors: of the journal (`corrupt` with its range) or of the
// sink.
[[nodiscard]] Result<ReplayReport> replay(journal::Reader& reader,
                                          ReplaySink& sink,
                                          const ReplayOptions& options,
                                          const std::atomic<bool>& stop);

}  // namespace tailrace::stream
