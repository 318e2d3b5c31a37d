// MachineCheck: is this machine fit, and what helps where it isn't. What `tailrace doctor` tells,
// a Check a line.
//
// Changes nothing and leaves nothing behind; looks at kernel, memory, clocks, at the places of
// rings and journals, and at who deletes files there. Any thread; takes some milliseconds.
#pragma once

#include <tailrace/observe/figure.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::observe {

enum class Verdict : std::uint8_t {
    ok,
    warn,  // works, but slower or with a risk
    fail,  // Tailrace won't work here
    skip,  // can't be found out here
};

// "ok", "warn", "FAIL", "skip"
[[nodiscard]] std::string_view verdict_name(Verdict verdict) noexcept;

struct Check {
    Verdict verdict = Verdict::ok;
    std::string name;
    std::string value;
    std::string hint;  // empty when all is well
};

[[nodiscard]] std::span<const Figure<Check>> check_figures() noexcept;

// All there are. `rings` and `journals`: the directories below which they are, or would be.
[[nodiscard]] std::vector<Check> check_host(const std::string& rings, const std::string& journals);

// Kernel, memory, clocks: independent of any directory.
void check_machine(std::vector<Check>& checks);
// Where rings live, and what earlier boots and killed processes left there.
void check_rings(std::vector<Check>& checks, const std::string& directory);
// Where journals live, and how they would be written.
void check_journals(std::vector<Check>& checks, const std::string& directory);
// Who deletes files of theirs, or hides them.
void check_cleaners(std::vector<Check>& checks,
                    const std::string& rings,
                    const std::string& journals);

// Whether logind deletes what a user has in shared memory at its last logout; by its configuration
// below `root`, empty for this machine.
[[nodiscard]] bool removes_ipc(const std::string& root);

}  // namespace tailrace::observe
