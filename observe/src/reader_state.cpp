#include <tailrace/observe/reader_state.hpp>

namespace tailrace::observe {

namespace {

constexpr std::uint64_t kLaggingAgeNs = 100'000'000;
constexpr double kLaggingRoom = 0.5;

}  // namespace

std::string_view reader_state_name(ReaderState state) noexcept {
    switch (state) {
        case ReaderState::ok:
            return "OK";
        case ReaderState::lagging:
            return "LAGGING";
        case ReaderState::stalled:
            return "STALLED";
        case ReaderState::blocking:
            return "BLOCKING";
        case ReaderState::stopped:
            return "STOPPED";
        case ReaderState::failed:
            return "FAILED";
        case ReaderState::overrun:
            return "OVERRUN";
        case ReaderState::spilling:
            return "SPILLING";
        case ReaderState::catching_up:
            return "CATCHING-UP";
        case ReaderState::low_space:
            return "LOW-SPACE";
        case ReaderState::disk_full:
            return "DISK-FULL";
        case ReaderState::opening:
            return "OPENING";
        case ReaderState::away:
            return "AWAY";
    }
    return "UNKNOWN";
}

Urgency urgency_of(ReaderState state) noexcept {
    switch (state) {
        case ReaderState::ok:
            return Urgency::none;
        case ReaderState::lagging:
        case ReaderState::low_space:
        case ReaderState::opening:
        case ReaderState::spilling:
        case ReaderState::catching_up:
        case ReaderState::away:
            return Urgency::watch;
        default:
            return Urgency::act;
    }
}

std::string_view urgency_name(Urgency urgency) noexcept {
    if (urgency == Urgency::none) return "none";
    return urgency == Urgency::watch ? "watch" : "act";
}

ReaderState reader_state(const ReaderPicture& now,
                         const std::optional<ReaderPicture>& before) noexcept {
    if (now.is_away) return ReaderState::away;
    if (now.journal == bus::JournalState::failed) return ReaderState::failed;
    if (!now.is_alive) return ReaderState::stopped;
    if (now.journal == bus::JournalState::opening) return ReaderState::opening;
    if (now.journal == bus::JournalState::no_space) return ReaderState::disk_full;
    if (now.journal == bus::JournalState::low_space) return ReaderState::low_space;
    const bool loses = before && now.lost_events > before->lost_events;
    if (loses) return ReaderState::overrun;
    if (now.is_blocking) return ReaderState::blocking;
    const bool spills = now.source == bus::ReadSource::journal;
    if (now.room_ratio <= 0.0 && !spills)
        return now.is_gate ? ReaderState::blocking : ReaderState::overrun;
    if (now.lag.events == 0) return ReaderState::ok;
    const bool was_behind = before && before->lag.events != 0;
    if (was_behind && before->sequence == now.sequence) return ReaderState::stalled;
    if (spills) {
        return was_behind && now.lag.events < before->lag.events ? ReaderState::catching_up
                                                                 : ReaderState::spilling;
    }
    const bool is_late = now.lag.age_ns && *now.lag.age_ns > kLaggingAgeNs;
    if (is_late || now.room_ratio < kLaggingRoom) return ReaderState::lagging;
    return ReaderState::ok;
}

}  // namespace tailrace::observe
