#include "model/interleaver.hpp"

#include "model/fiber.hpp"
#include "support/test_length.hpp"

#include <tailrace/base/step.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace tailrace::test {

struct Interleaver::Actor {
    std::string name;
    std::function<void()> body;
    std::function<void()> on_death;
    Fiber* fiber = nullptr;
    std::function<bool()> waits_for;  // empty: it can go on
    bool has_ended = false;
    bool has_died = false;

    [[nodiscard]] bool can_run() const {
        return !has_ended && !has_died && (waits_for == nullptr || waits_for());
    }
};

namespace {

Interleaver* the_interleaver = nullptr;  // whose actors run, for the entry of a new fiber

}  // namespace

unsigned preemptions(unsigned most) noexcept {
#if defined(TAILRACE_ADDRESS_SANITIZER) || defined(TAILRACE_THREAD_SANITIZER)
    return most - 1;
#else
    return most;
#endif
}

Limits sampled(Limits limits, std::uint64_t stride) noexcept {
    if (is_full_length()) return limits;
    limits.first_stride = stride;
    limits.first_offset = sample_offset(stride);
    return limits;
}

std::string Exploration::example(const std::vector<std::string>& of) const {
    for (const std::string& outcome : of) {
        const auto found = examples.find(outcome);
        if (found != examples.end()) return outcome + ":\n" + found->second;
    }
    return {};
}

Interleaver::Interleaver(const Limits& limits)
    : limits_(limits),
      scheduler_(std::make_unique<Fiber>()) {
    scheduler_->adopt_thread();
    the_interleaver = this;
    set_step_hook(&Interleaver::pass_step, this);
}

Interleaver::~Interleaver() {
    set_step_hook(nullptr, nullptr);
    the_interleaver = nullptr;
}

void Interleaver::actor(std::string name,
                        std::function<void()> body,
                        std::function<void()> on_death) {
    if (fibers_.size() == actors_.size()) fibers_.push_back(std::make_unique<Fiber>());
    auto made = std::make_unique<Actor>();
    made->name = std::move(name);
    made->body = std::move(body);
    made->on_death = std::move(on_death);
    made->fiber = fibers_[actors_.size()].get();
    actors_.push_back(std::move(made));
}

// --- one schedule

void Interleaver::begin_schedule() {
    depth_ = 0;
    preemptions_ = 0;
    places_ = 0;
    actors_.clear();
    told_.clear();
    wanted_ = nullptr;
    look_ = nullptr;
}

bool Interleaver::next_schedule() {
    while (!choices_.empty()) {
        Choice& last = choices_.back();
        if (++last.taken < last.options) return true;
        choices_.pop_back();
    }
    return false;
}

std::uint32_t Interleaver::choose(std::uint32_t options) {
    if (options == 1) return 0;
    if (depth_ == choices_.size()) choices_.push_back({0, options});
    const Choice& choice = choices_[depth_++];
    if (choice.options != options) {
        std::fprintf(
            stderr, "interleaver: the scenario isn't the same each time:\n%s", told().c_str());
        std::abort();
    }
    return choice.taken;
}

// A place that the sample leaves out is passed by who runs, and may die there.
bool Interleaver::may_preempt() noexcept {
    if (preemptions_ >= limits_.preemptions) return false;
    return preemptions_ > 0 || places_++ % limits_.first_stride == limits_.first_offset;
}

// Who runs next; null when nobody can. The first option is always to go on with the current actor.
// A mortal actor that has come to a step has one option more.
Interleaver::Actor* Interleaver::pick(Actor* current) {
    std::vector<Actor*> options;
    const bool goes_on = current != nullptr && current->can_run();
    if (goes_on) options.push_back(current);
    if (!goes_on || may_preempt()) {
        for (const auto& actor : actors_) {
            if (actor.get() != current && actor->can_run()) options.push_back(actor.get());
        }
    }
    const bool may_die = current != nullptr && !current->has_ended && !current->has_died &&
                         current->on_death != nullptr;
    const std::size_t count = options.size() + (may_die ? 1 : 0);
    if (count == 0) return nullptr;
    const std::uint32_t taken = choose(static_cast<std::uint32_t>(count));
    if (taken == options.size()) {
        current->has_died = true;
        told_.emplace_back(current, "dies");
        current->on_death();
        return pick(nullptr);
    }
    if (goes_on && options[taken] != current) ++preemptions_;
    return options[taken];
}

bool Interleaver::play() {
    for (const auto& actor : actors_)
        actor->fiber->prepare(&Interleaver::run_body);
    for (Actor* next = pick(nullptr); next != nullptr; next = pick(next))
        switch_to(*next);
    return std::all_of(actors_.begin(), actors_.end(), [](const auto& actor) {
        return actor->has_ended || actor->has_died;
    });
}

void Interleaver::switch_to(Actor& actor) {
    running_ = &actor;
    actor.waits_for = nullptr;
#ifdef TAILRACE_ADDRESS_SANITIZER
    actor.fiber->came_from = scheduler_.get();
#endif
    scheduler_->go_to(*actor.fiber);
    running_ = nullptr;
}

void Interleaver::leave_actor() noexcept {
    running_->fiber->go_to(*scheduler_);
}

void Interleaver::run_body() noexcept {
    Interleaver& self = *the_interleaver;
    self.running_->fiber->arrive();
    self.running_->body();
    self.running_->has_ended = true;
    self.leave_actor();
    std::abort();  // nobody comes back here
}

void Interleaver::pass_step(const char* step, void* context) noexcept {
    static_cast<Interleaver*>(context)->step(step);
}

void Interleaver::step(const char* name) noexcept {
    if (running_ == nullptr || (wanted_ != nullptr && !wanted_(name))) return;
    told_.emplace_back(running_, name);
    if (look_ != nullptr) look_(name);
    if (running_->waits_for == nullptr) leave_actor();
}

void Interleaver::block_until(const std::function<bool()>& condition) {
    if (condition()) return;
    told_.emplace_back(running_, "(waits)");
    running_->waits_for = condition;
    leave_actor();
}

std::string_view Interleaver::running() const noexcept {
    return running_ == nullptr ? std::string_view() : running_->name;
}

const Interleaver::Actor* Interleaver::find(std::string_view actor_name) const {
    for (const auto& actor : actors_) {
        if (actor->name == actor_name) return actor.get();
    }
    return nullptr;
}

bool Interleaver::has_ended(std::string_view actor_name) const {
    return find(actor_name)->has_ended;
}
bool Interleaver::has_died(std::string_view actor_name) const {
    return find(actor_name)->has_died;
}

std::string Interleaver::told() const {
    std::string text;
    const Actor* last = nullptr;
    for (const auto& [actor, step] : told_) {
        if (actor != last) text += (last == nullptr ? "" : "\n") + actor->name + ":";
        text += std::string(" ") + step;
        last = actor;
    }
    return text + "\n";
}

void Interleaver::outcome(const std::string& name) {
    ++exploration_.outcomes[name];
    exploration_.examples.try_emplace(name, told());
}

// --- all schedules

Exploration explore(const Limits& limits, const std::function<void(Interleaver&)>& scenario) {
    Interleaver run(limits);
    run.exploration_.preemptions = limits.preemptions;
    do {
        run.begin_schedule();
        scenario(run);
        ++run.exploration_.schedules;
        if (run.exploration_.schedules >= limits.schedules) return run.exploration_;
    } while (run.next_schedule());
    run.exploration_.is_complete = true;
    return run.exploration_;
}

}  // namespace tailrace::test
