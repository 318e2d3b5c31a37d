#include "bench.hpp"

#include "bench_guard.hpp"
#include "bench_runs.hpp"
#include "command.hpp"
#include "compress.hpp"
#include "suite_print.hpp"
#include "wait_option.hpp"

#include <tailrace/bridge/recorder.hpp>

#include <fmt/format.h>
#include <functional>
#include <memory>

namespace tailrace::tool {

namespace {

using nlohmann::json;

void print_percentiles(const char* label, const json& values) {
    fmt::print("{:<22}", label);
    for (const auto& [rank, value] : values.items())
        fmt::print("  {} {:.0f}", rank, value.get<double>());
    fmt::print("\n");
}

void print_pingpong(const json& report) {
    fmt::print(
        "pingpong   {} B, two processes, cores {} and {}, spinning, {} round trips, one in "
        "flight\n",
        report["size_bytes"].get<int>(),
        report["cores"][0].get<int>(),
        report["cores"][1].get<int>(),
        report["round_trips"].get<std::uint64_t>());
    fmt::print("machine    {}\n", report["machine"].get<std::string>());
    print_percentiles("round trip, ns", report["rtt_ns"]);
    print_percentiles("bare ring, ns", report["bare_rtt_ns"]);
    print_percentiles("floor, ns", report["floor_rtt_ns"]);
    for (const auto& [title, key] : {std::pair("ratio to floor", "ratio_"),
                                     std::pair("ratio to bare ring", "ratio_to_bare_")}) {
        fmt::print("{:<21} p50 {:.2f}  p99 {:.2f}  p99.9 {:.2f}\n",
                   title,
                   report[std::string(key) + "p50"].get<double>(),
                   report[std::string(key) + "p99"].get<double>(),
                   report[std::string(key) + "p99_9"].get<double>());
    }
    fmt::print(
        "floor: the same two processes bounce one cache line; bare ring: they send unchecked "
        "lines, each in a place of its own. In turns with the events. A closed loop says nothing "
        "about tails under load.\n");
}

void print_throughput(const json& report) {
    fmt::print(
        "throughput {} B, {} publisher(s), {} subscriber(s), {} stream, batch {}, ring {} KiB, "
        "{}\n",
        report["size_bytes"].get<int>(),
        report["publishers"].get<int>(),
        report["subscribers"].get<int>(),
        report["publishing"].get<std::string>(),
        report["batch"].get<int>(),
        report["capacity_bytes"].get<std::uint64_t>() / 1024,
        report["wait"].get<std::string>());
    fmt::print("machine    {}\n", report["machine"].get<std::string>());
    if (!report["wait_habits"].is_null()) {
        fmt::print("habits     publishers {}  subscribers {}\n",
                   report["wait_habits"]["publishers"].dump(),
                   report["wait_habits"]["subscribers"].dump());
    }
    constexpr double kMillion = 1e6;
    fmt::print("events/s   {:.1f} M  ({:.1f} to {:.1f} M in {} runs)   {:.2f} GB/s\n",
               report["events_per_s"].get<double>() / kMillion,
               report["events_per_s_min"].get<double>() / kMillion,
               report["events_per_s_max"].get<double>() / kMillion,
               report["runs"].get<int>(),
               report["bytes_per_s"].get<double>() / 1e9);
    fmt::print("floor, ns  {:.0f} ({:.0f} to {:.0f})   every byte written, read and verified\n",
               report["floor_rtt_ns"]["median"].get<double>(),
               report["floor_rtt_ns"]["min"].get<double>(),
               report["floor_rtt_ns"]["max"].get<double>());
}

// A number with the unit that its name ends in, for people.
std::string figure_text(const std::string& key, double value) {
    if (key.ends_with("bytes_per_s")) return fmt::format("{:.2f} GB/s", value / 1e9);
    if (key.find("_per_s") != std::string::npos) return fmt::format("{:.2f} M/s", value / 1e6);
    if (key.ends_with("_ms")) return fmt::format("{:.1f} ms", value);
    if (key.starts_with("ratio")) return fmt::format("{:.2f}", value);
    return fmt::format("{:.0f}", value);
}

void print_spread(const std::string& key, const std::string& label, const json& spread) {
    fmt::print("  {:<26} {} ({} to {})\n",
               label,
               figure_text(key, spread["median"].get<double>()),
               figure_text(key, spread["min"].get<double>()),
               figure_text(key, spread["max"].get<double>()));
}

void print_journal(const json& report) {
    fmt::print("journal    {} runs, in turns with the raw device, everything read back\n",
               report["runs"].get<int>());
    fmt::print("machine    {}\n", report["machine"].get<std::string>());
    for (const auto& [name, row] : report["rows"].items()) {
        fmt::print("{}\n", name);
        for (const auto& [key, value] : row.items()) {
            if (value.is_object() && value.contains("median")) {
                print_spread(key, key, value);
            } else if (value.is_object()) {
                for (const auto& [rank, spread] : value.items())
                    print_spread(key, key + " " + rank, spread);
            } else {
                fmt::print("  {:<26} {}\n",
                           key,
                           value.is_string() ? value.get<std::string>() : value.dump());
            }
        }
    }
}

// Runs the benchmark in a process of its own and prints its report.
template <typename Options, typename Print>
CommandBody body_of(std::shared_ptr<Options> options,
                    Result<json> (*run)(const Options&),
                    Print&& print) {
    const auto measure = [options, run, print]() -> Result<ExitCode> {
        options->directory = settings().directory;
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

void add_pingpong(CLI::App& bench) {
    const auto options = std::make_shared<PingPongOptions>();
    CLI::App* const command = add_command(bench,
                                          "pingpong",
                                          "Round trip of one event, beside the machine's floor",
                                          body_of(options, run_pingpong, print_pingpong));
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

void add_throughput(CLI::App& bench) {
    const auto options = std::make_shared<ThroughputOptions>();
    CLI::App* const command = add_command(bench,
                                          "throughput",
                                          "Events a second, content verified",
                                          body_of(options, run_throughput, print_throughput));
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

std::string bench_journal_directory() {
    return settings().journal_directory.empty() ? bridge::default_journal_directory("bench")
                                                : settings().journal_directory + "/bench";
}

void add_journal(CLI::App& bench) {
    const auto options = std::make_shared<JournalBenchOptions>();
    const auto run = body_of(options, run_journal, print_journal);
    CLI::App* const command =
        add_command(bench,
                    "journal",
                    "Durable events a second and acknowledge latency, beside the device",
                    [options, run] {
                        options->journal_directory = bench_journal_directory();
                        return run();
                    });
    command->add_option("--rows", options->rows, "What to measure; default: all")
        ->delimiter(',')
        ->check(CLI::IsMember(journal_row_names()));
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

void add_wait(CLI::App& bench) {
    const auto options = std::make_shared<WaitBenchOptions>();
    CLI::App* const command =
        add_command(bench,
                    "wait",
                    "Wake-up latency and processor time of each way of waiting",
                    body_of(options, run_wait_bench, print_wait));
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

void add_suite(CLI::App& bench) {
    const auto options = std::make_shared<SuiteOptions>();
    const auto lists = std::make_shared<bool>(false);
    const auto run = body_of(options, run_suite, print_suite);
    CLI::App* const command = add_command(
        bench,
        "suite",
        "Every figure that the ring promises, beside its target, from runs in turns",
        [options, lists, run]() -> Result<ExitCode> {
            options->journal_directory = bench_journal_directory();
            if (!*lists) return run();
            for (const auto& row : list_suite(*options))
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

}  // namespace

void register_bench(CLI::App& app) {
    CLI::App* const bench = app.add_subcommand(
        "bench", "Measure this machine: pingpong, throughput, journal, wait, suite");
    bench->require_subcommand(1);
    add_pingpong(*bench);
    add_throughput(*bench);
    add_journal(*bench);
    add_wait(*bench);
    add_suite(*bench);
    add_bench_compress(*bench);
}

}  // namespace tailrace::tool
