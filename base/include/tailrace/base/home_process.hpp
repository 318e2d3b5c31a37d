// HomeProcess: whether this is still the process in which an object was made.
//
// Told by a generation that every fork changes, not by getpid(): a child that is the first of a new
// pid namespace may have its parent's pid. A thread or a vfork() stays at home. Any thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace tailrace {

// Never 0, and another one in every forked child.
[[nodiscard]] std::uint64_t process_generation() noexcept;

namespace detail {
// In a wiped cell: 0 in a child that hasn't asked for its generation yet. Set by the first call of
// process_generation().
extern std::atomic<std::uint64_t>* generation_word;
}  // namespace detail

class HomeProcess {
public:
    // This process.
    HomeProcess() noexcept : generation_(process_generation()) {}

    [[nodiscard]] bool is_here() const noexcept {
        // Relaxed: another process's value is another one's anyway.
        return generation_ == detail::generation_word->load(std::memory_order_relaxed);
    }

private:
    std::uint64_t generation_;
};

}  // namespace tailrace
