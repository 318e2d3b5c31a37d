#include "replay_report.hpp"

#include "units.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace tailrace::tool {

void ReplayTotals::add(const stream::ReplayReport& report) noexcept {
    last = report;
    ++rounds;
    bytes += report.bytes;
    lost_events += report.lost_events;
    damaged_events += report.damaged_events;
    elapsed_ns += report.elapsed_ns;
    latest_ns = std::max(latest_ns, report.pace.max_ns);
}

void print_report(const ReplayFlags& flags,
                  const ReplayTotals& totals,
                  const ChosenEvents& sink,
                  const std::string& pace) {
    const stream::ReplayReport& report = totals.last;
    const std::uint64_t events = sink.events();
    const double seconds = static_cast<double>(totals.elapsed_ns) / 1e9;
    const double per_s = seconds > 0 ? static_cast<double>(events) / seconds : 0;
    if (settings().json()) {
        // Printed events have stdout for themselves.
        if (flags.into.empty()) return;
        Json document;
        document["journal"] = flags.journal;
        document["into"] = flags.into;
        if (!flags.identity.empty()) document["identity"] = flags.identity;
        document["events"] = events;
        document["rounds"] = totals.rounds;
        document["payload_bytes"] = totals.bytes;
        document["lost_events"] = totals.lost_events;
        document["damaged_events"] = totals.damaged_events;
        document["gaps"] = Json::array();
        for (const GapBefore& found : sink.gaps()) {
            Json gap;
            gap["first_seq"] = found.gap.first;
            gap["events"] = found.gap.count;
            gap["kind"] = kind_of(found.gap);
            gap["before_seq"] = found.before;
            document["gaps"].push_back(std::move(gap));
        }
        document["first_seq"] =
            report.first_sequence == kNoSequence ? Json() : Json(report.first_sequence);
        document["next_seq"] = report.next_sequence;
        document["elapsed_ns"] = ns_string(totals.elapsed_ns);
        document["latest_ns"] = ns_string(totals.latest_ns);
        Json lateness;
        lateness["events"] = report.pace.events;
        lateness["p50_ns"] = ns_string(report.pace.p50_ns);
        lateness["p99_ns"] = ns_string(report.pace.p99_ns);
        lateness["max_ns"] = ns_string(report.pace.max_ns);
        document["pace"] = std::move(lateness);
        document["events_per_s"] = per_s;
        out().write_json(document);
        return;
    }
    std::string line = fmt::format("replayed {} events in {}   {}",
                                   count_text(events),
                                   duration_text(totals.elapsed_ns),
                                   rate_text(per_s));
    if (!pace.empty()) {
        line += fmt::format("   at {}, late by {} (p50), {} (p99), {} at most",
                            pace,
                            duration_text(report.pace.p50_ns),
                            duration_text(report.pace.p99_ns),
                            duration_text(totals.latest_ns));
    }
    if (totals.rounds > 1) line += fmt::format("   {} rounds", count_text(totals.rounds));
    if (totals.damaged_events != 0) {
        line += fmt::format("   {} lost to damage", count_text(totals.damaged_events));
    }
    if (totals.lost_events != totals.damaged_events) {
        line += fmt::format("   {} never journaled",
                            count_text(totals.lost_events - totals.damaged_events));
    }
    say(line);
}

}  // namespace tailrace::tool
