// Where journals live, and how they would be written there.

#include "machine_file.hpp"

#include <tailrace/journal/inspect.hpp>
#include <tailrace/observe/machine_check.hpp>
#include <tailrace/observe/quantity_text.hpp>

#include <cerrno>

namespace tailrace::observe {

namespace {

std::string uring_hint(int uring_errno) {
    const std::string disabled = first_line("/proc/sys/kernel/io_uring_disabled");
    if (!disabled.empty() && disabled != "0") return "sysctl kernel.io_uring_disabled=0";
    if (uring_errno == EPERM || uring_errno == ENOSYS) {
        return "in Docker: --security-opt seccomp=unconfined, or a profile that allows io_uring_*";
    }
    if (uring_errno == ENOMEM) return "ulimit -l unlimited";
    return "journals work without it; the kernel's log may say more: dmesg";
}

}  // namespace

void check_journals(std::vector<Check>& checks, const std::string& directory) {
    const std::string place = existing_ancestor(directory);
    auto probe = journal::probe_io(place);
    if (!probe) {
        const bool forbidden = probe.error().code == ErrorCode::no_permission;
        checks.push_back({forbidden ? Verdict::warn : Verdict::fail,
                          "journal directory",
                          probe.error().message,
                          "choose another place with --journal-dir or TAILRACE_JOURNAL_DIR"});
        return;
    }
    const auto add = [&](bool is_well,
                         const char* name,
                         const std::string& value,
                         const std::string& hint) {
        checks.push_back({is_well ? Verdict::ok : Verdict::warn, name, value, is_well ? "" : hint});
    };
    const bool has_uring = probe->uring_errno == 0;
    add(has_uring,
        "io_uring",
        has_uring ? "available" : probe->reason,
        has_uring ? "" : uring_hint(probe->uring_errno));
    constexpr std::uint64_t kComfortableBytes = std::uint64_t{1} << 30U;
    add(probe->free_bytes >= kComfortableBytes,
        "journal directory",
        place + " (" + probe->file_system + "): " + size_text(probe->free_bytes) + " free",
        "df " + place + "; smaller segments: tailrace record --segment 16MiB");
    const std::string other_place = "a --journal-dir on ext4 or xfs";
    add(probe->overwrites_in_place, "file system", probe->overwriting, other_place);
    add(probe->direct_io, "O_DIRECT", probe->direct_io_reason, other_place);
    checks.push_back({Verdict::ok, "durable write", probe->durable_write_reason, ""});
    add(probe->fallocate,
        "fallocate",
        probe->fallocate ? "room can be reserved" : probe->fallocate_reason,
        other_place);
}

}  // namespace tailrace::observe
