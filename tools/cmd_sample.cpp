// tailrace sample: publishes this machine's own counters as typed events, at a steady rate.

#include "command.hpp"
#include "commands.hpp"
#include "demo/proc_reader.hpp"
#include "pace.hpp"
#include "progress.hpp"
#include "stop_signal.hpp"
#include "units.hpp"

#include <tailrace/bus/publisher.hpp>

#include <fmt/format.h>
#include <memory>
#include <optional>
#include <variant>

namespace tailrace::tool {

namespace {

using Counters = std::variant<CpuCounters, MemoryCounters, NetworkCounters, DiskCounters>;

struct SampleFlags {
    std::string stream;
    std::string name = "sample";
    double rate_per_s = 1000;
    std::optional<std::uint64_t> count;
    std::uint64_t duration_ns = 0;  // 0: no limit
};

// Hands out counters one by one, and looks at /proc anew for each kind: cpus, memory, networks,
// disks, and over again.
class Sampler {
public:
    // Null when this machine shows no counters at all.
    [[nodiscard]] const Counters* next() {
        for (int tries = 0; next_ == pending_.size() && tries < kKinds; ++tries)
            look();
        return next_ == pending_.size() ? nullptr : &pending_[next_++];
    }

private:
    static constexpr int kKinds = 4;

    void look() {
        pending_.clear();
        next_ = 0;
        if (kind_ == 0) ++round_;
        switch (kind_) {
            case 0:
                proc_.read_cpus(cpus_);
                take(cpus_);
                break;
            case 1:
                proc_.read_memory(memory_);
                take(memory_);
                break;
            case 2:
                proc_.read_networks(networks_);
                take(networks_);
                break;
            default:
                proc_.read_disks(disks_);
                take(disks_);
                break;
        }
        kind_ = (kind_ + 1) % kKinds;
    }
    template <typename T>
    void take(std::vector<T>& counters) {
        for (T& one : counters) {
            one.round = round_;
            pending_.emplace_back(one);
        }
    }

    ProcReader proc_;
    std::vector<CpuCounters> cpus_;
    std::vector<MemoryCounters> memory_;
    std::vector<NetworkCounters> networks_;
    std::vector<DiskCounters> disks_;
    std::vector<Counters> pending_;
    std::size_t next_ = 0;
    int kind_ = 0;
    std::uint64_t round_ = 0;
};

EventType type_of(const CpuCounters& /*unused*/) {
    return kCpuCountersType;
}
EventType type_of(const MemoryCounters& /*unused*/) {
    return kMemoryCountersType;
}
EventType type_of(const NetworkCounters& /*unused*/) {
    return kNetworkCountersType;
}
EventType type_of(const DiskCounters& /*unused*/) {
    return kDiskCountersType;
}

// ok, closed, too_large, or timed_out when a stop was requested meanwhile.
bus::PublishStatus publish(bus::Publisher& publisher, const Counters& counters) {
    constexpr std::uint64_t kLookUpMs = 200;
    for (;;) {
        const bus::PublishStatus status = std::visit(
            [&](const auto& event) {
                return publisher.publish(event, type_of(event), bus::Deadline::in_ms(kLookUpMs));
            },
            counters);
        if (status != bus::PublishStatus::timed_out || stop_requested()) return status;
    }
}

void report(const SampleFlags& flags,
            std::uint64_t events,
            std::uint64_t elapsed_ns,
            Sequence next) {
    const double seconds = static_cast<double>(elapsed_ns) / 1e9;
    const double rate_per_s = seconds > 0 ? static_cast<double>(events) / seconds : 0;
    if (settings().json()) {
        Json document;
        document["stream"] = flags.stream;
        document["events"] = events;
        document["events_per_s"] = rate_per_s;
        document["last_seq"] = next == kNoSequence ? Json() : Json(next - 1);
        out().write_json(document);
    } else {
        report_done(
            fmt::format("published {} samples at {}", count_text(events), rate_text(rate_per_s)));
    }
}

Result<ExitCode> run_sample(SampleFlags& flags) {
    if (auto allowed = allow_only_text_and_json("sample"); !allowed) return allowed.error();
    bus::PublisherOptions options;
    options.name = flags.name;
    options.directory = settings().directory;
    auto publisher = bus::Publisher::attach(flags.stream, options);
    if (!publisher) return publisher.error();
    Sampler sampler;
    const std::uint64_t start_ns = monotonic_ns();
    std::uint64_t events = 0;
    Pace pace(flags.rate_per_s);
    Progress progress(
        fmt::format("sampling into '{}'", flags.stream), "events", flags.count.value_or(0));
    const auto is_over = [&] {
        if (flags.count && events >= *flags.count) return true;
        return flags.duration_ns != 0 && monotonic_ns() - start_ns >= flags.duration_ns;
    };
    while (!is_over()) {
        if (!pace.wait()) break;
        const Counters* const counters = sampler.next();
        if (counters == nullptr) {
            return make_error(
                ErrorCode::not_found, "/proc shows no counters here", "ls -l /proc/stat");
        }
        const bus::PublishStatus status = publish(*publisher, *counters);
        if (status == bus::PublishStatus::timed_out) break;
        if (status == bus::PublishStatus::ok) {
            progress.update(++events);
            continue;
        }
        report(flags, events, monotonic_ns() - start_ns, publisher->next_own_sequence());
        if (status == bus::PublishStatus::closed) {
            return make_error(ErrorCode::closed,
                              publisher->region().ending(),
                              fmt::format("tailrace create {}", flags.stream));
        }
        return make_error(
            ErrorCode::too_large,
            fmt::format("stream '{}' allows only {} bytes an event, a sample needs up to {}",
                        flags.stream,
                        publisher->region().header().max_payload_bytes,
                        sizeof(CpuCounters)),
            "create a stream with a larger --max-event");
    }
    report(flags, events, monotonic_ns() - start_ns, publisher->next_own_sequence());
    const bool finite = flags.count || flags.duration_ns != 0;
    return finite && !is_over() ? ExitCode::interrupted : ExitCode::done;
}

}  // namespace

void register_sample(CLI::App& app) {
    const auto flags = std::make_shared<SampleFlags>();
    CLI::App* const command =
        add_command(app, "sample", "Publish this machine's own counters", [flags] {
            return run_sample(*flags);
        });
    command->add_option("STREAM", flags->stream, "Name of the stream")->required();
    add_parsed(*command,
               "--rate",
               flags->rate_per_s,
               parse_rate_per_s,
               "Samples: one processor, interface, disk or the memory each (default 1000/s)");
    add_parsed(*command, "-n,--count", flags->count, parse_count, "Stop after so many");
    add_parsed(*command, "--for", flags->duration_ns, parse_duration_ns, "Stop after this long");
    command->add_option("--name", flags->name, "What other tools call this publisher")
        ->type_name("NAME")
        ->capture_default_str();
}

}  // namespace tailrace::tool
