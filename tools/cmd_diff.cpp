// tailrace diff: shows where two runs part: streams, or journals.

#include "command.hpp"
#include "commands.hpp"
#include "diff_place.hpp"
#include "diff_report.hpp"
#include "position.hpp"
#include "stop_signal.hpp"
#include "units.hpp"

#include <tailrace/stream/event_diff.hpp>

#include <fmt/format.h>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace tailrace::tool {

namespace {

// Fields that aren't compared, as --ignore names them.
struct Ignored {
    bool time = false;
    bool type = false;
    bool key = false;
};

struct DiffFlags {
    std::string a;
    std::string b;
    std::optional<Position> from;
    std::optional<Position> to;
    Ignored ignored;
    std::string by = "order";
    std::uint64_t limit = 10;
};

Result<Ignored> parse_ignored(std::string_view text) {
    Ignored ignored;
    for (std::string_view rest = text;;) {
        const std::size_t comma = std::min(rest.find(','), rest.size());
        const std::string_view word = rest.substr(0, comma);
        if (word == "time") {
            ignored.time = true;
        } else if (word == "type") {
            ignored.type = true;
        } else if (word == "key") {
            ignored.key = true;
        } else {
            return make_error(ErrorCode::invalid_argument,
                              fmt::format("'{}' is no field that can be left out", word),
                              "time, type, key, or several: time,key");
        }
        if (comma == rest.size()) return ignored;
        rest.remove_prefix(comma + 1);
    }
}

Result<ExitCode> run_diff(DiffFlags& flags) {
    if (auto allowed = allow_only_text_and_json("diff"); !allowed) return allowed.error();
    stream::DiffOptions options;
    options.pairing =
        flags.by == "key" ? stream::DiffPairing::by_key : stream::DiffPairing::by_order;
    options.compares_event_time = !flags.ignored.time;
    options.compares_type = !flags.ignored.type;
    options.compares_key = !flags.ignored.key;
    if (flags.by == "key" && flags.ignored.key) {
        return make_error(ErrorCode::invalid_argument,
                          "--by key doesn't go with --ignore key: it pairs events by their keys",
                          "leave one of them out");
    }
    auto a = DiffPlace::find(flags.a);
    if (!a) return a.error();
    auto b = DiffPlace::find(flags.b);
    if (!b) return b.error();
    // Both ends before anything is read. Of one and the same thing there is one range, however it
    // goes on meanwhile.
    const bool are_one = a->is(*b);
    auto a_end = a->end_of(flags.to);
    if (!a_end) return a_end.error();
    auto b_end = are_one ? Result<Sequence>(*a_end) : b->end_of(flags.to);
    if (!b_end) return b_end.error();
    auto from_a = a->read_from(flags.from.value_or(Position::start()));
    if (!from_a) return from_a.error();
    const Sequence a_first = from_a->next_sequence();
    auto from_b =
        b->read_from(are_one ? Position::at(a_first) : flags.from.value_or(Position::start()));
    if (!from_b) return from_b.error();

    DiffReport report(
        {*a, a_first, *a_end}, {*b, from_b->next_sequence(), *b_end}, options.pairing, flags.limit);
    stream::DiffInput in_a{std::move(*from_a), *a_end};
    stream::DiffInput in_b{std::move(*from_b), *b_end};
    auto counts = stream::compare(in_a, in_b, options, report);
    if (!counts) return counts.error();
    if (stop_requested()) return ExitCode::interrupted;
    report.finish(*counts);
    return report.has_found() ? ExitCode::damage : ExitCode::done;
}

}  // namespace

void register_diff(CLI::App& app) {
    const auto flags = std::make_shared<DiffFlags>();
    CLI::App* const command =
        add_command(app, "diff", "Show where two runs part: streams or journals", [flags] {
            return run_diff(*flags);
        });
    command->add_option("A", flags->a, "A stream's name, or a journal's directory")->required();
    command->add_option("B", flags->b, "The other one")->required();
    add_parsed(*command,
               "--from",
               flags->from,
               parse_position,
               "First event, of each side: start (the default), N, +N, -N, @TIME, @-10m");
    add_parsed(*command,
               "--to",
               flags->to,
               parse_position,
               "Stop before this event, of each side (default: the end as it is now)");
    add_parsed(*command,
               "--ignore",
               flags->ignored,
               parse_ignored,
               "What isn't compared: time (the event time), type, key; several: time,key")
        ->type_name("FIELDS");
    command
        ->add_option("--by",
                     flags->by,
                     "order: the i-th event with the i-th; key: the events of each key by "
                     "themselves, for runs that are interleaved differently")
        ->check(CLI::IsMember({"order", "key"}))
        ->capture_default_str();
    add_parsed(*command, "--limit", flags->limit, parse_count, "Show so many differences")
        ->default_str("10");
    command->footer(
        "Compared are payload, type, key and event time; not publish times and sequences. Exit "
        "code 0: the same; 3: they differ. -q: nothing but that, and it ends at the first "
        "difference.");
}

}  // namespace tailrace::tool
