// tailrace bench: the face of bench/command, which measures. Latency and throughput of ring and
// journal, each figure beside its own physical limit from the same run. Law: docs/benchmarking.md.

#include "bench_guard.hpp"
#include "bench_report.hpp"
#include "bench_runs.hpp"
#include "command.hpp"
#include "commands.hpp"
#include "compress.hpp"
#include "journal_place.hpp"
#include "latency_series.hpp"
#include "machine_facts.hpp"
#include "measured/bench_comparison.hpp"
#include "measured/saved_bench.hpp"
#include "output.hpp"
#include "units.hpp"
#include "wait_option.hpp"

#include <tailrace/base/clock.hpp>

#include <cstddef>
#include <fmt/format.h>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace tailrace::tool {

namespace {

// What every benchmark may do with its report beside printing it.
struct ReportWishes {
    std::string save;     // a directory; empty: nothing is kept
    std::string compare;  // a report of an earlier run; empty: none
};

void add_report_wishes(CLI::App& command, ReportWishes& wishes) {
    command
        .add_option(
            "--save", wishes.save, "Keep report, histograms and one page of all in this directory")
        ->type_name("DIR");
    command.add_option("--compare", wishes.compare, "Beside this report of an earlier run")
        ->type_name("FILE");
}

using RunAndRecord = std::function<Result<nlohmann::json>(bench::LatencyRecord&)>;
using PrintReport = void (*)(const nlohmann::json&);

Result<ExitCode> measure(const std::string& name,
                         const ReportWishes& wishes,
                         const RunAndRecord& run,
                         PrintReport print) {
    nlohmann::json older;
    if (!wishes.compare.empty()) {
        auto read = read_bench_report(wishes.compare, name);
        if (!read) return read.error();
        older = std::move(*read);
    }
    if (!wishes.save.empty()) {
        if (auto prepared = prepare_bench_directory(wishes.save); !prepared)
            return prepared.error();
    }
    const bench::MachineFacts machine = bench::machine_facts();
    bench::LatencyRecord record;
    auto report = run(record);
    if (!report) return report.error();
    (*report)["facts"] = machine.facts;
    (*report)["cautions"] = machine.cautions;
    std::size_t worse = 0;
    if (!older.is_null()) {
        auto compared = compare_benches(older, *report, wishes.compare);
        if (!compared) return compared.error();
        worse = (*compared)["worse"].get<std::size_t>();
        (*report)["compared"] = std::move(*compared);
    }
    if (settings().json()) {
        fmt::print("{}\n", report->dump());
    } else {
        print(*report);
        for (const std::string& caution : machine.cautions)
            fmt::print("caution    {}\n", caution);
        if (report->contains("compared")) fmt::print("{}", comparison_text((*report)["compared"]));
    }
    if (!wishes.save.empty()) {
        auto files = save_bench(wishes.save, *report, record);
        if (!files) return files.error();
        std::string names;
        for (const std::string& file : *files)
            names += " " + file;
        say(fmt::format("in {}:{}", wishes.save, names));
    }
    return worse == 0 ? ExitCode::done : ExitCode::limit_exceeded;
}

// A benchmark's verb: it runs in a process of its own and prints its report.
template <typename Options>
struct BenchVerb {
    std::shared_ptr<Options> options = std::make_shared<Options>();
    std::shared_ptr<ReportWishes> wishes = std::make_shared<ReportWishes>();

