// What a benchmark knows about its machine: cores, pinning, time, and a page to talk to its child
// processes.
#pragma once

#include <tailrace/base/result.hpp>

#include <cstddef>
#include <cstdint>
#include <new>
#include <string>

namespace tailrace::bench {

// Cores this process may use.
[[nodiscard]] int core_count() noexcept;
// Pins the calling thread to core `index` modulo core_count(). False when the kernel refuses.
bool pin_to_core(int index) noexcept;
// Lets the calling thread, and those that it makes, run on all of core_count() again.
void unpin() noexcept;

// "AMD EPYC …, 2 cores, Linux 6.18.44".
[[nodiscard]] std::string machine_description();

// Ticks of the cheapest clock, and their length. Without an invariant TSC: nanoseconds.
[[nodiscard]] std::uint64_t read_ticks() noexcept;
// Measures for about 20 ms, once.
[[nodiscard]] double ns_per_tick() noexcept;

// Anonymous memory shared with children that are forked later. Zeroed.
[[nodiscard]] void* allocate_shared(std::size_t size_bytes);
void release_shared(void* memory, std::size_t size_bytes) noexcept;

// One T in such memory.
template <typename T>
class SharedPage {
public:
    SharedPage() : value_(new (allocate_shared(sizeof(T))) T{}) {}
    SharedPage(const SharedPage&) = delete;
    SharedPage& operator=(const SharedPage&) = delete;
    ~SharedPage() { release_shared(value_, sizeof(T)); }

    [[nodiscard]] T* operator->() const noexcept { return value_; }
    [[nodiscard]] T& operator*() const noexcept { return *value_; }

private:
    T* value_;
};

// A child process that is killed when this object goes, so that no benchmark leaves one spinning.
class BenchChild {
public:
    BenchChild() noexcept = default;
    // Runs `body` in a fork and ends the child with its return value.
    template <typename Body>
    explicit BenchChild(Body&& body) : pid_(fork_child()) {
        if (pid_ == 0) exit_child(body());
    }
    BenchChild(BenchChild&& other) noexcept;
    BenchChild& operator=(BenchChild&& other) noexcept;
    BenchChild(const BenchChild&) = delete;
    BenchChild& operator=(const BenchChild&) = delete;
    ~BenchChild();

    // Whether it has ended by itself, and how.
    [[nodiscard]] bool has_ended() noexcept;
    // Sends SIGKILL and doesn't wait for the end.
    void kill() noexcept;
    // Waits for it. True: it ended with 0.
    [[nodiscard]] bool join() noexcept;

private:
    static int fork_child();
    [[noreturn]] static void exit_child(int code) noexcept;

    int pid_ = -1;
    bool ended_ = false;
    int status_ = 0;
};

}  // namespace tailrace::bench
