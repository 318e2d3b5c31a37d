// Interleaver: runs the actors of a tiny scenario one at a time, switching between them at the
// steps of the protocol (TAILRACE_STEP), and goes through all schedules up to a bound on
// preemptions.
//
//     const Exploration seen = explore({.preemptions = 3}, [&](Interleaver& run) {
//         ... set the scenario up ...
//         run.actor("publisher", [&] { ... });
//         run.actor("reader", [&] { ... });
//         run.play();
//         if (...) run.outcome("an event is missing");
//     });
//     CHECK(seen.count("an event is missing") == 0);
//
// Depth first with replay: a schedule is the list of choices that were made; the next one differs
// in the last choice that has an alternative left. So a scenario must do the same whenever the
// choices are the same: no clocks, no chance. Actors are fibers of one thread: they share memory in
// the order in which they run, so what is explored is the order of steps, not the reordering of
// single loads and stores within a core.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::test {

// No bound: every schedule there is.
inline constexpr unsigned kAnyPreemptions = 99;

struct Limits {
    // How often an actor that could go on is set aside for another. Few are enough for nearly every
    // mistake.
    unsigned preemptions = 2;
    std::uint64_t schedules = 200'000;  // more than that: the exploration is not complete
    // Of the places of the first preemption every so manieth, from this one: a sample. In it the
    // later preemptions, and all deaths, are at any place.
    std::uint64_t first_stride = 1;
    std::uint64_t first_offset = 0;
};

// At sample length every `stride`-th place, other ones in each run; all of them in the soak.
[[nodiscard]] Limits sampled(Limits limits, std::uint64_t stride) noexcept;

// The bound that a release build can afford; one less where a sanitizer makes everything dearer.
[[nodiscard]] unsigned preemptions(unsigned most) noexcept;

struct Exploration {
    std::uint64_t schedules = 0;
    unsigned preemptions = 0;  // the bound that it was explored with
    bool is_complete = false;
    std::map<std::string, std::uint64_t> outcomes;  // in how many schedules
    std::map<std::string, std::string> examples;    // the steps that led to each for the first time

    [[nodiscard]] std::uint64_t count(const std::string& outcome) const {
        const auto found = outcomes.find(outcome);
        return found == outcomes.end() ? 0 : found->second;
    }
    // For messages: how the first of these outcomes came about; empty when none did.
    [[nodiscard]] std::string example(const std::vector<std::string>& of) const;
};

class Interleaver {
public:
    ~Interleaver();
    Interleaver(const Interleaver&) = delete;
    Interleaver& operator=(const Interleaver&) = delete;

    // `on_death`: the actor may die at any of its steps; this is called when it does. It never runs
    // again.
    void actor(std::string name,
               std::function<void()> body,
               std::function<void()> on_death = nullptr);

    // Where actors may be switched: all steps whose name `wanted` likes. Default: all.
    void switch_at(std::function<bool(std::string_view step)> wanted) {
        wanted_ = std::move(wanted);
    }
    // Called on the actor, at each wanted step, before others may run.
    void at_step(std::function<void(std::string_view step)> look) { look_ = std::move(look); }

    // Runs all actors. True: all came to their end or died. False: those that are left wait for
    // ever.
    bool play();

    // In an actor: a step of the scenario's own.
    void step(const char* name) noexcept;
    // In an actor: others run until the condition holds.
    void block_until(const std::function<bool()>& condition);
    // The name of the actor that runs; empty outside of all.
    [[nodiscard]] std::string_view running() const noexcept;
    [[nodiscard]] bool has_ended(std::string_view actor_name) const;
    [[nodiscard]] bool has_died(std::string_view actor_name) const;

    // This schedule ended like that. Any number of names.
    void outcome(const std::string& name);

private:
    friend Exploration explore(const Limits&, const std::function<void(Interleaver&)>&);

    struct Choice {
        std::uint32_t taken;
        std::uint32_t options;
    };
    struct Fiber;
    struct Actor;

    explicit Interleaver(const Limits& limits);
    void begin_schedule();
    [[nodiscard]] bool next_schedule();
    [[nodiscard]] std::uint32_t choose(std::uint32_t options);
    [[nodiscard]] Actor* pick(Actor* current);
    void switch_to(Actor& actor);
    void leave_actor() noexcept;
    [[nodiscard]] bool may_preempt() noexcept;
    static void run_body() noexcept;
    static void pass_step(const char* step, void* context) noexcept;
    [[nodiscard]] const Actor* find(std::string_view actor_name) const;
    [[nodiscard]] std::string told() const;

    Limits limits_;
    Exploration exploration_;
    std::vector<Choice> choices_;
    std::size_t depth_ = 0;
    unsigned preemptions_ = 0;
    std::uint64_t places_ = 0;  // at which the first preemption could have been, in this schedule

    std::vector<std::unique_ptr<Actor>> actors_;
    std::vector<std::unique_ptr<Fiber>> fibers_;  // one for each actor, used again in each schedule
    std::unique_ptr<Fiber> scheduler_;
    Actor* running_ = nullptr;
    std::function<bool(std::string_view)> wanted_;
    std::function<void(std::string_view)> look_;
    std::vector<std::pair<const Actor*, const char*>> told_;
};

// Plays the scenario once for each schedule.
[[nodiscard]] Exploration explore(const Limits& limits,
                                  const std::function<void(Interleaver&)>& scenario);

}  // namespace tailrace::test
