// tailrace repair: says what is needed to make a damaged journal whole again, and with --apply does
// it. What is lost is told event by event, and the files as they were are kept.

#include "command.hpp"
#include "commands.hpp"
#include "journal_place.hpp"
#include "text_flow.hpp"
#include "units.hpp"

#include <tailrace/base/sequence_range.hpp>
#include <tailrace/journal/repair.hpp>

#include <unistd.h>

#include <fmt/format.h>
#include <memory>

namespace tailrace::tool {

namespace {

struct RepairFlags {
    std::string journal;
    bool apply = false;
};

Json json_of(const journal::RepairStep& step) {
    Json document;
    document["kind"] = journal::repair_kind_name(step.kind);
    document["segment"] = step.segment_number;
    document["path"] = step.path;
    document["offset_bytes"] = step.offset;
    document["end_offset_bytes"] = step.end_offset;
    document["first_seq"] = step.first_sequence;
    document["end_seq"] = step.end_sequence;
    document["text"] = step.text;
    document["kept"] = step.kept_path.empty() ? Json() : Json(step.kept_path);
    return document;
}

void print_json(const std::string& directory, const journal::RepairPlan& plan, bool applied) {
    Json document;
    document["journal"] = directory;
    document["applied"] = applied;
    document["lost_events"] = plan.lost_events;
    document["may_have_lost_more"] = plan.may_have_lost_more;
    document["first_seq"] = plan.first_sequence;
    document["end_seq"] = plan.end_sequence;
    document["kept"] = plan.steps.empty() ? Json() : Json(plan.kept_directory);
    document["steps"] = Json::array();
    for (const journal::RepairStep& step : plan.steps)
        document["steps"].push_back(json_of(step));
    out().write_json(document);
}

// Of a step, below its first line.
void print_detail(const std::string& text) {
    constexpr std::size_t kIndent = 5;
    out().write(std::string(kIndent, ' ') + flowed(text, kIndent, kIndent + 2, STDOUT_FILENO));
}

void print_step(std::size_t number, const journal::RepairStep& step) {
    const std::string head = fmt::format("{:>3}. ", number);
    out().write(head +
                flowed(fmt::format("{}  {}", journal::repair_kind_name(step.kind), step.text),
                       head.size(),
                       head.size() + 2,
                       STDOUT_FILENO));
    if (step.end_offset > step.offset) {
        print_detail(
            fmt::format("bytes {} of {}", range_text(step.offset, step.end_offset), step.path));
    }
    if (step.end_sequence > step.first_sequence) {
        print_detail(fmt::format("{}: {}, {}",
                                 coloured("lost", Colour::red),
                                 counted(step.end_sequence - step.first_sequence, "event"),
                                 range_text(step.first_sequence, step.end_sequence)));
    }
    if (!step.kept_path.empty()) print_detail("kept as " + step.kept_path);
}

std::string loss_text(const journal::RepairPlan& plan) {
    if (plan.lost_events == 0) {
        return plan.may_have_lost_more ? "how many events are lost, nothing says"
                                       : "no event is lost";
    }
    return fmt::format("{} {} lost{}; readers are told each gap",
                       counted(plan.lost_events, "event"),
                       plan.lost_events == 1 ? "is" : "are",
                       plan.may_have_lost_more ? ", and more of which nothing says how many" : "");
}

void print_text(const std::string& directory, const journal::RepairPlan& plan, bool applied) {
    out().write(field_text("journal", {directory}));
    if (plan.steps.empty()) {
        out().write(coloured("nothing to repair", Colour::green) + "\n");
        return;
    }
    out().write(applied ? "done:\n" : "plan, nothing has been changed:\n");
    std::size_t number = 0;
    for (const journal::RepairStep& step : plan.steps)
        print_step(++number, step);
    out().write(flowed(loss_text(plan), 0, 2, STDOUT_FILENO));
    if (applied) {
        out().write(field_text(
            "kept", {fmt::format("{}: NOTE there says how to put it back", plan.kept_directory)}));
    } else {
        out().write(field_text("try", {fmt::format("tailrace repair {} --apply", directory)}));
    }
}

// 3 as long as something is to be repaired. What was lost is told, and was lost before.
ExitCode exit_code_after(const journal::RepairPlan& plan, bool applied) {
    return applied || plan.steps.empty() ? ExitCode::done : ExitCode::damage;
}

Result<ExitCode> run_repair(RepairFlags& flags) {
    if (auto allowed = allow_only_text_and_json("repair"); !allowed) return allowed.error();
    auto directory = find_journal(flags.journal);
    if (!directory) return directory.error();
    auto plan = flags.apply ? journal::repair(*directory) : journal::plan_repair(*directory);
    if (!plan) return plan.error();
    if (settings().json()) {
        print_json(*directory, *plan, flags.apply);
    } else {
        print_text(*directory, *plan, flags.apply);
    }
    return exit_code_after(*plan, flags.apply);
}

}  // namespace

void register_repair(CLI::App& app) {
    const auto flags = std::make_shared<RepairFlags>();
    CLI::App* const command = add_command(
        app, "repair", "Show how to repair a damaged journal, or do it (--apply)", [flags] {
            return run_repair(*flags);
        });
    command->add_option("JOURNAL", flags->journal, "A stream's name, or a journal's directory")
        ->required();
    command->add_flag("--apply", flags->apply, "Do it; without this nothing is changed");
    add_wide(*command);
}

}  // namespace tailrace::tool
