#include <tailrace/base/shortage.hpp>
#include <tailrace/observe/quantity_text.hpp>
#include <tailrace/observe/reader_health.hpp>

#include <cerrno>

namespace tailrace::observe {

namespace {

// How long the ring still holds what nobody has recorded, at the rate since its oldest event.
std::string time_left_text(const ReaderPicture& picture) {
    const double used = 1.0 - picture.room_ratio;
    if (!picture.lag.age_ns || used <= 0) return {};
    const double left_ns = static_cast<double>(*picture.lag.age_ns) / used * picture.room_ratio;
    return ", for about " + duration_text(static_cast<std::uint64_t>(left_ns)) + " at this rate";
}

Trouble unrecorded_trouble(const ReaderHealth& health) {
    const JournalHealth& journal = *health.journal;
    const std::string hint = "tailrace record " + health.stream;
    if (journal.unrecorded_events != 0) {
        return {"nobody records, and " + counted(journal.unrecorded_events, "event") +
                    " are lost already: they have left the ring",
                hint};
    }
    const std::string events = counted(health.picture.lag.events, "event");
    if (journal.holds) {
        return {"nobody records; the ring holds " + events +
                    " that may be in no journal, and publishers wait when it is full",
                hint};
    }
    return {"nobody records; the ring still holds " + events + " that no journal has" +
                time_left_text(health.picture),
            hint};
}

Trouble failure_trouble(const ReaderHealth& health) {
    const JournalHealth& journal = *health.journal;
    const std::string from = std::to_string(health.picture.sequence);
    if (journal.os_errno == ENOENT) {
        return {
            "the journal is gone from its place (removed, moved, or its file system "
            "unmounted), and nothing from sequence " +
                from + " on is durable",
            "findmnt -T " + journal.directory + "; ls -ld " + journal.directory +
                "; then: tailrace record " + health.stream};
    }
    // The directory may be relative to where the recorder ran; the stream's name is enough.
    return {"a write or a flush failed (" + errno_text(journal.os_errno) +
                "), and nothing from sequence " + from + " on is durable",
            "mend or replace the disk (dmesg says more), then open it anew: tailrace record " +
                health.stream};
}

Trouble shortage_trouble(const ReaderHealth& health) {
    const JournalHealth& journal = *health.journal;
    const Shortage shortage = shortage_of(journal.os_errno, journal.directory);
    const bool is_room = journal.os_errno == ENOSPC || journal.os_errno == EDQUOT;
    Trouble trouble;
    if (health.state == ReaderState::disk_full) {
        trouble.what = shortage.what + ", and publishers are held back";
    } else {
        trouble.what = is_room ? "there is no room for the next segment"
                               : "the next segment can't be made: " + shortage.what;
    }
    trouble.hint = is_room ? "free some room (df " + journal.directory +
                                 "), or keep less: tailrace create " + health.stream +
                                 " --if-not-exists --journal --retain-bytes SIZE, and start the "
                                 "recorder anew"
                           : shortage.hint;
    return trouble;
}

}  // namespace

std::optional<Trouble> trouble_of(const ReaderHealth& health) {
    if (!health.journal) return std::nullopt;
    switch (health.state) {
        case ReaderState::stopped:
            if (health.is_unrecorded()) return unrecorded_trouble(health);
            return std::nullopt;
        case ReaderState::failed:
            return failure_trouble(health);
        case ReaderState::low_space:
        case ReaderState::disk_full:
            return shortage_trouble(health);
        default:
            return std::nullopt;
    }
}

std::vector<std::string> excesses_of(const ReaderHealth& health, const LagLimit& limit) {
    const std::string who = health.stream + "/" + health.reader;
    if (health.is_unrecorded()) return {who + ": " + unrecorded_trouble(health).what};
    std::vector<std::string> excesses;
    const bus::Lag& lag = health.picture.lag;
    if (limit.events && lag.events > *limit.events) {
        excesses.push_back(who + " is " + count_text(lag.events) + " events behind (limit " +
                           count_text(*limit.events) + ")");
    }
    if (!limit.age_ns) return excesses;
    // An age that can't be known because the ring has moved on is worse than any limit.
    const bool left_ring =
        health.state == ReaderState::overrun || health.picture.source == bus::ReadSource::journal;
    const bool lost = lag.events != 0 && !lag.age_ns && left_ring;
    if (!lost && lag.age_ns.value_or(0) <= *limit.age_ns) return excesses;
    excesses.push_back(who + " is " +
                       (lost ? "more than the ring holds" : duration_text(*lag.age_ns)) +
                       " behind (limit " + duration_text(*limit.age_ns) + ")");
    return excesses;
}

}  // namespace tailrace::observe
