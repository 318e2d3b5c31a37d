#include "demo/proc_reader.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>

namespace tailrace::tool {

namespace {

UniqueFd open_proc(const char* path) {
    return UniqueFd(::open(path, O_RDONLY | O_CLOEXEC));
}

// Takes one line off the front.
std::string_view take_line(std::string_view& text) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
}

// Takes one word off the front; empty at the end.
std::string_view take_word(std::string_view& line) {
    const std::size_t begin = std::min(line.find_first_not_of(' '), line.size());
    line.remove_prefix(begin);
    const std::string_view word = line.substr(0, std::min(line.find(' '), line.size()));
    line.remove_prefix(word.size());
    return word;
}

std::uint64_t number_of(std::string_view word) {
    std::uint64_t number = 0;
    std::from_chars(word.data(), word.data() + word.size(), number);
    return number;
}

std::uint64_t take_number(std::string_view& line) {
    return number_of(take_word(line));
}

void skip_words(std::string_view& line, int count) {
    for (int word = 0; word < count; ++word)
        take_word(line);
}

DeviceName name_of(std::string_view text) {
    DeviceName name{};
    std::copy_n(text.begin(), std::min(text.size(), name.size()), name.begin());
    return name;
}

}  // namespace

ProcReader::ProcReader()
    : stat_(open_proc("/proc/stat")),
      meminfo_(open_proc("/proc/meminfo")),
      networks_(open_proc("/proc/net/dev")),
      disks_(open_proc("/proc/diskstats")) {
    constexpr std::size_t kInitialBytes = 16 * 1024;
    text_.resize(kInitialBytes);
}

// The whole file in one read, as far as it can be had: /proc fills only what is asked for at once.
std::string_view ProcReader::read_file(const UniqueFd& fd) {
    if (!fd.is_open()) return {};
    std::size_t used = 0;
    for (;;) {
        const ssize_t count =
            ::pread(fd.get(), text_.data() + used, text_.size() - used, static_cast<off_t>(used));
        if (count <= 0) break;
        used += static_cast<std::size_t>(count);
        if (used == text_.size()) text_.resize(text_.size() * 2);
    }
    return std::string_view(text_).substr(0, used);
}

void ProcReader::read_cpus(std::vector<CpuCounters>& counters) {
    counters.clear();
    std::string_view text = read_file(stat_);
    while (text.starts_with("cpu")) {
        std::string_view line = take_line(text);
        const std::string_view label = take_word(line);
        if (label == "cpu") continue;  // the sum of all
        CpuCounters cpu{};
        cpu.cpu = static_cast<std::uint32_t>(number_of(label.substr(3)));
        cpu.user_ticks = take_number(line);
        cpu.nice_ticks = take_number(line);
        cpu.system_ticks = take_number(line);
        cpu.idle_ticks = take_number(line);
        cpu.io_wait_ticks = take_number(line);
        cpu.interrupt_ticks = take_number(line);
        cpu.soft_interrupt_ticks = take_number(line);
        cpu.steal_ticks = take_number(line);
        counters.push_back(cpu);
    }
}

void ProcReader::read_memory(std::vector<MemoryCounters>& counters) {
    counters.clear();
    std::string_view text = read_file(meminfo_);
    if (text.empty()) return;
    MemoryCounters memory{};
    while (!text.empty()) {
        std::string_view line = take_line(text);
        const std::string_view label = take_word(line);
        const std::uint64_t bytes = take_number(line) * 1024;
        if (label == "MemTotal:") memory.total_bytes = bytes;
        if (label == "MemFree:") memory.free_bytes = bytes;
        if (label == "MemAvailable:") memory.available_bytes = bytes;
        if (label == "Cached:") memory.cached_bytes = bytes;
        if (label == "Shmem:") memory.shared_bytes = bytes;
        if (label == "Dirty:") memory.dirty_bytes = bytes;
    }
    counters.push_back(memory);
}

void ProcReader::read_networks(std::vector<NetworkCounters>& counters) {
    counters.clear();
    std::string_view text = read_file(networks_);
    while (!text.empty()) {
        std::string_view line = take_line(text);
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos) continue;  // a heading
        std::string_view label = line.substr(0, colon);
        line.remove_prefix(colon + 1);
        NetworkCounters network{};
        network.interface = name_of(take_word(label));
        network.received_bytes = take_number(line);
        network.received_packets = take_number(line);
        skip_words(line, 6);  // errors, drops and other rarities
        network.sent_bytes = take_number(line);
        network.sent_packets = take_number(line);
        counters.push_back(network);
    }
}

void ProcReader::read_disks(std::vector<DiskCounters>& counters) {
    counters.clear();
    constexpr std::uint64_t kSectorBytes = 512;  // of the kernel's statistics, whatever the disk
    std::string_view text = read_file(disks_);
    while (!text.empty()) {
        std::string_view line = take_line(text);
        skip_words(line, 2);  // major and minor number
        const std::string_view name = take_word(line);
        if (name.empty() || name.starts_with("loop") || name.starts_with("ram")) continue;
        DiskCounters disk{};
        disk.disk = name_of(name);
        disk.reads = take_number(line);
        skip_words(line, 1);
        disk.read_bytes = take_number(line) * kSectorBytes;
        skip_words(line, 1);
        disk.writes = take_number(line);
        skip_words(line, 1);
        disk.written_bytes = take_number(line) * kSectorBytes;
        skip_words(line, 2);
        disk.busy_ms = take_number(line);
        skip_words(line, 5);  // the weighted time, then discards
        disk.flushes = take_number(line);
        if (disk.reads + disk.writes != 0) counters.push_back(disk);
    }
}

}  // namespace tailrace::tool
