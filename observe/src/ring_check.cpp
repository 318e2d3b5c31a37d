// Where rings live, and what earlier boots and killed processes left there.

#include "machine_file.hpp"

#include <tailrace/bus/region.hpp>
#include <tailrace/observe/clock_check.hpp>
#include <tailrace/observe/machine_check.hpp>
#include <tailrace/observe/quantity_text.hpp>

#include <linux/magic.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <map>
#include <optional>

namespace tailrace::observe {

namespace {

// Room for a ring in memory.
Check check_room(const std::string& place, const struct statvfs& room, bool in_memory) {
    const std::uint64_t free_bytes = std::uint64_t{room.f_bavail} * room.f_frsize;
    const std::uint64_t total_bytes = std::uint64_t{room.f_blocks} * room.f_frsize;
    constexpr std::uint64_t kComfortableBytes = std::uint64_t{128} << 20U;
    Check check{Verdict::ok,
                "ring memory",
                place + ": " + size_text(free_bytes) + " of " + size_text(total_bytes) + " free",
                ""};
    if (free_bytes < 2 * bus::kMinCapacityBytes) {
        check.verdict = Verdict::fail;
        check.hint = "tailrace rm --stale, or another --dir; mount -o remount,size=1G " + place +
                     " (in a container: --shm-size=1g)";
    } else if (free_bytes < kComfortableBytes) {
        check.verdict = Verdict::warn;
        check.hint = "a smaller --capacity, or mount -o remount,size=1G " + place +
                     "; in a container: --shm-size=1g";
    } else if (!in_memory) {
        check.verdict = Verdict::warn;
        check.value += ", but it is not in memory (tmpfs): the kernel writes rings to the disk";
        check.hint = "TAILRACE_DIR=/dev/shm/tailrace";
    }
    return check;
}

void check_ring_memory(std::vector<Check>& checks, const std::string& directory) {
    const std::string place = existing_ancestor(directory);
    struct statvfs room {};
    struct statfs kind {};
    if (::statvfs(place.c_str(), &room) != 0 || ::statfs(place.c_str(), &kind) != 0) {
        checks.push_back({Verdict::fail,
                          "ring memory",
                          "cannot look at " + place,
                          "choose another place with --dir or TAILRACE_DIR"});
        return;
    }
    const bool in_memory = kind.f_type == TMPFS_MAGIC || kind.f_type == HUGETLBFS_MAGIC;
    checks.push_back(check_room(place, room, in_memory));
    if (::access(place.c_str(), W_OK | X_OK) != 0) {
        checks.push_back({Verdict::fail,
                          "ring directory",
                          place + " may not be written by this user",
                          "choose another place with --dir or TAILRACE_DIR"});
    }
}

// What the rings here are made of.
Check check_ring_pages(const std::string& directory) {
    std::map<bus::PageKind, std::uint64_t> rings;
    auto names = bus::Region::list(directory);
    for (const std::string& name : names ? *names : std::vector<std::string>{}) {
        auto header = bus::Region::peek(name, directory);
        if (header) ++rings[header->pages];
    }
    std::string text;
    for (const auto& [kind, count] : rings) {
        if (!text.empty()) text += "; ";
        text.append(std::to_string(count))
            .append(" on pages of ")
            .append(bus::page_kind_name(kind));
    }
    return {Verdict::ok, "ring pages", text.empty() ? "no rings" : text, ""};
}

// What keeps rings from being opened, each called by its name: what can't be read here and now may
// be in use by others.
struct RingCounts {
    std::size_t all = 0;
    std::uint64_t stale = 0;
    std::uint64_t damaged = 0;
    std::uint64_t unreadable = 0;
    std::string damaged_example;
    std::string why_unreadable;
};

RingCounts count_rings(const std::string& directory) {
    RingCounts counts;
    auto names = bus::Region::list(directory);
    if (!names) return counts;
    counts.all = names->size();
    for (const std::string& name : *names) {
        auto region = bus::Region::open(name, bus::RegionAccess::observe, directory);
        if (region) continue;
        switch (region.error().code) {
            case ErrorCode::stale:
                ++counts.stale;
                break;
            case ErrorCode::not_tailrace:
            case ErrorCode::truncated:
            case ErrorCode::corrupt:
                ++counts.damaged;
                counts.damaged_example = name;
                break;
            case ErrorCode::not_found:  // removed meanwhile
            case ErrorCode::no_permission:
                break;
            default:
                ++counts.unreadable;
                counts.why_unreadable = region.error().message;
                if (!region.error().hint.empty())
                    counts.why_unreadable += "; try: " + region.error().hint;
                break;
        }
    }
    return counts;
}

void check_leftovers(std::vector<Check>& checks, const std::string& directory) {
    const RingCounts counts = count_rings(directory);
    std::uint64_t unfinished = 0;
    std::error_code failed;
    for (const auto& entry : std::filesystem::directory_iterator(directory, failed)) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with(".creating-") || name.starts_with(".removed-")) ++unfinished;
    }
    Check check{Verdict::ok,
                "leftovers",
                std::to_string(counts.all) + " streams; " + std::to_string(counts.stale) +
                    " of an earlier boot, " + std::to_string(counts.damaged) + " damaged, " +
                    std::to_string(unfinished) + " half-made",
                ""};
    if (counts.damaged != 0) {
        check.verdict = Verdict::warn;
        check.hint = "tailrace inspect " + counts.damaged_example + "; tailrace rm " +
                     counts.damaged_example;
    }
    if (counts.stale + unfinished != 0) {
        check.verdict = Verdict::warn;
        check.hint = "tailrace rm --stale --yes";
    }
    checks.push_back(std::move(check));
    if (counts.unreadable == 0) return;
    checks.push_back({Verdict::warn,
                      "readable rings",
                      std::to_string(counts.unreadable) + " can't be opened here",
                      counts.why_unreadable});
}

// One row for all streams that are well, and one for each that isn't.
void check_clocks(std::vector<Check>& checks, const std::string& directory) {
    const auto streams = bus::Region::list(directory);
    if (!streams) return;
    bool is_well = true;
    const auto report = [&](const std::string& whose, const std::optional<Trouble>& trouble) {
        if (!trouble) return;
        is_well = false;
        checks.push_back(
            {Verdict::warn, "publish times", whose + ": " + trouble->what, trouble->hint});
    };
    for (const std::string& stream : *streams) {
        auto region = bus::Region::open(stream, bus::RegionAccess::observe, directory);
        if (!region) continue;
        report("stream '" + stream + "'", find_clock_trouble(*region));
        const std::string journal = (*region)->header().journal_directory.data();
        if (!journal.empty()) {
            report("the journal of '" + stream + "'", find_journal_clock_trouble(stream, journal));
        }
    }
    if (is_well && !streams->empty())
        checks.push_back({Verdict::ok, "publish times", "none is ahead of the clock", ""});
}

}  // namespace

void check_rings(std::vector<Check>& checks, const std::string& directory) {
    check_ring_memory(checks, directory);
    checks.push_back(check_ring_pages(directory));
    check_leftovers(checks, directory);
    check_clocks(checks, directory);
}

}  // namespace tailrace::observe
