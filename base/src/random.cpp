#include <tailrace/base/checksum.hpp>
#include <tailrace/base/clock.hpp>
#include <tailrace/base/random.hpp>
#include <tailrace/base/unique_fd.hpp>

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>

namespace tailrace {

namespace {

// Eight bytes are never cut short.
bool ask_kernel(std::uint64_t& word) noexcept {
    for (;;) {
        if (::getrandom(&word, sizeof(word), 0) == static_cast<ssize_t>(sizeof(word))) return true;
        if (errno != EINTR) return false;
    }
}

bool read_device(std::uint64_t& word) noexcept {
    const UniqueFd fd(::open("/dev/urandom", O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!fd.is_open()) return false;
    return ::read(fd.get(), &word, sizeof(word)) == static_cast<ssize_t>(sizeof(word));
}

std::uint64_t mix_what_is_known() noexcept {
    static std::atomic<std::uint64_t> counter{0};
    struct {
        std::array<std::byte, 16> given;  // by the kernel, to each program that it starts
        std::uint64_t wall_ns;
        std::uint64_t monotonic_ns;
        std::uint64_t counter;
        std::uint64_t pid;
    } known{};
    const unsigned long address = ::getauxval(AT_RANDOM);
    if (address != 0) {
        std::memcpy(known.given.data(), std::bit_cast<const void*>(address), known.given.size());
    }
    known.wall_ns = wall_clock_ns();
    known.monotonic_ns = monotonic_ns();
    // Relaxed: only its own order counts.
    known.counter = counter.fetch_add(1, std::memory_order_relaxed);
    known.pid = static_cast<std::uint64_t>(::getpid());
    return checksum64(std::as_bytes(std::span(&known, 1)), known.counter);
}

}  // namespace

std::uint64_t random_word() noexcept {
    std::uint64_t word = 0;
    if (ask_kernel(word) || read_device(word)) return word;
    return mix_what_is_known();
}

}  // namespace tailrace
