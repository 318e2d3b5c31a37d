// tailrace doctor: is this machine fit, and what to do about it.

#include "command.hpp"
#include "commands.hpp"
#include "diagnosis.hpp"
#include "journal_place.hpp"

#include <tailrace/bus/stream_options.hpp>

#include <algorithm>
#include <fmt/format.h>

namespace tailrace::tool {

namespace {

std::string_view verdict_name(Verdict verdict) {
    switch (verdict) {
        case Verdict::ok:
            return "ok";
        case Verdict::warn:
            return "warn";
        case Verdict::fail:
            return "FAIL";
        case Verdict::skip:
            return "skip";
    }
    return "unknown";
}

Colour verdict_colour(Verdict verdict) {
    if (verdict == Verdict::ok) return Colour::green;
    if (verdict == Verdict::warn) return Colour::yellow;
    return verdict == Verdict::fail ? Colour::red : Colour::none;
}

void print_json(const std::vector<Check>& checks, std::uint64_t warnings, std::uint64_t failures) {
    Json document;
    document["checks"] = Json::array();
    for (const Check& check : checks) {
        Json entry;
        entry["verdict"] = verdict_name(check.verdict);
        entry["name"] = check.name;
        entry["value"] = check.value;
        if (!check.hint.empty()) entry["hint"] = check.hint;
        document["checks"].push_back(std::move(entry));
    }
    document["warnings"] = warnings;
    document["failures"] = failures;
    out().write_json(document);
}

void print_text(const std::vector<Check>& checks, std::uint64_t warnings, std::uint64_t failures) {
    for (const Check& check : checks) {
        out().write(fmt::format("{:<4}  {:<20} {}{}\n",
                                coloured(fmt::format("{:<4}", verdict_name(check.verdict)),
                                         verdict_colour(check.verdict)),
                                check.name,
                                check.value,
                                check.hint.empty() ? "" : fmt::format("   -> {}", check.hint)));
    }
    out().write(fmt::format("{} checks, {} warning{}, {} failure{}: {}\n",
                            checks.size(),
                            warnings,
                            warnings == 1 ? "" : "s",
                            failures,
                            failures == 1 ? "" : "s",
                            failures != 0 ? "Tailrace won't work here as it is"
                            : warnings != 0
                                ? "Tailrace works here; the warnings cost speed or comfort"
                                : "Tailrace is at home here"));
}

Result<ExitCode> run_doctor() {
    if (auto allowed = allow_only_text_and_json("doctor"); !allowed) return allowed.error();
    std::vector<Check> checks;
    check_machine(checks);
    const std::string rings =
        settings().directory.empty() ? bus::default_directory() : settings().directory;
    check_rings(checks, rings);
    check_journals(checks, usual_journal_parent());
    check_cleaners(checks, rings, usual_journal_parent());
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
    add_command(app, "doctor", "Is this machine fit, and what helps", run_doctor);
}

}  // namespace tailrace::tool
