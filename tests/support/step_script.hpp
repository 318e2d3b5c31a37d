// StepScript: what shall happen when this process passes a named step for the n-th time.
//
// Only for programs that link the steps variant of the libraries (support/CMakeLists.txt). One
// script per process at a time, installed before the library is used; a child installs its own
// after the fork.
#pragma once

#include "support/shared_object.hpp"

#include <tailrace/base/step.hpp>

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

namespace tailrace::test {

// Ends this process as if somebody had sent it SIGKILL at this very place.
[[noreturn]] inline void die_here() noexcept {
    ::kill(::getpid(), SIGKILL);
    for (;;)
        ::pause();
}

// A place where a child waits until its parent lets it go on. Lives in a SharedObject.
struct StepPause {
    std::atomic<bool> reached{false};
    std::atomic<bool> may_go_on{false};

    void pause_here() noexcept {
        reached.store(true);
        wait_until([this] { return may_go_on.load(); });
    }
    void wait_until_reached() noexcept {
        wait_until([this] { return reached.load(); });
    }
    void let_go() noexcept { may_go_on.store(true); }
};

class StepScript {
public:
    StepScript() noexcept { set_step_hook(&StepScript::pass, this); }
    StepScript(const StepScript&) = delete;
    StepScript& operator=(const StepScript&) = delete;
    ~StepScript() { set_step_hook(nullptr, nullptr); }

    // `nth` counts from 1, from now on.
    void at(std::string_view step, unsigned nth, std::function<void()> action) {
        actions_.push_back({step, nth, std::move(action)});
    }
    void die_at(std::string_view step, unsigned nth = 1) { at(step, nth, die_here); }
    void pause_at(std::string_view step, StepPause& pause, unsigned nth = 1) {
        at(step, nth, [&pause] { pause.pause_here(); });
    }

private:
    struct Action {
        std::string_view step;
        unsigned passes_left;
        std::function<void()> run;
    };

    static void pass(const char* step, void* context) noexcept {
        for (Action& action : static_cast<StepScript*>(context)->actions_) {
            if (action.passes_left == 0 || action.step != step) continue;
            if (--action.passes_left == 0) action.run();
        }
    }

    std::vector<Action> actions_;
};

}  // namespace tailrace::test
