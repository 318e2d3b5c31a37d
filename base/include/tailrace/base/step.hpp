// Steps: named places in the protocol where a test may kill, stop or reschedule.
//
// TAILRACE_STEP("publisher.intent_noted") is nothing at all, unless the sources are compiled with
// TAILRACE_STEPS. Then it calls the hook that a test has set, with the step's name. A step stands
// wherever a death or a change of schedule there would be a case of its own: between two stores to
// shared memory, mostly. Names are "noun.what_has_just_happened". Any thread; the hook is one per
// process.
#pragma once

#ifdef TAILRACE_STEPS

namespace tailrace {

// Called on the thread that passes the step. `context` is what set_step_hook was given.
using StepHook = void (*)(const char* step, void* context) noexcept;

// Requires: no other thread is in the library. A null hook: steps pass without a word.
void set_step_hook(StepHook hook, void* context) noexcept;

namespace detail {
void pass_step(const char* step) noexcept;
}  // namespace detail

}  // namespace tailrace

#define TAILRACE_STEP(step) ::tailrace::detail::pass_step(step)

#else

#define TAILRACE_STEP(step) static_cast<void>(0)

#endif
