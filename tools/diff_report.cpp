#include "diff_report.hpp"

#include "command.hpp"
#include "stop_signal.hpp"
#include "units.hpp"

#include <tailrace/base/sequence_range.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <string>
#include <utility>

namespace tailrace::tool {

namespace {

using stream::Difference;
using stream::DifferenceKind;

constexpr std::size_t kContextEvents = 3;

// Where it stands, for an order among differences: of A's events first.
Sequence place_of(const Difference& difference) noexcept {
    return difference.kind == DifferenceKind::only_in_b ? difference.b : difference.a;
}

bool stands_before(const Difference& one, const Difference& other) noexcept {
    return std::pair(place_of(one), one.kind) < std::pair(place_of(other), other.kind);
}

const char* kind_name(DifferenceKind kind) noexcept {
    if (kind == DifferenceKind::changed) return "changed";
    return kind == DifferenceKind::only_in_a ? "only_in_a" : "only_in_b";
}

std::string number_or_none(bool has_one, std::uint64_t value) {
    return has_one ? fmt::format("{}", value) : "none";
}

// "type 7, 8; payload from byte 3 on".
std::string differing(const Event& a, const Event& b) {
    const stream::EventDifference found = stream::difference_of(a, b);
    std::string text;
    const auto add = [&](const std::string& what) {
        text += (text.empty() ? "" : "; ") + what;
    };
    if (found.type) add(fmt::format("type {}, {}", a.type(), b.type()));
    if (found.key) {
        add(fmt::format("key {}, {}",
                        number_or_none(a.has_key(), a.key()),
                        number_or_none(b.has_key(), b.key())));
    }
    if (found.event_time) {
        add(fmt::format("event time {}, {}",
                        number_or_none(a.event_time_ns() != 0, a.event_time_ns()),
                        number_or_none(b.event_time_ns() != 0, b.event_time_ns())));
    }
    if (found.payload) {
        std::string sizes;
        if (a.size_bytes() != b.size_bytes())
            sizes = fmt::format(" of {} B, {} B", a.size_bytes(), b.size_bytes());
        add(fmt::format("payload{} from byte {} on", sizes, found.first_byte));
    }
    return text;
}

Json differing_json(const stream::EventDifference& found) {
    Json names = Json::array();
    if (found.type) names.push_back("type");
    if (found.key) names.push_back("key");
    if (found.event_time) names.push_back("time");
    if (found.payload) names.push_back("payload");
    return names;
}

// "before A #7", "behind the end of A".
std::string place_text(const char* letter, Sequence sequence) {
    return sequence == kNoSequence ? fmt::format("behind the last of {}", letter)
                                   : fmt::format("before {} #{}", letter, sequence);
}

std::string headline(const Difference& difference) {
    switch (difference.kind) {
        case DifferenceKind::changed:
            return fmt::format("changed: A #{}, B #{}", difference.a, difference.b);
        case DifferenceKind::only_in_a:
            return fmt::format("only in A: A #{}, {}", difference.a, place_text("B", difference.b));
        case DifferenceKind::only_in_b:
            break;
    }
    return fmt::format("only in B: B #{}, {}", difference.b, place_text("A", difference.a));
}

std::optional<Event> event_of(const std::optional<KeptEvent>& kept) {
    return kept ? std::optional<Event>(kept->event()) : std::nullopt;
}

Json sequence_json(Sequence sequence) {
    return sequence == kNoSequence ? Json() : Json(sequence);
}

}  // namespace

DiffReport::DiffReport(const Side& a,
                       const Side& b,
                       stream::DiffPairing pairing,
                       std::uint64_t limit)
    : a_{a.place.name(),
         EventLookup(a.place, a.first, a.end),
         EventPrinter(a.place.name(), Format::text),
         EventPrinter(a.place.name(), Format::json)},
      b_{b.place.name(),
         EventLookup(b.place, b.first, b.end),
         EventPrinter(b.place.name(), Format::text),
         EventPrinter(b.place.name(), Format::json)},
      by_key_(pairing == stream::DiffPairing::by_key),
      limit_(limit),
      progress_("comparing", "events", a.end - std::min(a.first, a.end)) {}

bool DiffReport::on_turn(const stream::DiffCounts& counts) {
    progress_.update(counts.same + counts.changed + counts.only_in_a);
    return !stop_requested() && !out().is_closed();
}

bool DiffReport::on_difference(const Difference& difference) {
    ++found_;
    if (settings().quiet) return false;
    if (!by_key_) {
        if (told_ < limit_) tell(difference);
        return !out().is_closed();
    }
    held_.push_back(difference);
    std::push_heap(held_.begin(), held_.end(), stands_before);
    if (held_.size() > limit_) {
        std::pop_heap(held_.begin(), held_.end(), stands_before);
        held_.pop_back();
    }
    return true;
}

bool DiffReport::on_gap(stream::DiffSide side, bus::Gap gap) {
    ++found_;
    if (settings().quiet) return false;
    if (told_ >= limit_) return true;
    ++told_;
    const bool of_a = side == stream::DiffSide::a;
    if (settings().json()) {
        Json document;
        document["kind"] = "gap";
        document["side"] = of_a ? "a" : "b";
        document["first_seq"] = gap.first;
        document["events"] = gap.count;
        out().write_json(document);
        return !out().is_closed();
    }
    out().write(fmt::format("gap in {}: {} lost, {}\n",
                            of_a ? "A" : "B",
                            counted(gap.count, "event"),
                            range_text(gap.first, gap.first + gap.count)));
    return !out().is_closed();
}

void DiffReport::tell(const Difference& difference) {
    ++told_;
    std::optional<KeptEvent> a;
    std::optional<KeptEvent> b;
    if (difference.kind != DifferenceKind::only_in_b) a = a_.lookup.find(difference.a);
    if (difference.kind != DifferenceKind::only_in_a) b = b_.lookup.find(difference.b);
    if (settings().json()) return tell_json(difference, a, b);
    tell_text(difference, a, b);
}

void DiffReport::tell_json(const Difference& difference,
                           const std::optional<KeptEvent>& a,
                           const std::optional<KeptEvent>& b) {
    const auto event_json = [](Shown& side, const std::optional<KeptEvent>& kept) {
        return kept ? Json::parse(side.json.line(kept->event()), nullptr, false) : Json();
    };
    Json document;
    document["kind"] = kind_name(difference.kind);
    document["a_seq"] = sequence_json(difference.a);
    document["b_seq"] = sequence_json(difference.b);
    if (difference.kind == DifferenceKind::changed) {
        document["differs"] = Json();
        document["first_byte"] = Json();
        if (a && b) {
            const stream::EventDifference found = stream::difference_of(a->event(), b->event());
            document["differs"] = differing_json(found);
            if (found.payload) document["first_byte"] = found.first_byte;
        }
    }
    document["a"] = event_json(a_, a);
    document["b"] = event_json(b_, b);
    out().write_json(document);
}

void DiffReport::tell_text(const Difference& difference,
                           const std::optional<KeptEvent>& a,
                           const std::optional<KeptEvent>& b) {
    std::string line = headline(difference);
    if (a && b) line += ": " + differing(a->event(), b->event());
    out().write(coloured(line, Colour::yellow) + "\n");
    const bool in_a = difference.kind != DifferenceKind::only_in_b;
    const bool in_b = difference.kind != DifferenceKind::only_in_a;
    if (has_told_first_) {
        if (in_a) print_event("A", a_, difference.a, a);
        if (in_b) print_event("B", b_, difference.b, b);
        return;
    }
    has_told_first_ = true;
    std::optional<Event> key;
    if (by_key_) key = event_of(in_a ? a : b);
    print_context("A", a_, difference.a, in_a, key);
    print_context("B", b_, difference.b, in_b, key);
    if (in_a && !a) print_event("A", a_, difference.a, a);
    if (in_b && !b) print_event("B", b_, difference.b, b);
}

void DiffReport::print_line(const char* mark, Shown& side, const Event& event) {
    out().write(mark);
    out().write(side.text.line(event));
}

// `is_one`: the event with this sequence is the one that differs.
void DiffReport::print_context(const char* letter,
                               Shown& side,
                               Sequence sequence,
                               bool is_one,
                               const std::optional<Event>& of_its_key) {
    for (const KeptEvent& kept : side.lookup.around(sequence, kContextEvents, of_its_key)) {
        const Event event = kept.event();
        const bool differs = is_one && event.sequence() == sequence;
        print_line(fmt::format("  {} {} ", letter, differs ? '>' : ' ').c_str(), side, event);
    }
}

void DiffReport::print_event(const char* letter,
                             Shown& side,
                             Sequence sequence,
                             const std::optional<KeptEvent>& event) {
    if (event) return print_line(fmt::format("  {} > ", letter).c_str(), side, event->event());
    out().write(
        fmt::format("  {} > #{}  can't be shown: it has gone meanwhile\n", letter, sequence));
}

void DiffReport::print_summary(const stream::DiffCounts& counts) {
    if (settings().json()) {
        Json document;
        document["kind"] = "summary";
        document["a_name"] = a_.name;
        document["b_name"] = b_.name;
        document["equal"] = counts.are_equal();
        document["same"] = counts.same;
        document["changed"] = counts.changed;
        document["only_in_a"] = counts.only_in_a;
        document["only_in_b"] = counts.only_in_b;
        document["lost_in_a"] = counts.lost_in_a;
        document["lost_in_b"] = counts.lost_in_b;
        document["shown"] = told_;
        out().write_json(document);
        return;
    }
    if (found_ > told_) {
        out().write(fmt::format("{}{} {} not shown (--limit)\n",
                                count_text(found_ - told_),
                                told_ == 0 ? "" : " more",
                                found_ - told_ == 1 ? "difference is" : "differences are"));
    }
    std::string line = fmt::format("{} same, {} changed, {} only in A, {} only in B",
                                   count_text(counts.same),
                                   count_text(counts.changed),
                                   count_text(counts.only_in_a),
                                   count_text(counts.only_in_b));
    if (counts.lost_in_a != 0) line += fmt::format(", {} lost in A", count_text(counts.lost_in_a));
    if (counts.lost_in_b != 0) line += fmt::format(", {} lost in B", count_text(counts.lost_in_b));
    out().write(coloured(line, counts.are_equal() ? Colour::green : Colour::red) + "\n");
}

void DiffReport::finish(const stream::DiffCounts& counts) {
    clear_status_line();
    if (settings().quiet) return;
    std::sort(held_.begin(), held_.end(), stands_before);
    for (const Difference& difference : held_) {
        if (told_ < limit_) tell(difference);
    }
    print_summary(counts);
}

}  // namespace tailrace::tool
