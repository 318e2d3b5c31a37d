#include "region_files.hpp"

#include <tailrace/base/checksum.hpp>
#include <tailrace/base/clock.hpp>
#include <tailrace/base/file_lock.hpp>
#include <tailrace/base/step.hpp>
#include <tailrace/bus/region.hpp>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <span>

namespace tailrace::bus {

namespace {

// How often somebody looks whether the stream's files are still there.
constexpr std::uint64_t kFileLookNs = 250'000'000;

// To a few milliseconds, and an eighth of the price.
std::uint64_t coarse_monotonic_ns() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * kNsPerSecond +
           static_cast<std::uint64_t>(now.tv_nsec);
}

std::string remove_hint(const std::string& stream) {
    return "tailrace rm " + stream + " --yes";
}

Result<void> check_magic(const StreamHeader& header, const std::string& path) {
    if (header.magic != kControlMagic) {
        return make_error(ErrorCode::not_tailrace,
                          "'" + path + "' is not a Tailrace ring: it begins with other bytes",
                          "choose another --dir, or move that file away");
    }
    return {};
}

Result<void> check_version(const StreamHeader& header, const std::string& path) {
    const bool has_unknown_features = (header.features & ~kKnownFeatures) != 0;
    if (header.layout_major != kLayoutMajor || has_unknown_features) {
        const bool newer = header.layout_major > kLayoutMajor || has_unknown_features;
        return make_error(ErrorCode::incompatible,
                          "ring '" + path + "' has layout " + std::to_string(header.layout_major) +
                              "." + std::to_string(header.layout_minor) + ", " +
                              (newer ? "newer" : "older") + " than this program's " +
                              std::to_string(kLayoutMajor) + "." + std::to_string(kLayoutMinor),
                          newer ? "use the tailrace that made it, or a newer one"
                                : "stop its users and make it anew: tailrace rm, then create");
    }
    return {};
}

// Everything that code relies on later, so that a header whose checksum was forged can't lead it
// astray.
bool has_sound_fields(const StreamHeader& header) {
    StreamOptions options;
    options.capacity_bytes = header.capacity_bytes;
    options.max_payload_bytes = header.max_payload_bytes;
    options.alignment_bytes = header.alignment_bytes;
    options.publisher_slots = header.publisher_slots;
    options.subscriber_slots = header.subscriber_slots;
    options.journal_directory.assign(header.journal_directory.data(),
                                     header.journal_directory[0] != '\0' ? 1 : 0);
    if (holds_for_journal(header)) options.journal_missing = JournalMissing::hold;
    const bool publishing_known =
        header.publishing == Publishing::multi ||
        (header.publishing == Publishing::single && header.publisher_slots == 1);
    return check_stream_options(options) && publishing_known && header.max_payload_bytes != 0 &&
           static_cast<std::uint8_t>(header.publish_time) <= 2 && header.pages >= PageKind::small &&
           header.pages <= PageKind::huge_1g &&
           header.control_size_bytes ==
               control_size_bytes(header.publisher_slots, header.subscriber_slots) &&
           header.name.back() == '\0' && header.journal_directory.back() == '\0';
}

// What lies in memory doesn't outlive its boot.
bool is_in_memory(int fd) noexcept {
    struct statfs status {};
    if (::fstatfs(fd, &status) != 0) return false;
    return status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC;
}

// Whether the clock says that this was before the machine started.
bool was_before_boot(std::uint64_t wall_ns) noexcept {
    timespec up{};
    if (::clock_gettime(CLOCK_BOOTTIME, &up) != 0) return false;
    const std::uint64_t up_ns = static_cast<std::uint64_t>(up.tv_sec) * kNsPerSecond +
                                static_cast<std::uint64_t>(up.tv_nsec);
    const std::uint64_t now_ns = wall_clock_ns();
    return now_ns > up_ns && wall_ns < now_ns - up_ns;
}

// A ring is of an earlier boot if all speaks for it: a boot id may be hidden, or be a container's
// own. It is of this one if it lies in memory, or somebody holds a lock; neither outlives a boot.
Result<void> check_boot(int control_fd,
                        const StreamHeader& header,
                        const std::string& path,
                        const std::string& stream) {
    const BootId boot = current_boot();
    const BootId its_boot{header.boot_id_high, header.boot_id_low};
    if (boot != kUnknownBoot && its_boot == boot) return {};
    if (is_in_memory(control_fd) || is_locked_anywhere(control_fd)) return {};
    if (boot != kUnknownBoot && its_boot != kUnknownBoot && was_before_boot(header.created_ns)) {
        return make_error(
            ErrorCode::stale,
            "ring '" + path + "' is from an earlier boot of this machine",
            remove_hint(stream) + "; a journaled stream goes on where its journal ends");
    }
    return make_error(ErrorCode::unsupported,
                      "whether ring '" + path +
                          "' is from this boot can't be told: it doesn't lie in memory, and " +
                          (boot == kUnknownBoot ? "no boot id can be read here"
                                                : "another boot id was seen where it was made"),
                      "keep streams in memory (TAILRACE_DIR=/dev/shm/tailrace); cat "
                      "/proc/sys/kernel/random/boot_id");
}

// Why, and what helps: a ring that can't be mapped may be as sound as any other.
Error cannot_map(Error error, const std::string& stream) {
    if (!error.hint.empty()) return error;
    error.hint = error.os_errno == ENOMEM ? "ulimit -v unlimited; free -m; docker run --memory=…"
                 : error.os_errno == 0    ? remove_hint(stream)  // cut off
                                          : "tailrace doctor";
    return error;
}

Result<UniqueFd> open_by_name(const StreamPaths& paths, const std::string& name) {
    auto parent_fd = open_parent(paths, name);
    if (!parent_fd) return parent_fd.error();
    return open_stream_directory(parent_fd->get(), paths, O_PATH, name);
}

}  // namespace

