// Create, unlink and list: the life of a stream's name.
//
// A stream is a directory that gets its name by one rename, complete. A create that is killed
// half-way leaves a
// `.creating-…` directory, an unlink a `.removed-…` one; neither is ever taken for a stream.

#include "poll_descriptor.hpp"
#include "region_files.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/file_size_signal.hpp>
#include <tailrace/base/random.hpp>
#include <tailrace/base/shortage.hpp>
#include <tailrace/base/step.hpp>
#include <tailrace/bus/journal_board.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/bus/wait.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <dirent.h>
#include <new>

namespace tailrace::bus {

namespace {

constexpr std::string_view kCreatingPrefix = ".creating-";
constexpr std::string_view kRemovedPrefix = ".removed-";

// Unique among processes, threads and boots; says who, for remove_leftovers.
std::string leftover_name(std::string_view prefix, const std::string& stream) {
    const ProcessIdentity process = current_process();
    char suffix[96];
    std::snprintf(suffix,
                  sizeof(suffix),
                  ".%u.%llu.%016llx",
                  process.pid,
                  static_cast<unsigned long long>(process.start_ticks),
                  static_cast<unsigned long long>(random_word()));
    return std::string(prefix) + stream + suffix;
}

void remove_poll_fifos(const std::string& path) noexcept {
    DIR* const entries = ::opendir(path.c_str());
    if (entries == nullptr) return;  // the directory then stays, for remove_leftovers
    while (const dirent* const entry = ::readdir(entries)) {
        if (std::string_view(entry->d_name).starts_with(kPollFifoPrefix))
            ::unlinkat(::dirfd(entries), entry->d_name, 0);
    }
    ::closedir(entries);
}

void remove_directory(const std::string& path) noexcept {
    remove_poll_fifos(path);
    ::unlink((path + "/control").c_str());
    TAILRACE_STEP("remove.control_gone");
    remove_events(path + "/events");
    TAILRACE_STEP("remove.events_gone");
    ::rmdir(path.c_str());
}

std::string mebibytes(std::uint64_t bytes) {
    return std::to_string(bytes >> 20U) + " MiB";
}

Error no_room(int os_errno,
              const std::string& stream,
              const std::string& parent,
              std::uint64_t needed) {
    struct statvfs status {};
    std::string available = "an unknown amount";
    if (::statvfs(parent.c_str(), &status) == 0) {
        available = mebibytes(std::uint64_t{status.f_bavail} * status.f_frsize);
    }
    Error error = os_error(os_errno,
                           "cannot create stream '" + stream + "' of " + mebibytes(needed) + ": " +
                               parent + " has " + available + " free");
    error.hint = "tailrace rm --stale, a smaller --capacity, or mount -o remount,size=… " + parent +
                 " (in a container: --shm-size)";
    return error;
}

StreamHeader make_header(const std::string& name, const StreamOptions& options, PageKind pages) {
    StreamHeader header{};
    header.magic = kControlMagic;
    header.layout_major = kLayoutMajor;
    header.layout_minor = kLayoutMinor;
    header.header_size_bytes = sizeof(StreamHeader);
    header.publishing = options.publishing;
    header.publisher_slots = static_cast<std::uint16_t>(
        options.publishing == Publishing::single ? 1 : options.publisher_slots);
    header.subscriber_slots = static_cast<std::uint16_t>(options.subscriber_slots);
    header.control_size_bytes = control_size_bytes(header.publisher_slots, header.subscriber_slots);
    header.capacity_bytes = options.capacity_bytes;
    header.salt = random_word();
    header.stream_id_high = random_word();
    header.stream_id_low = random_word();
    const BootId boot = current_boot();
    header.boot_id_high = boot.high;
    header.boot_id_low = boot.low;
    header.created_ns = wall_clock_ns();
    header.first_sequence = options.first_sequence;
    header.max_payload_bytes =
        options.max_payload_bytes != 0
            ? options.max_payload_bytes
            : static_cast<std::uint32_t>(default_max_payload_bytes(options.capacity_bytes));
    header.alignment_bytes = static_cast<std::uint8_t>(options.alignment_bytes);
    header.publish_time = options.publish_time;
    header.pages = pages;
    header.mode = options.mode;
    header.group_id = options.group_id;
    std::copy(name.begin(), name.end(), header.name.begin());
    std::copy(options.journal_directory.begin(),
              options.journal_directory.end(),
              header.journal_directory.begin());
    header.header_checksum = header_checksum(header);
    return header;
}

// Nobody else sees the file yet, so every order here is relaxed: the rename publishes it.
void write_control(std::byte* base,
                   const StreamHeader& header,
                   const StreamOptions& options) noexcept {
    std::memcpy(base, &header, sizeof(header));
    auto* const state = new (base + kStateOffset) StreamState{};
    const std::uint64_t tail = pack_tail({header.first_sequence, 0});
    state->tail.store(tail, std::memory_order_relaxed);
    state->reference_sequence.store(header.first_sequence, std::memory_order_relaxed);
    state->life.store(StreamLife::open, std::memory_order_relaxed);
    state->journal.durable_sequence.store(header.first_sequence, std::memory_order_relaxed);
    state->journal.written_sequence.store(header.first_sequence, std::memory_order_relaxed);
    if (options.journal_id[0] != 0) {
        state->journal_memory.id_high.store(options.journal_id[0], std::memory_order_relaxed);
        state->journal_memory.id_low.store(options.journal_id[1], std::memory_order_relaxed);
        state->journal_memory.durable_sequence.store(header.first_sequence,
                                                     std::memory_order_relaxed);
        state->journal_memory.directory = header.journal_directory;
    }
    for (auto& checkpoint : state->checkpoints)
        checkpoint.store(tail, std::memory_order_relaxed);
    auto* const publishers = base + kPublisherTableOffset;
    for (std::uint32_t index = 0; index < header.publisher_slots; ++index) {
        auto* const slot = new (publishers + index * sizeof(PublisherSlot)) PublisherSlot{};
        slot->intent_sequence.store(kNoSequence, std::memory_order_relaxed);
    }
    auto* const subscribers = base + subscriber_table_offset(header.publisher_slots);
    for (std::uint32_t index = 0; index < header.subscriber_slots; ++index) {
        auto* const slot = new (subscribers + index * sizeof(SubscriberSlot)) SubscriberSlot{};
        slot->gate_position.store(kNoPosition, std::memory_order_relaxed);
    }
    auto* const latencies =
        base + latency_table_offset(header.publisher_slots, header.subscriber_slots);
    for (std::uint32_t index = 0; index < header.subscriber_slots; ++index) {
        new (latencies + index * sizeof(LatencyHistogram)) LatencyHistogram{};
    }
}

// Errors leave the directory to the caller.
Result<void> make_control(const StreamPaths& paths,
                          const StreamHeader& header,
                          const StreamOptions& options,
                          const std::string& stream) {
    const UniqueFd fd(::open(paths.control.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd.is_open()) return os_error(errno, "cannot create '" + paths.control + "'");
    TAILRACE_STEP("create.file_made");
    if (auto reserved =
            reserve_file(fd, paths.control, header.control_size_bytes, stream, paths.parent);
        !reserved) {
        return reserved.error();
    }
    if (auto given = give_file(fd, paths.control, options, options.mode & kFileModes); !given)
        return given.error();
    auto control =
        Mapping::map(fd.get(), header.control_size_bytes, MapAccess::read_write, paths.control);
    if (!control) return control.error();
    write_control(control->data(), header, options);
    TAILRACE_STEP("create.control_written");
    return {};
}

Result<void> fill_directory(const std::string& path,
                            const std::string& name,
                            const StreamOptions& options,
                            const std::string& parent) {
    const StreamPaths paths{parent, path, path + "/control", path + "/events"};
    auto pages = make_events(paths, options, name);
    if (!pages) return pages.error();
    const StreamHeader header = make_header(name, options, *pages);
    if (auto made = make_control(paths, header, options, name); !made) return made.error();
    const UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::uint32_t readable = options.mode & 0444U;
    return give_file(directory, path, options, (options.mode & 0777U) | (readable >> 2U));
}

Result<void> make_parent(const std::string& parent) {
    // As open as /dev/shm itself: anybody may create streams, only owners may delete them.
    constexpr mode_t kSharedDirectory = 01777;
    if (::mkdir(parent.c_str(), kSharedDirectory) == 0) {
        ::chmod(parent.c_str(), kSharedDirectory);
        return {};
    }
    if (errno == EEXIST) return {};
    return os_error(errno,
                    "cannot make the directory '" + parent + "' for streams",
                    "choose another with --dir or TAILRACE_DIR");
}

Error exists_error(const std::string& name, const StreamPaths& paths) {
    return make_error(ErrorCode::already_exists,
                      "stream '" + name + "' exists already (" + paths.directory + ")",
                      "use it as it is (--if-not-exists), or tailrace rm " + name + " --yes first");
}

// Whether a living process holds any slot or the journal's role.
bool is_in_use(const Region& region) noexcept {
    if (has_journal_writer(region)) return true;
    for (std::uint32_t index = 0; index < region.header().publisher_slots; ++index) {
        if (region.is_lock_held(kPublisherLocks + index)) return true;
    }
    for (std::uint32_t index = 0; index < region.header().subscriber_slots; ++index) {
        if (region.is_lock_held(kSubscriberLocks + index)) return true;
    }
    return false;
}

}  // namespace

Result<void> reserve_file(const UniqueFd& fd,
                          const std::string& path,
                          std::uint64_t size_bytes,
                          const std::string& stream,
                          const std::string& parent) {
    // Reserved now, so that a full memory is an error here and never a SIGBUS at a publish.
    const FileSizeSignalHold hold;
    const int reserved = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(size_bytes));
    if (reserved == ENOSPC || reserved == ENOMEM || reserved == EDQUOT)
        return no_room(reserved, stream, parent, size_bytes);
    if (reserved != 0) {
        const Shortage shortage = shortage_of(reserved, parent);
        return os_error(reserved,
                        "cannot reserve " + mebibytes(size_bytes) + " for '" + path + "', since " +
                            shortage.what,
                        shortage.hint);
    }
    TAILRACE_STEP("create.file_reserved");
    return {};
}

Result<void> give_file(const UniqueFd& fd,
                       const std::string& path,
                       const StreamOptions& options,
                       std::uint32_t mode) {
    // The group first: giving a file away may take bits of its mode.
    if (options.group_id != kNoGroup &&
        ::fchown(fd.get(), static_cast<uid_t>(-1), options.group_id) != 0) {
        return os_error(errno,
                        "cannot give '" + path + "' to group " + std::to_string(options.group_id),
                        "id -G shows the groups that this user may give files to; root may choose "
                        "any");
    }
    if (::fchmod(fd.get(), mode) != 0)
        return os_error(errno, "cannot set the mode of '" + path + "'");
    return {};
}

Result<void> Region::create(const std::string& name,
                            const StreamOptions& options,
                            const std::string& directory) {
    if (auto checked = check_stream_name(name); !checked) return checked.error();
    if (auto checked = check_stream_options(options); !checked) return checked.error();
    const StreamPaths paths = stream_paths(name, directory);
    if (auto made = make_parent(paths.parent); !made) return made.error();
    if (::access(paths.directory.c_str(), F_OK) == 0) return exists_error(name, paths);

    const std::string building = paths.parent + "/" + leftover_name(kCreatingPrefix, name);
    if (::mkdir(building.c_str(), 0700) != 0) {
        return os_error(errno,
                        "cannot create stream '" + name + "' in " + paths.parent,
                        "choose another place with --dir or TAILRACE_DIR");
    }
    TAILRACE_STEP("create.directory_made");
    if (auto filled = fill_directory(building, name, options, paths.parent); !filled) {
        remove_directory(building);
        return filled.error();
    }
    TAILRACE_STEP("create.complete");
    // A rename never replaces a directory with files in it, so of two creates one gets EEXIST or
    // ENOTEMPTY.
    if (::rename(building.c_str(), paths.directory.c_str()) != 0) {
        const int os_errno = errno;
        remove_directory(building);
        if (os_errno == EEXIST || os_errno == ENOTEMPTY) return exists_error(name, paths);
        return os_error(os_errno, "cannot name stream '" + name + "' (" + paths.directory + ")");
    }
    TAILRACE_STEP("create.named");
    return {};
}

Result<void> Region::unlink(const std::string& name, bool force, const std::string& directory) {
    if (auto checked = check_stream_name(name); !checked) return checked.error();
    const StreamPaths paths = stream_paths(name, directory);
    auto region = open(name, RegionAccess::subscribe, directory);
    if (!region && region.error().code == ErrorCode::not_found) {
        if (::access(paths.directory.c_str(), F_OK) != 0) return region.error();
    }
    if (!region && region.error().code == ErrorCode::no_permission) return region.error();
    if (region && !force && is_in_use(**region)) {
        return make_error(ErrorCode::busy,
                          "stream '" + name + "' is in use",
                          "tailrace lag " + name + " shows by whom; tailrace rm " + name +
                              " --yes --force removes it all the same");
    }
    const std::string doomed = paths.parent + "/" + leftover_name(kRemovedPrefix, name);
    if (::rename(paths.directory.c_str(), doomed.c_str()) != 0) {
        return os_error(errno, "cannot remove stream '" + name + "' (" + paths.directory + ")");
    }
    TAILRACE_STEP("remove.renamed");
    if (region) {
        StreamState& state = (*region)->state();
        // [sync:stream_removed] Release: nothing is published under it; it only ends waits and
        // claims.
        state.life.store(StreamLife::removed, std::memory_order_release);
        TAILRACE_STEP("remove.marked");
        wake_subscribers(**region);
        wake_all(state.publishers_wait);
        wake_all(state.journal.durable_wait);
    }
    remove_directory(doomed);
    return {};
}

Result<std::vector<std::string>> Region::list(const std::string& directory) {
    const std::string parent = directory.empty() ? default_directory() : directory;
    std::vector<std::string> names;
    DIR* const entries = ::opendir(parent.c_str());
    if (entries == nullptr) {
        if (errno == ENOENT) return names;
        return os_error(errno, "cannot list streams in '" + parent + "'");
    }
    while (const dirent* const entry = ::readdir(entries)) {
        if (entry->d_name[0] == '.') continue;
        const StreamPaths paths = stream_paths(entry->d_name, parent);
        if (::access(paths.control.c_str(), F_OK) == 0) names.emplace_back(entry->d_name);
    }
    ::closedir(entries);
    std::sort(names.begin(), names.end());
    return names;
}

Result<std::uint64_t> Region::remove_leftovers(const std::string& directory) {
    const std::string parent = directory.empty() ? default_directory() : directory;
    DIR* const entries = ::opendir(parent.c_str());
    if (entries == nullptr) {
        if (errno == ENOENT) return std::uint64_t{0};
        return os_error(errno, "cannot list streams in '" + parent + "'");
    }
    std::vector<std::string> leftovers;
    while (const dirent* const entry = ::readdir(entries)) {
        const std::string_view entry_name = entry->d_name;
        if (!entry_name.starts_with(kCreatingPrefix) && !entry_name.starts_with(kRemovedPrefix))
            continue;
        // The name ends in .PID.START.RANDOM; its maker is at work as long as that process lives.
        ProcessIdentity maker = current_process();
        const auto random_dot = entry_name.rfind('.');
        const auto start_dot = entry_name.rfind('.', random_dot - 1);
        const auto pid_dot = entry_name.rfind('.', start_dot - 1);
        maker.pid =
            static_cast<std::uint32_t>(std::strtoul(entry->d_name + pid_dot + 1, nullptr, 10));
        maker.start_ticks = std::strtoull(entry->d_name + start_dot + 1, nullptr, 10);
        if (has_ended(maker)) leftovers.emplace_back(parent + "/" + entry->d_name);
    }
    ::closedir(entries);
    for (const std::string& leftover : leftovers)
        remove_directory(leftover);
    return static_cast<std::uint64_t>(leftovers.size());
}

}  // namespace tailrace::bus
