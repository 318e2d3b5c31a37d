// Fiber: a stack of its own to run on, within one thread. The sanitizers are told about each
// switch. Private to interleaver.cpp.
#pragma once

#include "model/interleaver.hpp"

#include <csetjmp>
#include <cstddef>
#include <ucontext.h>
#include <vector>

#ifdef TAILRACE_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef TAILRACE_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
#endif

namespace tailrace::test {

struct Interleaver::Fiber {
    static constexpr std::size_t kStackBytes = 256 * 1024;

    Fiber() = default;
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;
    ~Fiber() { forget(); }

    // The thread's own stack, as the place to come back to.
    void adopt_thread() {
#ifdef TAILRACE_THREAD_SANITIZER
        tsan_fiber = __tsan_get_current_fiber();
        is_thread = true;
#endif
    }

    // Whatever ran here before is given up, finished or not.
    void prepare(void (*entry)()) {
        forget();
        stack.resize(kStackBytes);
#ifdef TAILRACE_ADDRESS_SANITIZER
        __asan_unpoison_memory_region(stack.data(), stack.size());
#endif
#ifdef TAILRACE_THREAD_SANITIZER
        tsan_fiber = __tsan_create_fiber(0);
#endif
        ::getcontext(&context);
        context.uc_stack.ss_sp = stack.data();
        context.uc_stack.ss_size = stack.size();
        context.uc_link = nullptr;
        ::makecontext(&context, entry, 0);
#if !defined(TAILRACE_ADDRESS_SANITIZER) && !defined(TAILRACE_THREAD_SANITIZER)
        begins = true;
#endif
    }

    // Goes from here to there; returns when somebody goes back.
    void go_to(Fiber& there) {
#ifdef TAILRACE_ADDRESS_SANITIZER
        __sanitizer_start_switch_fiber(&fake_stack, there.bottom(), there.size_bytes());
#endif
#ifdef TAILRACE_THREAD_SANITIZER
        __tsan_switch_to_fiber(there.tsan_fiber, 0);
#endif
        switch_to(there);
        arrive();
    }

#if defined(TAILRACE_ADDRESS_SANITIZER) || defined(TAILRACE_THREAD_SANITIZER)
    void switch_to(Fiber& there) {
        ::swapcontext(&context, &there.context);
    }
#else
    // swapcontext asks the kernel for the signal mask each time, which was three quarters of a
    // model's time. So only the first step on a stack is a context's; all others are jumps. (A
    // sanitizer doesn't bear jumps between stacks.)
    void switch_to(Fiber& there) {
        if (::_setjmp(place) != 0) return;
        if (!there.begins) ::_longjmp(there.place, 1);
        there.begins = false;
        ::setcontext(&there.context);
    }
    ::jmp_buf place{};
    bool begins = false;
#endif

    // First thing on a new fiber, too.
    void arrive() {
#ifdef TAILRACE_ADDRESS_SANITIZER
        const void* from = nullptr;
        std::size_t from_bytes = 0;
        __sanitizer_finish_switch_fiber(fake_stack, &from, &from_bytes);
        if (came_from != nullptr) {
            came_from->thread_bottom = from;
            came_from->thread_bytes = from_bytes;
        }
#endif
    }

    void forget() {
#ifdef TAILRACE_THREAD_SANITIZER
        if (tsan_fiber != nullptr && !is_thread) __tsan_destroy_fiber(tsan_fiber);
        tsan_fiber = nullptr;
#endif
    }

    ucontext_t context{};
    std::vector<std::byte> stack;
#ifdef TAILRACE_ADDRESS_SANITIZER
    [[nodiscard]] const void* bottom() const {
        return stack.empty() ? thread_bottom : stack.data();
    }
    [[nodiscard]] std::size_t size_bytes() const {
        return stack.empty() ? thread_bytes : stack.size();
    }
    void* fake_stack = nullptr;
    const void* thread_bottom = nullptr;
    std::size_t thread_bytes = 0;
    Fiber* came_from = nullptr;  // the scheduler's, whose stack only the sanitizer knows
#endif
#ifdef TAILRACE_THREAD_SANITIZER
    void* tsan_fiber = nullptr;
    bool is_thread = false;
#endif
};

}  // namespace tailrace::test
