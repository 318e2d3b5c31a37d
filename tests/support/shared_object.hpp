// SharedObject: one object in anonymous memory that this process shares with the children it forks
// from now on. Members that parent and child both touch are atomics. Also wait_until, the one way
// in which tests wait.
#pragma once

#include <sched.h>
#include <sys/mman.h>

#include <cstdlib>
#include <new>

namespace tailrace::test {

template <typename T>
class SharedObject {
public:
    SharedObject() {
        void* const memory = ::mmap(nullptr,
                                    sizeof(T),
                                    PROT_READ | PROT_WRITE,
                                    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
                                    -1,
                                    0);
        if (memory == MAP_FAILED) std::abort();
        object_ =
            new (memory) T;  // not T{}: fresh pages are zero, and large ones need not be touched
    }
    SharedObject(const SharedObject&) = delete;
    SharedObject& operator=(const SharedObject&) = delete;
    ~SharedObject() { ::munmap(object_, sizeof(T)); }

    [[nodiscard]] T& operator*() const noexcept { return *object_; }
    [[nodiscard]] T* operator->() const noexcept { return object_; }

private:
    T* object_;
};

// Waits for the condition itself. Requires: a Watchdog in the parent, in case it never comes.
template <typename Condition>
void wait_until(Condition&& condition) {
    while (!condition())
        ::sched_yield();
}

}  // namespace tailrace::test