std::uint64_t header_checksum(const StreamHeader& header) noexcept {
    constexpr std::size_t kFrom = offsetof(StreamHeader, control_size_bytes);
    return checksum64(std::as_bytes(std::span<const StreamHeader, 1>(&header, 1)).subspan(kFrom),
                      0);
}

Result<StreamHeader> read_header(int control_fd,
                                 const std::string& path,
                                 const std::string& stream) {
    StreamHeader header{};
    const ssize_t count = ::pread(control_fd, &header, sizeof(header), 0);
    if (count < 0) return os_error(errno, "cannot read '" + path + "'");
    if (static_cast<std::size_t>(count) >= sizeof(header.magic)) {
        if (auto checked = check_magic(header, path); !checked) return checked.error();
    }
    if (static_cast<std::size_t>(count) < sizeof(header)) {
        return make_error(ErrorCode::truncated,
                          "ring '" + path + "' is cut off: " + std::to_string(count) +
                              " bytes are left of its header",
                          remove_hint(stream));
    }
    if (auto checked = check_version(header, path); !checked) return checked.error();
    if (header.header_size_bytes != sizeof(header) ||
        header.header_checksum != header_checksum(header) || !has_sound_fields(header)) {
        return make_error(ErrorCode::corrupt,
                          "the header of ring '" + path + "' is damaged",
                          remove_hint(stream));
    }
    return header;
}

Result<StreamHeader> Region::peek(const std::string& name,
                                  const std::string& directory,
                                  bool of_any_boot) {
    if (auto checked = check_stream_name(name); !checked) return checked.error();
    const StreamPaths paths = stream_paths(name, directory);
    auto directory_fd = open_by_name(paths, name);
    if (!directory_fd) return directory_fd.error();
    auto control_fd = open_control(directory_fd->get(), paths, O_RDONLY, name);
    if (!control_fd) return control_fd.error();
    auto header = read_header(control_fd->get(), paths.control, name);
    if (!header || of_any_boot) return header;
    if (auto checked = check_boot(control_fd->get(), *header, paths.control, name); !checked)
        return checked.error();
    return header;
}

Result<std::shared_ptr<Region>> Region::open(const std::string& name,
                                             RegionAccess access,
                                             const std::string& directory) {
    if (auto checked = check_stream_name(name); !checked) return checked.error();
    const StreamPaths paths = stream_paths(name, directory);
    auto directory_fd = open_by_name(paths, name);
    if (!directory_fd) return directory_fd.error();
    return open_in(std::move(*directory_fd), name, access, directory);
}

