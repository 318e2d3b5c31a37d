// AgeClock: by which segments become too old. No wrong start of the machine's clock can poison it.
//
// It goes on while a writer runs, by the time that has really passed. How long none ran only the
// wall clock knows, which may be wrong: so that is believed at a second look, when the wall clock
// has gone on for a minute without a step, and no more than half the age limit of it at once. So
// what was recorded in the last half of the limit is never given up on the word of the wall clock;
// and a wall clock that was wrong and is right again leaves nothing behind. Law:
// docs/journal_format.md, "Retention". One thread.
#pragma once

#include <cstdint>

namespace tailrace::journal {

class AgeClock {
public:
    static constexpr std::uint64_t kSteadyNs = 60'000'000'000;

    // What both clocks said at one moment, kept in SUPER. wall_ns 0: not known.
    struct Mark {
        std::uint64_t age_ns = 0;
        std::uint64_t wall_ns = 0;
    };

    // What it would say by the word of the wall clock, for who doesn't write: `age_ns` is the last
    // that is known. Of what has passed since, half the limit is believed at most.
    [[nodiscard]] static std::uint64_t estimate_ns(const Mark& mark,
                                                   std::uint64_t age_ns,
                                                   std::uint64_t limit_ns,
                                                   std::uint64_t wall_ns) noexcept;

    // Goes on where the last writer's mark and segments say. `limit_ns`: what ages are compared to.
    void begin(const Mark& mark,
               std::uint64_t age_ns,
               std::uint64_t limit_ns,
               std::uint64_t elapsed_ns,
               std::uint64_t wall_ns) noexcept;
    // Looks at the wall clock. Now and then.
    void look(std::uint64_t elapsed_ns, std::uint64_t wall_ns) noexcept;

    // Never goes back within a journal, and is never 0.
    [[nodiscard]] std::uint64_t now_ns(std::uint64_t elapsed_ns) const noexcept {
        return age_ns_ + (elapsed_ns - began_ns_);
    }
    [[nodiscard]] const Mark& mark() const noexcept { return mark_; }

private:
    std::uint64_t age_ns_ = 1;  // when `began_ns_` had elapsed
    std::uint64_t began_ns_ = 0;
    std::uint64_t limit_ns_ = 0;
    Mark mark_;
    std::uint64_t distance_ns_ = 0;  // from elapsed to wall time, since `steady_since_ns_`
    std::uint64_t steady_since_ns_ = 0;
};

}  // namespace tailrace::journal
