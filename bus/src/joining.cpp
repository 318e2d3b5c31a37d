#include "joining.hpp"

#include <tailrace/base/step.hpp>
#include <tailrace/bus/deadline.hpp>
#include <tailrace/bus/wait.hpp>

#include <ctime>

namespace tailrace::bus {

namespace {

// Between asking and the answer lie some hundred instructions, unless the publisher is set aside
// for as long as its core is wanted by others.
constexpr int kLooksBeforeAnswerNap = 256;
constexpr long kAnswerNapNs = 50'000;
constexpr std::uint64_t kAnswerTimeoutNs = 500'000'000;

bool await_answer(const Region& region, std::uint32_t index, std::uint64_t asked) noexcept {
    const PublisherSlot& slot = region.publisher_slot(index);
    const Deadline deadline = Deadline::in_ns(kAnswerTimeoutNs);
    for (int look = 1;; ++look) {
        // [sync:write_limit_raised] Acquire: the limit was raised before, by what was granted.
        if (slot.room_asked.load(std::memory_order_acquire) != asked) return true;
        TAILRACE_STEP("subscriber.answer_awaited");
        if (look < kLooksBeforeAnswerNap) {
            cpu_relax();
            continue;
        }
        // What the dead were granted and said so stands in the limit; the rest they never wrote.
        if (region.is_dead(slot.owner, kPublisherLocks + index)) return true;
        if (deadline.has_passed()) return false;
        const timespec nap{0, kAnswerNapNs};
        ::nanosleep(&nap, nullptr);
    }
}

}  // namespace

bool await_answers(const Region& region, std::uint64_t position) noexcept {
    const std::uint64_t end = position + region.capacity_bytes();
    for (std::uint32_t index = 0; index < region.header().publisher_slots; ++index) {
        // [sync:gate_registered] In one total order with the store of the gate before, and with the
        // publisher's own store and look: who doesn't ask by now will see the gate.
        // [sync:write_limit_raised] Acquire: who asks no more has raised the limit.
        const std::uint64_t asked =
            region.publisher_slot(index).room_asked.load(std::memory_order_seq_cst);
        if ((asked & ~kAskingMask) <= end) continue;
        if (!await_answer(region, index, asked)) return false;
    }
    return true;
}

}  // namespace tailrace::bus
