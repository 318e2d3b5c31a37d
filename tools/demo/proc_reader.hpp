// ProcReader: reads this machine's counters from /proc. The files are opened once and read anew
// each time.
//
// One thread. A file that isn't there (a container may hide some) gives no counters, and is no
// error.
#pragma once

#include "counters.hpp"

#include <tailrace/base/unique_fd.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::tool {

class ProcReader {
public:
    ProcReader();

    // Each replaces the content of `counters`; `round` is left 0.
    void read_cpus(std::vector<CpuCounters>& counters);
    void read_memory(std::vector<MemoryCounters>& counters);  // one or none
    void read_networks(std::vector<NetworkCounters>& counters);
    void read_disks(std::vector<DiskCounters>& counters);  // no loop, ram or never used devices

private:
    [[nodiscard]] std::string_view read_file(const UniqueFd& fd);

    UniqueFd stat_;
    UniqueFd meminfo_;
    UniqueFd networks_;
    UniqueFd disks_;
    std::string text_;
};

}  // namespace tailrace::tool
