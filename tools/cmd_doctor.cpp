// tailrace doctor: is this machine fit, and what to do about it.

#include "command.hpp"
#include "commands.hpp"
#include "effective_settings.hpp"
#include "figure_json.hpp"
#include "journal_place.hpp"
#include "text_flow.hpp"
#include "units.hpp"

#include <tailrace/bus/stream_options.hpp>
#include <tailrace/observe/machine_check.hpp>

#include <unistd.h>

#include <algorithm>
#include <fmt/format.h>

namespace tailrace::tool {

namespace {

using observe::Check;
using observe::Verdict;

Colour verdict_colour(Verdict verdict) {
    if (verdict == Verdict::ok) return Colour::green;
    if (verdict == Verdict::warn) return Colour::yellow;
    return verdict == Verdict::fail ? Colour::red : Colour::none;
}

void print_json(const std::vector<Check>& checks, std::uint64_t warnings, std::uint64_t failures) {
    Json document;
    document["checks"] = Json::array();
    for (const Check& check : checks) {
        document["checks"].push_back(figures_json(observe::check_figures(), check));
    }
    document["warnings"] = warnings;
    document["failures"] = failures;
    out().write_json(document);
}

// A line, and on a terminal as many as it takes.
std::string text_of(const Check& check) {
    const std::string verdict = coloured(fmt::format("{:<4}", observe::verdict_name(check.verdict)),
                                         verdict_colour(check.verdict));
    const std::string head = fmt::format("{}  {:<20} ", verdict, check.name);
    const auto width = line_width(STDOUT_FILENO);
    if (!width) {
        return fmt::format(
            "{}{}{}\n", head, check.value, check.hint.empty() ? "" : "   -> " + check.hint);
    }
    constexpr std::size_t kIndent = 10;
    std::string text = head + wrapped(check.value, width_of(head), kIndent, *width);
    if (!check.hint.empty()) {
        constexpr std::string_view kArrow = "      -> ";
        text.append(kArrow).append(wrapped(check.hint, kArrow.size(), kIndent, *width));
    }
    return text;
}

void print_text(const std::vector<Check>& checks, std::uint64_t warnings, std::uint64_t failures) {
    for (const Check& check : checks)
        out().write(text_of(check));
    const std::string sum =
        fmt::format("{} checks, {}, {}: {}",
                    checks.size(),
                    counted(warnings, "warning"),
                    counted(failures, "failure"),
                    failures != 0   ? "Tailrace won't work here as it is"
                    : warnings != 0 ? "Tailrace works here; the warnings cost speed or comfort"
                                    : "Tailrace is at home here");
    out().write(flowed(sum, 0, 2, STDOUT_FILENO));
}

// Where all the rest was looked for.
std::vector<Check> places(const std::string& rings, const std::string& journals) {
    std::vector<Check> checks;
    const std::string& context = settings().context;
    if (!context.empty()) {
        const std::string value = fmt::format("{}, by {}", context, context_origin());
        checks.push_back({Verdict::ok, "context", value, ""});
    }
    checks.push_back({Verdict::ok, "rings in", rings, ""});
    checks.push_back({Verdict::ok, "journals in", journals, ""});
    return checks;
}

Result<ExitCode> run_doctor() {
    if (auto allowed = allow_only_text_and_json("doctor"); !allowed) return allowed.error();
    const std::string rings =
        settings().directory.empty() ? bus::default_directory() : settings().directory;
    std::vector<Check> checks = places(rings, usual_journal_parent());
    const std::vector<Check> found = observe::check_host(rings, usual_journal_parent());
    checks.insert(checks.end(), found.begin(), found.end());
    const auto count = [&](Verdict verdict) {
        return static_cast<std::uint64_t>(
            std::count_if(checks.begin(), checks.end(), [&](const Check& check) {
                return check.verdict == verdict;
            }));
    };
    if (settings().json()) {
        print_json(checks, count(Verdict::warn), count(Verdict::fail));
    } else {
        print_text(checks, count(Verdict::warn), count(Verdict::fail));
    }
    return count(Verdict::fail) == 0 ? ExitCode::done : ExitCode::failure;
}

}  // namespace

void register_doctor(CLI::App& app) {
    add_wide(*add_command(app, "doctor", "Is this machine fit, and what helps", run_doctor));
}

}  // namespace tailrace::tool
