// Diagnosis: what `tailrace doctor` looks at, one check a line. Each says what it found, and where
// something is amiss one command that helps. Changes nothing and leaves nothing behind.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tailrace::tool {

enum class Verdict : std::uint8_t {
    ok,
    warn,  // works, but slower or with a risk
    fail,  // Tailrace won't work here
    skip,  // can't be found out here
};

struct Check {
    Verdict verdict = Verdict::ok;
    std::string name;
    std::string value;
    std::string hint;  // empty when all is well
};

// Kernel, memory, clocks: independent of any directory.
void check_machine(std::vector<Check>& checks);
// Where rings live, and what earlier boots and killed processes left there.
void check_rings(std::vector<Check>& checks, const std::string& directory);
// Who deletes files of theirs, or hides them.
void check_cleaners(std::vector<Check>& checks,
                    const std::string& rings,
                    const std::string& journals);
// Whether logind deletes what a user has in shared memory at its last logout; by its configuration
// below `root`, empty for this machine.
[[nodiscard]] bool removes_ipc(const std::string& root);
// Where journals live, and how they would be written.
void check_journals(std::vector<Check>& checks, const std::string& directory);

}  // namespace tailrace::tool
