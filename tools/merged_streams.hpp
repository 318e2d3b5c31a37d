// MergedStreams: several streams or journals on one output, in order of publish time.
//
// What is there already comes in order of its times; what is published meanwhile comes as it is
// seen, so two events that come at nearly the same time may change places. Within a stream the
// order is the stream's. Each line tells its stream: in front, in JSON by its key, in a template by
// %t. Streams may come and go meanwhile. One thread.
#pragma once

#include "arriving_streams.hpp"
#include "event_printer.hpp"
#include "event_tally.hpp"
#include "exit_code.hpp"
#include "idle_rest.hpp"
#include "look_pace.hpp"
#include "pace.hpp"
#include "tail_stream.hpp"

#include <tailrace/base/result.hpp>
#include <tailrace/bus/subscriber.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tailrace::tool {

// The error for a table: its columns are those of one stream.
[[nodiscard]] Result<void> allow_merged_format();

class MergedStreams {
public:
    // The flags outlive it.
    explicit MergedStreams(const TailFlags& flags);

    void add(TailStream stream);
    // Goes on when all have ended, and takes in who comes.
    void welcome(ArrivingStreams arriving) { arriving_ = std::move(arriving); }
    [[nodiscard]] Result<ExitCode> run();

private:
    // An event that has been read and not yet printed, or a gap.
    struct Item {
        std::uint64_t time_ns = 0;
        std::string line;
        CountedEvent event;
        std::optional<TailGap> gap;
    };
    struct Source {
        TailStream stream;
        EventPrinter printer;
        EventTally tally;
        std::deque<Item> items;
        std::uint64_t last_time_ns = 0;
        std::uint64_t dry_since_ns = 0;  // by the wall clock; 0: more may be there
        bool has_ended = false;
    };

    [[nodiscard]] Result<void> read_to_end();
    [[nodiscard]] Result<Source*> next_source();
    [[nodiscard]] Source* earliest() noexcept;
    [[nodiscard]] Result<void> fill(Source& source);
    void take(Source& source, const Event& event);
    void take_gap(Source& source, const TailGap& gap);
    [[nodiscard]] Result<void> heed(Source& source, bus::PollState state);
    void emit(Source& source);
    [[nodiscard]] Result<bool> look(std::uint64_t idle_since_ns);
    void rest();
    void let_go();
    void take_in();
    [[nodiscard]] EventTally tally_of(const std::string& stream);
    [[nodiscard]] bool names_streams() const noexcept;
    void report() const;

    const TailFlags& flags_;
    std::vector<Source> sources_;
    std::vector<EventTally> departed_;  // of streams that have gone
    std::optional<ArrivingStreams> arriving_;
    LookPace looks_;
    IdleRest idle_rest_;
    std::size_t name_width_ = 0;
    EventTally total_;
    Pace pace_;
    std::uint64_t printed_ = 0;
    std::uint64_t lost_events_ = 0;
    bool is_finished_ = false;
};

}  // namespace tailrace::tool