// Both files by one descriptor of their directory: the stream may be removed meanwhile, and another
// one may have taken its name.
Result<std::shared_ptr<Region>> Region::open_in(UniqueFd directory_fd,
                                                const std::string& name,
                                                RegionAccess access,
                                                const std::string& directory) {
    const StreamPaths paths = stream_paths(name, directory);
    const bool writes_control = access != RegionAccess::observe;
    const bool writes_events = access == RegionAccess::publish;
    auto control_fd =
        open_control(directory_fd.get(), paths, writes_control ? O_RDWR : O_RDONLY, name);
    if (!control_fd) return control_fd.error();
    auto header = read_header(control_fd->get(), paths.control, name);
    if (!header) return header.error();
    if (auto checked = check_boot(control_fd->get(), *header, paths.control, name); !checked)
        return checked.error();
    TAILRACE_STEP("open.control_read");
    auto events_fd = open_events(directory_fd.get(), *header, writes_events, paths.events, name);
    if (!events_fd) return events_fd.error();

    const auto access_of = [](bool writes) {
        return writes ? MapAccess::read_write : MapAccess::read_only;
    };
    auto control = Mapping::map(
        control_fd->get(), header->control_size_bytes, access_of(writes_control), paths.control);
    if (!control) return cannot_map(control.error(), name);
    auto events =
        Mapping::map_twice(events_fd->get(),
                           header->capacity_bytes,
                           access_of(writes_events),
                           paths.events,
                           header->pages == PageKind::small ? 0 : page_size_bytes(header->pages));
    if (!events) return cannot_map(events.error(), name);

    std::shared_ptr<Region> region(new Region);
    region->name_ = name;
    region->path_ = paths.directory;
    region->access_ = access;
    region->header_ = *header;
    region->control_inode_ = identity_of(control_fd->get()).inode;
    region->directory_fd_ = std::move(directory_fd);
    region->control_fd_ = std::move(*control_fd);
    region->control_ = std::move(*control);
    region->events_ = std::move(*events);
    std::byte* const base = region->control_.data();
    region->state_ = reinterpret_cast<StreamState*>(base + kStateOffset);
    region->publisher_table_ = reinterpret_cast<PublisherSlot*>(base + kPublisherTableOffset);
    region->subscriber_table_ =
        reinterpret_cast<SubscriberSlot*>(base + subscriber_table_offset(header->publisher_slots));
    region->latency_table_ = reinterpret_cast<LatencyHistogram*>(
        base + latency_table_offset(header->publisher_slots, header->subscriber_slots));
    region->cursor_table_ = reinterpret_cast<CursorSlot*>(
        base + cursor_table_offset(header->publisher_slots, header->subscriber_slots));
    region->identity_table_ = reinterpret_cast<IdentitySlot*>(
        base + identity_table_offset(header->publisher_slots, header->subscriber_slots));
    return region;
}

Place Region::reference() const noexcept {
    // [sync:write_limit_raised] Acquire, both: a tail that is read afterwards is as new (tail()).
    // Both only grow, and a pair of two instants is as good.
    return {state_->reference_sequence.load(std::memory_order_acquire),
            state_->write_limit.load(std::memory_order_acquire)};
}

Place Region::tail() const noexcept {
    std::uint64_t word = 0;
    Place after = reference();
    // A thread may sleep between two loads while the stream goes on by more than half of what the
    // word can tell. So the reference is read on both sides. Bounded, since a scribbler may move it
    // for ever; the place is then as wrong as the word that it wrote.
    constexpr int kAttempts = 16;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        const Place before = after;
        // [sync:tail_published] Acquire: the walk from an older place to this one meets committed
        // events.
        word = state_->tail.load(std::memory_order_acquire);
        TAILRACE_STEP("tail.word_read");
        after = reference();
        if (after.position - before.position <= kFarBytes) break;
    }
    return unpack_tail(word, after);
}

StreamLife Region::life() const noexcept {
    // [sync:stream_removed] Acquire: nothing hangs on it but the end of waiting.
    const StreamLife life = state_->life.load(std::memory_order_acquire);
    if (life == StreamLife::removed || life == StreamLife::files_gone) return life;
    // Relaxed, all: a note of this process, and whoever looks twice does no harm.
    if (files_gone_.load(std::memory_order_relaxed)) return StreamLife::files_gone;
    const std::uint64_t now_ns = coarse_monotonic_ns();
    if (now_ns < next_file_look_ns_.load(std::memory_order_relaxed)) return StreamLife::open;
    next_file_look_ns_.store(now_ns + kFileLookNs, std::memory_order_relaxed);
    if (has_files()) return StreamLife::open;
    if (access_ != RegionAccess::observe) {
        end_stream(*this, StreamLife::files_gone);
        // [sync:stream_removed] Acquire: as above. Another one may have said it first.
        return state_->life.load(std::memory_order_acquire);
    }
    files_gone_.store(true, std::memory_order_relaxed);
    return StreamLife::files_gone;
}

// True too when it can't be told.
bool Region::has_files() const noexcept {
    struct stat status {};
    if (::fstatat(directory_fd_.get(), "control", &status, AT_SYMLINK_NOFOLLOW) != 0)
        return errno != ENOENT;
    if (status.st_ino != control_inode_) return false;
    return ::fstatat(directory_fd_.get(), "events", &status, AT_SYMLINK_NOFOLLOW) == 0 ||
           errno != ENOENT;
}

std::string Region::ending() const {
    switch (life()) {
        case StreamLife::open:
            return {};
        case StreamLife::files_gone:
            return "stream '" + name_ + "' is gone: its files in " + path_ +
                   " were deleted, and not by tailrace rm (tailrace doctor names those who may)";
        case StreamLife::removed:
            break;
    }
    return "stream '" + name_ + "' was removed";
}

std::string Region::lock_path() const {
    return "/proc/self/fd/" + std::to_string(control_fd_.get());
}

bool Region::is_lock_held(std::uint64_t offset) const noexcept {
    return is_locked(control_fd_.get(), offset);
}

bool Region::is_dead(const SlotOwner& owner, std::uint64_t lock_offset) const noexcept {
    return !is_lock_held(lock_offset) || tailrace::has_ended(owner.process.read());
}

}  // namespace tailrace::bus
