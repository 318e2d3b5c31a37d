// tailrace bench: the face of bench/command, which measures. Latency and throughput of ring and
// journal, each figure beside its own physical limit from the same run. Law: docs/benchmarking.md.

#include "bench_guard.hpp"
#include "bench_report.hpp"
#include "bench_runs.hpp"
#include "command.hpp"
#include "commands.hpp"
#include "compress.hpp"
#include "journal_place.hpp"
#include "wait_option.hpp"

#include <fmt/format.h>
#include <memory>
#include <string>

namespace tailrace::tool {

namespace {

// Runs the benchmark in a process of its own and prints its report.
template <typename Options, typename Print>
CommandBody body_of(std::shared_ptr<Options> options,
                    Result<nlohmann::json> (*run)(const Options&),
                    Print&& print) {
    const auto measure = [options, run, print]() -> Result<ExitCode> {
        if constexpr (requires { options->directory; }) options->directory = settings().directory;
        auto report = run(*options);
        if (!report) return report.error();
        if (settings().json()) {
            fmt::print("{}\n", report->dump());
        } else {
            print(*report);
        }
        return ExitCode::done;
    };
    return [measure] {
        return run_guarded(measure);
    };
}

void add_pingpong(CLI::App& parent) {
    const auto options = std::make_shared<bench::PingPongOptions>();
    CLI::App* const command = add_command(parent,
                                          "pingpong",
                                          "Round trip of one event, beside the machine's floor",
                                          body_of(options, bench::run_pingpong, print_pingpong));
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
}

void add_throughput(CLI::App& parent) {
    const auto options = std::make_shared<bench::ThroughputOptions>();
    CLI::App* const command =
        add_command(parent,
                    "throughput",
                    "Events a second, content verified",
                    body_of(options, bench::run_throughput, print_throughput));
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
}

void add_journal(CLI::App& parent) {
    const auto options = std::make_shared<bench::JournalBenchOptions>();
    const auto run = body_of(options, bench::run_journal, print_journal);
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
}

void add_wait(CLI::App& parent) {
    const auto options = std::make_shared<bench::WaitBenchOptions>();
    CLI::App* const command =
        add_command(parent,
                    "wait",
                    "Wake-up latency and processor time of each way of waiting",
                    body_of(options, bench::run_wait_bench, print_wait));
    command->add_option("--phase-ms", options->phase_ms, "Length of each of the three phases")
        ->check(CLI::Range(1, 60'000))
        ->capture_default_str();
    command->add_option("--low-rate", options->low_rate_per_s, "Events a second in the second one")
        ->check(CLI::Range(1.0, 1e5))
        ->capture_default_str();
    command->add_option("--high-rate", options->high_rate_per_s, "Events a second in the third one")
        ->check(CLI::Range(1.0, 1e7))
        ->capture_default_str();
}

void add_suite(CLI::App& parent) {
    const auto options = std::make_shared<bench::SuiteOptions>();
    const auto lists = std::make_shared<bool>(false);
    const auto run = body_of(options, bench::run_suite, print_suite);
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
}

void add_bench_compress(CLI::App& parent) {
    const auto options = std::make_shared<bench::CompressBenchOptions>();
    const auto journal = std::make_shared<std::string>();
    const auto run = body_of(options, bench::run_compress, print_compress);
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
}

}  // namespace

void register_bench(CLI::App& app) {
    CLI::App* const parent = app.add_subcommand(
        "bench", "Measure this machine: pingpong, throughput, journal, wait, suite");
    parent->require_subcommand(1);
    add_pingpong(*parent);
    add_throughput(*parent);
    add_journal(*parent);
    add_wait(*parent);
    add_suite(*parent);
    add_bench_compress(*parent);
}

}  // namespace tailrace::tool
