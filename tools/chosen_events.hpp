// ChosenEvents: the events of a replay that are wanted, printed on stdout or passed on into a
// stream, counted, and its gaps. One thread.
#pragma once

#include "event_printer.hpp"
#include "event_tally.hpp"
#include "progress.hpp"
#include "replay_flags.hpp"

#include <tailrace/bus/event_filter.hpp>
#include <tailrace/stream/replayer.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::tool {

// What the journal doesn't have, and before which event of the stream it would stand.
struct GapBefore {
    journal::Gap gap;
    Sequence before;
};

[[nodiscard]] std::string_view kind_of(const journal::Gap& gap) noexcept;

class ChosenEvents final : public stream::ReplaySink {
public:
    // The flags outlive it. `total` is what its progress is measured by.
    ChosenEvents(const ReplayFlags& flags,
                 const std::string& stream,
                 std::shared_ptr<TypedView> view,
                 std::uint64_t total);

    // Before the first event: what stands above all.
    void begin() {
        if (!tally_ && target_ == nullptr) printer_.begin();
    }
    void pass_on_to(stream::StreamSink* target) noexcept { target_ = target; }
    // Somebody else has the status line.
    void hide_progress() noexcept { progress_.reset(); }
    // Printed, or in the stream.
    [[nodiscard]] std::uint64_t events() const noexcept {
        return target_ != nullptr ? target_->published_events() : events_;
    }
    [[nodiscard]] const std::vector<GapBefore>& gaps() const noexcept { return gaps_; }
    // With --count-only: what was counted.
    void report_counts() const {
        if (tally_) tally_->report();
    }
    // As many as were asked for have been handed over.
    [[nodiscard]] bool is_finished() const noexcept {
        return flags_.count && events_ >= *flags_.count;
    }

    [[nodiscard]] Result<stream::SinkAnswer> on_event(const Event& event) override;
    [[nodiscard]] Result<bool> on_gap(journal::Gap gap) override;
    void on_idle() override { out().flush(); }
    [[nodiscard]] Result<void> on_end() override {
        return target_ != nullptr ? target_->on_end() : Result<void>();
    }

private:
    const ReplayFlags& flags_;
    bus::EventFilter filter_;
    std::shared_ptr<TypedView> view_;
    EventPrinter printer_;
    std::optional<EventTally> tally_;
    std::optional<Progress> progress_;
    stream::StreamSink* target_ = nullptr;
    std::uint64_t events_ = 0;
    std::vector<GapBefore> gaps_;
};

}  // namespace tailrace::tool
