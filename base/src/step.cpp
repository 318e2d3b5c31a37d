#include <tailrace/base/step.hpp>

#ifdef TAILRACE_STEPS

namespace tailrace {

namespace {

struct Hook {
    StepHook call = nullptr;
    void* context = nullptr;
};

Hook& hook() noexcept {
    static Hook the_hook;
    return the_hook;
}

}  // namespace

void set_step_hook(StepHook call, void* context) noexcept {
    hook() = {call, context};
}

void detail::pass_step(const char* step) noexcept {
    if (hook().call != nullptr) hook().call(step, hook().context);
}

}  // namespace tailrace

#endif
