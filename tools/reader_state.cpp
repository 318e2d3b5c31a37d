#include "reader_state.hpp"

namespace tailrace::tool {

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

Colour reader_state_colour(ReaderState state) noexcept {
    if (state == ReaderState::ok) return Colour::green;
    const bool is_warning = state == ReaderState::lagging || state == ReaderState::low_space ||
                            state == ReaderState::opening || state == ReaderState::spilling ||
                            state == ReaderState::catching_up || state == ReaderState::away;
    return is_warning ? Colour::yellow : Colour::red;
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
    const bool spills = now.source == bus::ReadSource::journal;
    if (loses || (now.room_ratio <= 0.0 && !spills)) return ReaderState::overrun;
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

}  // namespace tailrace::tool
