#include <tailrace/base/check.hpp>
#include <tailrace/base/home_process.hpp>
#include <tailrace/base/wiped_cell.hpp>

#include <atomic>
#include <new>

namespace tailrace {

namespace {

std::atomic<std::uint64_t>* make_generation_word() noexcept {
    void* const cell = take_wiped_cell();
    TAILRACE_CHECK(cell != nullptr);
    return new (cell) std::atomic<std::uint64_t>(0);
}

// In common memory: a child goes on counting where its parent stood.
std::atomic<std::uint64_t> last_generation{0};

}  // namespace

constinit std::atomic<std::uint64_t>* detail::generation_word = nullptr;

std::uint64_t process_generation() noexcept {
    static std::atomic<std::uint64_t>& word = *(detail::generation_word = make_generation_word());
    // Relaxed, all: a number that nothing else hangs on; the threads of a process agree on it by
    // the swap.
    std::uint64_t generation = word.load(std::memory_order_relaxed);
    if (generation != 0) return generation;
    const std::uint64_t next = last_generation.fetch_add(1, std::memory_order_relaxed) + 1;
    if (word.compare_exchange_strong(
            generation, next, std::memory_order_relaxed, std::memory_order_relaxed)) {
        return next;
    }
    return generation;
}

}  // namespace tailrace