    template <typename Run>
    [[nodiscard]] CommandBody body(const char* name, Run run, PrintReport print) const {
        const auto guarded = [=, *this]() -> Result<ExitCode> {
            if constexpr (requires { options->directory; })
                options->directory = settings().directory;
            const auto measured = [&](bench::LatencyRecord& record) {
                if constexpr (requires { run(*options, record); }) {
                    return run(*options, record);
                } else {
                    return run(*options);
                }
            };
            return measure(name, *wishes, measured, print);
        };
        return [guarded] {
            return run_guarded(guarded);
        };
    }
};

void add_pingpong(CLI::App& parent) {
    const BenchVerb<bench::PingPongOptions> verb;
    const auto options = verb.options;
    const auto run = [](const bench::PingPongOptions& chosen, bench::LatencyRecord& record) {
        return bench::run_pingpong(chosen, record);
    };
    CLI::App* const command = add_command(parent,
                                          "pingpong",
                                          "Round trip of one event, beside the machine's floor",
                                          verb.body("pingpong", run, print_pingpong));
    command->add_option("--size", options->size_bytes, "Payload in bytes")
        ->check(CLI::Range(8, 65536))
        ->capture_default_str();
    command->add_option("--align", options->alignment_bytes, "Alignment of events: 16 or 64")
        ->check(CLI::IsMember({16, 64}))
        ->capture_default_str();
    command->add_option("-n,--round-trips", options->round_trips, "Round trips to measure")
        ->capture_default_str();
    command->add_flag(
        "--publish-time", options->publish_time, "Stamp every event with its publish time");
    add_report_wishes(*command, *verb.wishes);
}

Result<double> open_loop_rate(std::string_view text) {
    constexpr double kMostPerSecond = 1e7;
    auto rate_per_s = parse_rate_per_s(text);
    if (rate_per_s && (*rate_per_s < 1 || *rate_per_s > kMostPerSecond)) {
        return make_error(ErrorCode::invalid_argument,
                          fmt::format("'{}' is no rate for an open loop", text),
                          "1/s to 10M/s");
    }
    return rate_per_s;
}

Result<std::uint64_t> open_loop_time(std::string_view text) {
    constexpr std::uint64_t kMostNs = 600'000'000'000;
    auto duration_ns = parse_duration_ns(text);
    if (duration_ns && (*duration_ns < kNsPerMs || *duration_ns > kMostNs)) {
        return make_error(ErrorCode::invalid_argument,
                          fmt::format("'{}' is no length for an open loop", text),
                          "1ms to 10m");
    }
    return duration_ns;
}

void add_latency(CLI::App& parent) {
    const BenchVerb<bench::LatencyOptions> verb;
    const auto options = verb.options;
    CLI::App* const command =
        add_command(parent,
                    "latency",
                    "One way at a rate that waits for nobody, from the intended send time",
                    verb.body("latency", bench::run_latency, print_latency));
    add_parsed(*command, "--rate", options->rate_per_s, open_loop_rate, "Events a second (100k/s)")
        ->type_name("RATE");
    add_parsed(
        *command, "--for", options->duration_ns, open_loop_time, "Of events (5s), as long alone")
        ->type_name("DURATION");
    command->add_option("--size", options->size_bytes, "Payload in bytes")
        ->check(CLI::Range(bench::kLeastStampedBytes, 65536U))
        ->capture_default_str();
    command->add_flag(
        "--publish-time", options->publish_time, "Stamp every event with its publish time");
    add_wait_option(*command, options->wait);
    add_report_wishes(*command, *verb.wishes);
}

void add_throughput(CLI::App& parent) {
    const BenchVerb<bench::ThroughputOptions> verb;
    const auto options = verb.options;
    CLI::App* const command =
        add_command(parent,
                    "throughput",
                    "Events a second, content verified",
                    verb.body("throughput", bench::run_throughput, print_throughput));
    command->add_option("--size", options->size_bytes, "Payload in bytes")->capture_default_str();
    command->add_option("--publishers", options->publishers, "Publisher processes")
        ->capture_default_str();
    command->add_option("--subscribers", options->subscribers, "Gating subscriber processes")
        ->capture_default_str();
    command->add_option("--batch", options->batch, "Events per claim")
        ->check(CLI::Range(1, 1024))
        ->capture_default_str();
    command->add_option(
        "--events", options->events, "Events per publisher and run; 0: about a second's worth");
    command->add_option("--runs", options->runs, "Runs; the median counts")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    command->add_option("--capacity", options->capacity_bytes, "Ring size")
        ->transform(CLI::AsSizeValue(false))
        ->capture_default_str();
    command->add_flag("--multi", options->multi, "A multi-publisher stream even for one publisher");
    command->add_flag(
        "--publish-time", options->publish_time, "Stamp every event with its publish time");
    add_wait_option(*command, options->wait);
    add_report_wishes(*command, *verb.wishes);
}

void add_journal(CLI::App& parent) {
    const BenchVerb<bench::JournalBenchOptions> verb;
    const auto options = verb.options;
    const auto run = verb.body("journal", bench::run_journal, print_journal);
    CLI::App* const command =
        add_command(parent,
                    "journal",
                    "Durable events a second and acknowledge latency, beside the device",
                    [options, run] {
                        options->journal_directory = usual_journal_directory("bench");
                        return run();
                    });
    command->add_option("--rows", options->rows, "What to measure; default: all")
        ->delimiter(',')
        ->check(CLI::IsMember(bench::journal_row_names()));
    command
        ->add_option("--size", options->size_bytes, "Payload in bytes of bulk, first_lap, latency")
        ->capture_default_str();
    command->add_option("--bytes", options->bytes, "Payload bytes per run")
        ->transform(CLI::AsSizeValue(false))
        ->capture_default_str();
    command->add_option("--group-events", options->group_events, "Events per run of group")
        ->capture_default_str();
    command->add_flag_callback(
        "--quick",
        [options] {
            constexpr std::uint64_t kQuickBytes = std::uint64_t{16} << 20U;
            options->bytes = kQuickBytes;
            options->segment_size_bytes = kQuickBytes / 4;
            options->acknowledgements = 100;
            options->group_events = 10'000;
            options->live_events = 5'000;
            options->runs = 1;
        },
        "A few seconds: shows that it runs, says nothing about speed");
    command
        ->add_option("--acknowledgements",
                     options->acknowledgements,
                     "Events that are waited for one by one")
        ->capture_default_str();
    command->add_option("--runs", options->runs, "Runs; the median counts")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    command->add_option("--segment", options->segment_size_bytes, "Segment size")
        ->transform(CLI::AsSizeValue(false))
        ->capture_default_str();
    add_report_wishes(*command, *verb.wishes);
}

void add_wait(CLI::App& parent) {
    const BenchVerb<bench::WaitBenchOptions> verb;
    const auto options = verb.options;
    CLI::App* const command =
        add_command(parent,
                    "wait",
                    "Wake-up latency and processor time of each way of waiting",
                    verb.body("wait", bench::run_wait_bench, print_wait));
    command->add_option("--phase-ms", options->phase_ms, "Length of each of the three phases")
        ->check(CLI::Range(1, 60'000))
        ->capture_default_str();
    command->add_option("--low-rate", options->low_rate_per_s, "Events a second in the second one")
        ->check(CLI::Range(1.0, 1e5))
        ->capture_default_str();
    command->add_option("--high-rate", options->high_rate_per_s, "Events a second in the third one")
        ->check(CLI::Range(1.0, 1e7))
        ->capture_default_str();
    add_report_wishes(*command, *verb.wishes);
}

void add_suite(CLI::App& parent) {
    const BenchVerb<bench::SuiteOptions> verb;
    const auto options = verb.options;
    const auto lists = std::make_shared<bool>(false);
    const auto run = verb.body("suite", bench::run_suite, print_suite);
    CLI::App* const command = add_command(
        parent,
        "suite",
        "Every figure that the ring promises, beside its target, from runs in turns",
        [options, lists, run]() -> Result<ExitCode> {
            options->journal_directory = usual_journal_directory("bench");
            if (!*lists) return run();
            for (const auto& row : bench::list_suite(*options))
                fmt::print("{:<28}{}\n", row["row"].get<std::string>(), row["conditions"].dump());
            return ExitCode::done;
        });
    command->add_option("--rows", options->rows, "Only rows whose names contain one of these texts")
        ->type_name("TEXT")
        ->delimiter(',');
    command->add_option("--runs", options->runs, "Rounds over all rows")
        ->check(CLI::Range(1, 100))
        ->capture_default_str();
    command->add_flag("--quick", options->quick, "A smoke test: the figures mean nothing");
    command->add_flag("--list", *lists, "Print the rows, and how each is measured");
    add_report_wishes(*command, *verb.wishes);
}

void add_bench_compress(CLI::App& parent) {
    const BenchVerb<bench::CompressBenchOptions> verb;
    const auto options = verb.options;
    const auto journal = std::make_shared<std::string>();
    const auto run = verb.body("compress", bench::run_compress, print_compress);
    CLI::App* const command =
        add_command(parent,
                    "compress",
                    "What compressing a journal saves, and what reading it costs",
                    [options, journal, run]() -> Result<ExitCode> {
                        auto directory = find_journal(*journal);
                        if (!directory) return directory.error();
                        options->journal_directory = *directory;
                        options->copy_parent = usual_journal_parent();
                        return run();
                    });
    command->add_option("JOURNAL", *journal, "A stream's name, or a journal's directory")
        ->required();
    command->add_option("--level", options->level, "Of zstd: 1 (fast) to 19 (small)")
        ->check(CLI::Range(1, 19))
        ->capture_default_str();
    add_report_wishes(*command, *verb.wishes);
}

}  // namespace

void register_bench(CLI::App& app) {
    CLI::App* const parent = app.add_subcommand(
        "bench", "Measure this machine: pingpong, latency, throughput, journal, suite");
    parent->require_subcommand(1);
    add_pingpong(*parent);
    add_latency(*parent);
    add_throughput(*parent);
    add_journal(*parent);
    add_wait(*parent);
    add_suite(*parent);
    add_bench_compress(*parent);
}

}  // namespace tailrace::tool
