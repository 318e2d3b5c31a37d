// DiffReport: what `tailrace diff` prints of each difference, as text or JSON. One thread.
//
// JSON: {"kind":"changed","a_seq":…,"b_seq":…,"differs":["payload"],"first_byte":…,"a":…,"b":…},
// kind being changed, only_in_a or only_in_b (those without "differs" and "first_byte"), the events
// as tail prints them, null for what isn't there; {"kind":"gap","side":"a","first_seq":…,
// "events":…}; and at last {"kind":"summary","a_name":…,"b_name":…,"equal":…,"same":…,…}.
#pragma once

#include "diff_place.hpp"
#include "event_printer.hpp"
#include "progress.hpp"

#include <tailrace/stream/event_diff.hpp>

#include <cstdint>
#include <vector>

namespace tailrace::tool {

class DiffReport final : public stream::DiffSink {
public:
    struct Side {
        DiffPlace place;
        Sequence first = 0;
        Sequence end = 0;
    };

    DiffReport(const Side& a, const Side& b, stream::DiffPairing pairing, std::uint64_t limit);

    [[nodiscard]] bool on_difference(const stream::Difference& difference) override;
    [[nodiscard]] bool on_gap(stream::DiffSide side, bus::Gap gap) override;
    [[nodiscard]] bool on_turn(const stream::DiffCounts& counts) override;

    // What was held back, and the line of counts.
    void finish(const stream::DiffCounts& counts);
    [[nodiscard]] bool has_found() const noexcept { return found_ != 0; }

private:
    struct Shown {
        std::string name;
        EventLookup lookup;
        EventPrinter text;
        EventPrinter json;
    };

    void tell(const stream::Difference& difference);
    void tell_text(const stream::Difference& difference,
                   const std::optional<KeptEvent>& a,
                   const std::optional<KeptEvent>& b);
    void tell_json(const stream::Difference& difference,
                   const std::optional<KeptEvent>& a,
                   const std::optional<KeptEvent>& b);
    void print_line(const char* mark, Shown& side, const Event& event);
    void print_context(const char* letter,
                       Shown& side,
                       Sequence sequence,
                       bool is_one,
                       const std::optional<Event>& of_its_key);
    void print_event(const char* letter,
                     Shown& side,
                     Sequence sequence,
                     const std::optional<KeptEvent>& event);
    void print_summary(const stream::DiffCounts& counts);

    Shown a_;
    Shown b_;
    bool by_key_;
    std::uint64_t limit_;
    std::uint64_t found_ = 0;  // differences and gaps
    std::uint64_t told_ = 0;
    bool has_told_first_ = false;
    // By key differences are decided in another order than that of their events.
    std::vector<stream::Difference> held_;
    Progress progress_;
};

}  // namespace tailrace::tool
