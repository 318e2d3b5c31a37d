// StepPilot: steers a replay by lines on stdin, which may be a pipe: nothing is handed out that
// wasn't asked for.
//
//     (empty) n   the next event         g POSITION   go there: start, end, N, +N, -N, @TIME
//     N           the next N events      q            end, as the end of stdin         ?  help
//
// Into a stream an atomic batch is one step. One thread.
#pragma once

#include "chosen_events.hpp"
#include "input_file.hpp"

#include <tailrace/base/position.hpp>
#include <tailrace/stream/replayer.hpp>

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace tailrace::tool {

class StepPilot final : public stream::ReplayPilot {
public:
    // The events outlive it.
    StepPilot(const ChosenEvents& events, InputFile lines) noexcept
        : events_(events),
          lines_(std::move(lines)) {}

    [[nodiscard]] Course course(Sequence next) override;
    void nap(std::uint64_t longest_ns) override;

    // Nothing more comes here: what is asked for next. False: it is over.
    [[nodiscard]] bool ask_at_end(Sequence end);
    // Where to go on, if that was why the replay ended.
    [[nodiscard]] std::optional<Position> take_wish() noexcept {
        return std::exchange(wish_, std::nullopt);
    }
    [[nodiscard]] Sequence next_sequence() const noexcept { return next_; }
    // Of reading stdin.
    [[nodiscard]] const std::optional<Error>& error() const noexcept { return error_; }

private:
    // Reads until something is to be done. False: the replay is to end here.
    [[nodiscard]] bool ask();
    // Whether that was something to do.
    [[nodiscard]] bool obey(std::string_view line);

    const ChosenEvents& events_;
    InputFile lines_;
    std::uint64_t steps_to_ = 0;  // events that may be out
    bool has_ended_ = false;
    std::optional<Position> wish_;
    Sequence next_ = 0;
    std::optional<Error> error_;
};

}  // namespace tailrace::tool
