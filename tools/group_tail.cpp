#include "group_tail.hpp"

#include "command.hpp"
#include "event_printer.hpp"
#include "event_tally.hpp"
#include "stop_signal.hpp"
#include "tail_stream.hpp"
#include "typed_view.hpp"

#include <tailrace/bus/declared_types.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/stream/group_member.hpp>
#include <tailrace/stream/group_status.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace tailrace::tool {

namespace {

// What the group has by now is agreed to; a new one gets the defaults.
Result<stream::GroupOptions> group_options(const TailFlags& flags, const bus::Region& region) {
    auto types = flags.wanted.names_types() ? bus::declared_types(region)
                                            : Result<schema::StreamSchema>(schema::StreamSchema());
    if (!types) return types.error();
    stream::GroupOptions options;
    options.group = flags.group;
    options.name = flags.name_text;
    options.from = flags.from.value_or(Position::start());
    options.limit = flags.durable ? stream::ReadLimit::durable : stream::ReadLimit::committed;
    if (flags.on_damage == "skip") options.on_damage = stream::OnDamage::skip;
    options.wait = flags.wait;
    options.bus_directory = settings().directory;
    auto filter = filter_of(flags, *types);
    if (!filter) return filter.error();
    options.filter = *filter;
    for (const stream::GroupStatus& group : stream::read_groups(region)) {
        if (group.group != flags.group || !group.has_file) continue;
        options.window_events = group.window_events;
        options.max_tries = group.max_tries;
        options.stall_ns = group.stall_ns;
        options.dead_letters = group.dead_letters;
    }
    return options;
}

class MemberPrinter {
public:
    MemberPrinter(const TailFlags& flags,
                  const std::string& name,
                  std::shared_ptr<TypedView> view,
                  stream::GroupMember member)
        : flags_(flags),
          member_(std::move(member)),
          printer_(name, settings().format, flags.written_as, std::move(view)) {
        if (flags.only_counts) tally_.emplace(name);
    }

    [[nodiscard]] Result<ExitCode> run();

private:
    [[nodiscard]] stream::GroupPoll poll();
    void print(const Event& event);
    void tell_lost();
    [[nodiscard]] bool is_finished() const noexcept {
        return flags_.count && printed_ >= *flags_.count;
    }

    const TailFlags& flags_;
    stream::GroupMember member_;
    EventPrinter printer_;
    std::optional<EventTally> tally_;
    std::uint64_t printed_ = 0;
};

void MemberPrinter::print(const Event& event) {
    if (tally_) {
        tally_->add(event);
    } else {
        printer_.print(event);
    }
    ++printed_;
}

stream::GroupPoll MemberPrinter::poll() {
    constexpr std::uint64_t kAtATime = 64;
    constexpr std::uint64_t kLookUpMs = 100;
    std::vector<stream::Lease> leases;
    const auto handler = [&](const stream::Delivery& delivery) {
        print(delivery.event());
        leases.push_back(delivery.hold());
        return stream::Verdict::done;
    };
    const std::uint64_t left = flags_.count.value_or(UINT64_MAX) - printed_;
    const auto result =
        member_.poll_until(handler,
                           std::min(kAtATime, left),
                           bus::Deadline::in_ms(flags_.exit_at_end ? 0 : kLookUpMs));
    if (leases.empty() || !out().flush()) return result;
    for (stream::Lease& lease : leases)
        static_cast<void>(lease.done());
    return result;
}

void MemberPrinter::tell_lost() {
    const bus::Gap lost = member_.last_lost();
    if (tally_) {
        tally_->add_gap(lost.count);
    } else {
        printer_.print_gap(lost.first, lost.count, "");
    }
}

Result<ExitCode> MemberPrinter::run() {
    bool has_ended = false;
    if (!tally_) printer_.begin();
    while (!has_ended && !is_finished() && !stop_requested() && !out().is_closed()) {
        const stream::GroupPoll result = poll();
        switch (result.state) {
            case stream::GroupState::lost:
                tell_lost();
                break;
            case stream::GroupState::failed:
                return member_.error();
            case stream::GroupState::removed:
                say(fmt::format("group '{}' was removed", flags_.group));
                has_ended = true;
                break;
            case stream::GroupState::closed:
                say("the stream was removed");
                has_ended = true;
                break;
            case stream::GroupState::idle:
            case stream::GroupState::full:
                if (tally_) tally_->look();
                has_ended = flags_.exit_at_end || !out().flush() || !out().has_reader();
                break;
            default:
                break;
        }
    }
    if (tally_) tally_->report();
    out().flush();
    if (printer_.lost_events() != 0 || (tally_ && tally_->lost_events() != 0))
        return ExitCode::damage;
    const bool is_finite = flags_.count || flags_.exit_at_end;
    return is_finite && !is_finished() && !has_ended && stop_requested() ? ExitCode::interrupted
                                                                         : ExitCode::done;
}

}  // namespace

Result<ExitCode> tail_group(const TailFlags& flags, const std::string& name) {
    auto region = bus::Region::open(name, bus::RegionAccess::observe, settings().directory);
    if (!region) return region.error();
    // What a member has had is done, so that what it didn't print would be done unseen.
    if (!flags.typed.where.empty()) {
        return make_error(
            ErrorCode::invalid_argument,
            "--where doesn't go with --group: whoever gets an event handles it",
            fmt::format("tailrace tail {} --group {} --type TYPE", name, flags.group));
    }
    auto view = TypedView::open(KnownTypes::of_stream(*region), flags.typed, name);
    if (!view) return view.error();
    auto options = group_options(flags, **region);
    if (!options) return options.error();
    auto member = stream::GroupMember::join(name, *options);
    if (!member) return member.error();
    auto shown = std::make_shared<TypedView>(std::move(*view));
    return MemberPrinter(flags, name, std::move(shown), std::move(*member)).run();
}

}  // namespace tailrace::tool
