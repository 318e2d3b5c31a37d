#include "machine_facts.hpp"

#include "machine.hpp"

#include <tailrace/base/clock.hpp>

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <fmt/format.h>
#include <fstream>

namespace tailrace::bench {

namespace {

// Empty when it isn't shown here.
std::string line_of(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

// Behind the colon of the first such line.
std::string processor_line(const std::string& name) {
    std::ifstream cpuinfo("/proc/cpuinfo");
    for (std::string line; std::getline(cpuinfo, line);) {
        const std::size_t colon = line.find(": ");
        if (line.starts_with(name) && colon != std::string::npos) return line.substr(colon + 2);
    }
    return "unknown";
}

bool is_virtual() {
    return (" " + processor_line("flags") + " ").find(" hypervisor ") != std::string::npos;
}

std::string utc_now() {
    const auto seconds = static_cast<std::time_t>(wall_clock_ns() / 1'000'000'000U);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 32> text{};
    return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::string or_unknown(std::string text) {
    return text.empty() ? "not shown here" : text;
}

constexpr bool is_optimised() noexcept {
#if defined(__OPTIMIZE__) && !defined(TAILRACE_DCHECKS) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
    return true;
#else
    return false;
#endif
}

}  // namespace

MachineFacts machine_facts() {
    const std::string cpu = "/sys/devices/system/cpu/";
    const std::string governor = line_of(cpu + "cpu0/cpufreq/scaling_governor");
    const std::string isolated = line_of(cpu + "isolated");
    const std::string load = line_of("/proc/loadavg");
    const std::string load_1m = load.substr(0, load.find(' '));
    utsname system{};
    ::uname(&system);
    MachineFacts machine;
    machine.facts["processor"] = processor_line("model name");
    machine.facts["cores"] = std::to_string(core_count());
    machine.facts["virtual"] = is_virtual() ? "yes" : "no";
    machine.facts["kernel"] = fmt::format("{} {}", system.sysname, system.release);
    machine.facts["governor"] = or_unknown(governor);
    machine.facts["smt_active"] = or_unknown(line_of(cpu + "smt/active"));
    machine.facts["isolated_cores"] = isolated.empty() ? "none" : isolated;
    machine.facts["clocksource"] =
        or_unknown(line_of("/sys/devices/system/clocksource/clocksource0/current_clocksource"));
    machine.facts["load_1m"] = or_unknown(load_1m);
    machine.facts["begun"] = utc_now();

    const auto caution = [&](bool holds, std::string text) {
        if (holds) machine.cautions.push_back(std::move(text));
    };
    caution(is_virtual(),
            "A virtual machine: its host takes cores away without a word. That is in the tails.");
    caution(core_count() < 4,
            fmt::format("{} cores: what runs beside the two that are measured shares with them.",
                        core_count()));
    caution(!governor.empty() && governor != "performance",
            fmt::format("The governor is {}: clocks rise while it is measured.", governor));
    constexpr double kBusyLoad = 0.5;
    caution(std::strtod(load_1m.c_str(), nullptr) > kBusyLoad,
            fmt::format("The load was {} before it began: others use this machine.", load_1m));
    caution(!has_invariant_tsc(),
            "No invariant time stamp counter: each time costs a call of the clock.");
    caution(isolated.empty(), "No core is isolated: the scheduler may put others there.");
    caution(!is_optimised(), "This isn't a release build.");
    return machine;
}

}  // namespace tailrace::bench
