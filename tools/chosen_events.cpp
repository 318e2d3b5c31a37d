#include "chosen_events.hpp"

#include "units.hpp"

#include <tailrace/base/sequence_range.hpp>

#include <fmt/format.h>
#include <utility>

namespace tailrace::tool {

std::string_view kind_of(const journal::Gap& gap) noexcept {
    return gap.kind == journal::GapKind::lost ? "lost" : "never_journaled";
}

ChosenEvents::ChosenEvents(const ReplayFlags& flags,
                           const std::string& stream,
                           std::shared_ptr<TypedView> view,
                           std::uint64_t total)
    : flags_(flags),
      filter_(filter_of(flags.wanted)),
      view_(std::move(view)),
      printer_(stream, settings().format, flags.written_as, view_) {
    if (flags.only_counts) {
        tally_.emplace(stream);
    } else {
        progress_.emplace(fmt::format("replaying '{}'", stream), "events", total);
    }
}

Result<stream::SinkAnswer> ChosenEvents::on_event(const Event& event) {
    using stream::SinkAnswer;
    if (!filter_.accepts(event) || !view_->wants(event))
        return target_ != nullptr ? target_->pass_over(event)
                                  : Result<SinkAnswer>(SinkAnswer::more);
    if (target_ != nullptr) {
        auto passed = target_->on_event(event);
        if (!passed || *passed == SinkAnswer::refused) return passed;
    } else if (tally_) {
        tally_->add(event);
    } else {
        printer_.print(event);
        // A paced replay is watched while it runs.
        if (flags_.options.speed > 0) out().flush();
        if (out().is_closed()) return SinkAnswer::refused;
    }
    ++events_;
    if (progress_) progress_->update(events_);
    return is_finished() ? SinkAnswer::enough : SinkAnswer::more;
}

Result<bool> ChosenEvents::on_gap(journal::Gap gap) {
    if (tally_) {
        tally_->add_gap(gap.count);
        return true;
    }
    if (target_ == nullptr) {
        printer_.print_gap(gap.first, gap.count, kind_of(gap));
        return true;
    }
    auto passed = target_->on_gap(gap);
    if (!passed || !*passed) return passed;
    gaps_.push_back({gap, target_->next_sequence()});
    warn(
        fmt::format("the journal doesn't have {} events, {} ({}); in '{}' they would stand "
                    "before sequence {}",
                    count_text(gap.count),
                    range_text(gap.first, gap.first + gap.count),
                    gap.kind == journal::GapKind::lost ? "lost to damage" : "never journaled",
                    flags_.into,
                    target_->next_sequence()));
    return true;
}

}  // namespace tailrace::tool
