// KeyPilot: steers a replay by the keys of the terminal, and shows there where it is.
//
//     space  stop and go on         + >  twice as fast      0  as it was recorded
//     n      one event, stopped     - <  half as fast       m  as fast as it goes      q  end
//
// One thread.
#pragma once

#include "chosen_events.hpp"
#include "keyboard.hpp"

#include <tailrace/stream/replayer.hpp>

#include <cstdint>
#include <string>

namespace tailrace::tool {

class KeyPilot final : public stream::ReplayPilot {
public:
    // Requires: Keyboard::is_there(). The events outlive it.
    KeyPilot(const ChosenEvents& events, std::string what, double speed) noexcept;
    // Clears the status line.
    ~KeyPilot() override;

    [[nodiscard]] Course course(Sequence next) override;
    void nap(std::uint64_t longest_ns) override;

    // "1x", or that it was changed.
    [[nodiscard]] std::string pace_text() const;

private:
    void look(std::uint64_t now_ns);
    void press(char key);
    void set_speed(double speed) noexcept;
    void show(std::uint64_t now_ns);

    const ChosenEvents& events_;
    Keyboard keyboard_;
    std::string what_;
    double speed_;
    double paced_speed_;  // the last one that wasn't full
    bool has_changed_ = false;
    bool is_held_ = false;
    bool has_ended_ = false;
    std::uint64_t steps_to_ = 0;  // held: until so many events are out
    Sequence next_ = 0;
    std::uint64_t next_look_ns_ = 0;
    std::uint64_t next_shown_ns_ = 0;
    std::string shown_;
    std::uint64_t next_anew_ns_ = 0;
};

}  // namespace tailrace::tool
