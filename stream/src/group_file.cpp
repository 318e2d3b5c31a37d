#include "group_file.hpp"

#include <tailrace/base/checksum.hpp>
#include <tailrace/base/clock.hpp>
#include <tailrace/base/file_lock.hpp>
#include <tailrace/base/step.hpp>
#include <tailrace/bus/cursor.hpp>
#include <tailrace/bus/group_files.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <dirent.h>
#include <span>
#include <utility>

namespace tailrace::stream {

namespace {

constexpr std::uint32_t kFileModes = 0666;  // nothing here is executed
constexpr std::uint32_t kMostSeats = 1024;

std::string file_of(const std::string& group) {
    return std::string(bus::kGroupFilePrefix) + group;
}

std::string path_of(const bus::Region& region, const std::string& group) {
    return region.path() + "/" + file_of(group);
}

std::uint64_t checksum_of(const GroupHeader& header) noexcept {
    constexpr std::size_t kFrom = offsetof(GroupHeader, file_size_bytes);
    return checksum64(std::as_bytes(std::span<const GroupHeader, 1>(&header, 1)).subspan(kFrom), 0);
}

std::string rm_hint(const bus::Region& region, const std::string& group) {
    return "tailrace group rm " + region.name() + " " + group;
}

// Everything that code relies on later.
bool has_sound_fields(const GroupHeader& header, const std::string& group) noexcept {
    return header.window_events >= kMinGroupWindow && header.window_events <= kMaxGroupWindow &&
           std::has_single_bit(header.window_events) && header.seats > 0 &&
           header.seats <= kMostSeats && header.max_tries > 1 &&
           header.max_tries < kMostUnitTries && header.name.back() == '\0' &&
           header.dead_letters.back() == '\0' && group == header.name.data() &&
           header.file_size_bytes == group_file_bytes(header.seats, header.window_events);
}

Result<void> check_header(const GroupHeader& header,
                          std::uint64_t size_bytes,
                          const bus::Region& region,
                          const std::string& group) {
    const std::string what = "the file of group '" + group + "' (" + path_of(region, group) + ")";
    if (header.magic != kGroupMagic) {
        return make_error(
            ErrorCode::not_tailrace, what + " begins with other bytes", rm_hint(region, group));
    }
    if (header.version != kGroupVersion) {
        return make_error(ErrorCode::incompatible,
                          what + " is of version " + std::to_string(header.version) +
                              ", and this program knows " + std::to_string(kGroupVersion),
                          "use the tailrace that made it; or " + rm_hint(region, group));
    }
    if (header.header_size_bytes != sizeof(header) ||
        header.header_checksum != checksum_of(header) || !has_sound_fields(header, group)) {
        return make_error(ErrorCode::corrupt, what + " is damaged", rm_hint(region, group));
    }
    if (header.file_size_bytes > size_bytes)
        return make_error(ErrorCode::truncated, what + " is cut off", rm_hint(region, group));
    const bus::StreamHeader& stream = region.header();
    if (header.stream_id_high != stream.stream_id_high ||
        header.stream_id_low != stream.stream_id_low) {
        return make_error(
            ErrorCode::stale, what + " belongs to another stream", rm_hint(region, group));
    }
    return {};
}

GroupHeader header_of(const bus::Region& region,
                      const std::string& group,
                      const GroupSettings& settings) {
    GroupHeader header{};
    header.magic = kGroupMagic;
    header.version = kGroupVersion;
    header.header_size_bytes = sizeof(header);
    header.file_size_bytes = group_file_bytes(settings.seats, settings.window_events);
    header.stream_id_high = region.header().stream_id_high;
    header.stream_id_low = region.header().stream_id_low;
    header.created_ns = wall_clock_ns();
    header.stall_ns = settings.stall_ns;
    header.filter_print = settings.filter_print;
    header.window_events = settings.window_events;
    header.seats = settings.seats;
    header.max_tries = settings.max_tries;
    std::copy(group.begin(), group.end(), header.name.begin());
    std::copy(
        settings.dead_letters.begin(), settings.dead_letters.end(), header.dead_letters.begin());
    header.header_checksum = checksum_of(header);
    return header;
}

// Each word says that the event of the lap before is done: so the first ones from `floor` on are
// free.
void fill(std::byte* base, const GroupHeader& header, Sequence floor) noexcept {
    std::memcpy(base, &header, sizeof(header));
    auto* const shared = reinterpret_cast<GroupShared*>(base + kGroupPageBytes);
    // Relaxed, all: the file has no name yet.
    shared->floor.store(floor, std::memory_order_relaxed);
    shared->frontier.store(floor, std::memory_order_relaxed);
    auto* const units =
        reinterpret_cast<std::atomic<std::uint64_t>*>(base + group_units_offset(header.seats));
    const std::uint64_t window = header.window_events;
    for (Sequence sequence = floor; sequence < floor + window; ++sequence) {
        const std::uint64_t lap = lap_of(sequence, header.window_events) - 1;
        // Relaxed: as above.
        units[sequence % window].store(pack({lap, 0, 0, UnitState::done}),
                                       std::memory_order_relaxed);
    }
}

Error cannot(const std::string& what, int os_errno) {
    return os_error(os_errno, what, os_errno == ENOSPC ? "df -h /dev/shm" : "ls -la; id");
}

}  // namespace

std::string cursor_of_group(std::string_view group) {
    return std::string(bus::kGroupFilePrefix) + std::string(group);
}

Result<void> check_group_name(std::string_view group) {
    if (group.empty()) {
        return invalid_argument("a group needs a name",
                                "letters, digits, '.', '-' and '_', up to 57 characters");
    }
    auto checked = bus::check_cursor_name(cursor_of_group(group));
    if (checked) return checked;
    return invalid_argument("'" + std::string(group) + "' is no name for a group",
                            "letters, digits, '.', '-' and '_', up to 57 characters");
}

Result<void> GroupFile::create(const bus::Region& region,
                               const std::string& group,
                               const GroupSettings& settings,
                               Sequence floor) {
    const std::string aside = std::string(bus::kGroupAsidePrefix) + group;
    const std::string what = "cannot make group '" + group + "' of stream '" + region.name() + "'";
    const int directory_fd = region.directory_fd();
    // Left by somebody who was killed at it: whoever makes the group has its cursor to itself.
    ::unlinkat(directory_fd, aside.c_str(), 0);
    const UniqueFd fd(::openat(
        directory_fd, aside.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd.is_open()) return cannot(what, errno);
    const GroupHeader header = header_of(region, group, settings);
    const auto give_up = [&](int os_errno) {
        ::unlinkat(directory_fd, aside.c_str(), 0);
        return cannot(what, os_errno);
    };
    const int reserved = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(header.file_size_bytes));
    if (reserved != 0) return give_up(reserved);
    const bus::StreamHeader& stream = region.header();
    if (stream.group_id != bus::kNoGroup && ::fchown(fd.get(), ~uid_t{0}, stream.group_id) != 0)
        return give_up(errno);
    if (::fchmod(fd.get(), stream.mode & kFileModes) != 0) return give_up(errno);
    {
        auto mapping = Mapping::map(
            fd.get(), header.file_size_bytes, MapAccess::read_write, path_of(region, group));
        if (!mapping) {
            ::unlinkat(directory_fd, aside.c_str(), 0);
            return mapping.error();
        }
        fill(mapping->data(), header, floor);
    }
    TAILRACE_STEP("group.filled");
    const std::string name = file_of(group);
    if (::renameat2(directory_fd, aside.c_str(), directory_fd, name.c_str(), RENAME_NOREPLACE) != 0)
        return give_up(errno);
    TAILRACE_STEP("group.named");
    return {};
}

Result<GroupFile> GroupFile::open(const bus::Region& region,
                                  const std::string& group,
                                  MapAccess access) {
    const std::string path = path_of(region, group);
    const int flags = access == MapAccess::read_write ? O_RDWR : O_RDONLY;
    UniqueFd fd(::openat(region.directory_fd(),
                         file_of(group).c_str(),
                         flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd.is_open()) {
        if (errno == ENOENT) {
            return make_error(ErrorCode::not_found,
                              "stream '" + region.name() + "' has no group '" + group + "'",
                              "tailrace group ls " + region.name());
        }
        return cannot("cannot open group '" + group + "' (" + path + ")", errno);
    }
    struct stat status {};
    GroupHeader header{};
    if (::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
        return make_error(ErrorCode::not_tailrace,
                          "'" + path + "' is no file of a group",
                          "ls -la " + region.path());
    }
    const ssize_t count = ::pread(fd.get(), &header, sizeof(header), 0);
    if (count != static_cast<ssize_t>(sizeof(header))) {
        return make_error(ErrorCode::truncated,
                          "the file of group '" + group + "' (" + path + ") is cut off",
                          rm_hint(region, group));
    }
    const auto size_bytes = static_cast<std::uint64_t>(status.st_size);
    if (auto checked = check_header(header, size_bytes, region, group); !checked)
        return checked.error();
    auto mapping = Mapping::map(fd.get(), header.file_size_bytes, access, path);
    if (!mapping) return mapping.error();
    GroupFile file;
    file.group_ = group;
    file.header_ = header;
    file.fd_ = std::move(fd);
    file.mapping_ = std::move(*mapping);
    std::byte* const base = file.mapping_.data();
    file.shared_ = reinterpret_cast<GroupShared*>(base + kGroupPageBytes);
    file.seats_ = reinterpret_cast<GroupSeat*>(base + kGroupSeatsOffset);
    file.units_ =
        reinterpret_cast<std::atomic<std::uint64_t>*>(base + group_units_offset(header.seats));
    return file;
}

std::vector<std::string> GroupFile::list(const bus::Region& region) {
    std::vector<std::string> names;
    UniqueFd fd(::openat(region.directory_fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.is_open()) return names;
    DIR* const entries = ::fdopendir(fd.get());
    if (entries == nullptr) return names;
    static_cast<void>(fd.release());
    while (const dirent* const entry = ::readdir(entries)) {
        const std::string_view name = entry->d_name;
        if (!name.starts_with(bus::kGroupFilePrefix)) continue;
        const std::string_view group = name.substr(bus::kGroupFilePrefix.size());
        if (check_group_name(group)) names.emplace_back(group);
    }
    ::closedir(entries);
    std::sort(names.begin(), names.end());
    return names;
}

GroupSettings GroupFile::settings() const {
    return {header_.dead_letters.data(),
            header_.stall_ns,
            header_.filter_print,
            header_.window_events,
            header_.max_tries,
            header_.seats};
}

std::string GroupFile::lock_path() const {
    return "/proc/self/fd/" + std::to_string(fd_.get());
}

bool GroupFile::is_deserted(std::uint32_t seat, bool asks_for_process) const noexcept {
    if (!is_locked(fd_.get(), kGroupSeatLocks + seat)) return true;
    return asks_for_process && has_ended(seats_[seat].process.read());
}

template <typename Still>
std::uint64_t GroupFile::take_back_while(std::uint32_t seat, Still&& still) const noexcept {
    std::uint64_t taken = 0;
    // All of them, whatever the floor is: of a lap that has gone by none is in anybody's hands.
    for (std::uint64_t index = 0; index < header_.window_events; ++index) {
        const std::uint64_t word = load_unit(index);
        Unit unit = unpack(word);
        const bool is_held = unit.state == UnitState::leased || unit.state == UnitState::dying;
        if (!is_held || unit.seat != seat) continue;
        // Behind the look at the word: the next one who sits there may have taken this event.
        if (!still()) break;
        unit.state = UnitState::again;
        unit.seat = 0;
        TAILRACE_STEP("group.taking_back");
        if (swap_unit(index, word, pack(unit))) ++taken;
    }
    if (taken != 0) {
        TAILRACE_STEP("group.taken_back");
        // Relaxed: a hint; who misses it looks by itself in a moment.
        shared_->retries.fetch_add(taken, std::memory_order_relaxed);
    }
    return taken;
}

// Whatever others write of the seat meanwhile: whose lock is held here takes nothing there.
std::uint64_t GroupFile::take_back_own(std::uint32_t seat) const noexcept {
    return take_back_while(seat, [] { return true; });
}

// Its last sign of life doesn't matter: it may have given one between the look and its death.
std::uint64_t GroupFile::take_back_of_dead(std::uint32_t seat, std::uint64_t turn) const noexcept {
    return take_back_while(seat, [&] { return see(seat).turn == turn; });
}

std::uint64_t GroupFile::take_back_of_silent(std::uint32_t seat,
                                             const SeenSeat& seen) const noexcept {
    return take_back_while(seat, [&] { return see(seat) == seen; });
}

void GroupFile::unlink(const bus::Region& region) const noexcept {
    const std::string name = file_of(group_);
    struct stat own {};
    struct stat named {};
    if (::fstat(fd_.get(), &own) != 0 ||
        ::fstatat(region.directory_fd(), name.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0 ||
        own.st_dev != named.st_dev || own.st_ino != named.st_ino) {
        return;
    }
    ::unlinkat(region.directory_fd(), name.c_str(), 0);
}

}  // namespace tailrace::stream
