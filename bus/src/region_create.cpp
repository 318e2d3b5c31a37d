// Create: a stream is a directory that gets its name by one rename, complete. Until then it has one
// that is never taken for a stream's, and its maker holds a lock of it, by which the kernel tells
// what a killed create left behind from one at work.

#include "poll_descriptor.hpp"
#include "region_files.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/file_size_signal.hpp>
#include <tailrace/base/random.hpp>
#include <tailrace/base/shortage.hpp>
#include <tailrace/base/step.hpp>
#include <tailrace/bus/region.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>

namespace tailrace::bus {

namespace {

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
    if (options.journal_missing == JournalMissing::hold) header.features |= kHoldsForJournal;
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
        // One that was only begun is where the stream says, and readers don't look for it yet.
        if (header.first_sequence != 0)
            state->journal_memory.directory.write(header.journal_directory);
    }
    // Nothing is recorded yet: its position is 0.
    if (holds_for_journal(header))
        state->journal_hold.sequence.store(header.first_sequence, std::memory_order_relaxed);
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
    auto* const cursors =
        base + cursor_table_offset(header.publisher_slots, header.subscriber_slots);
    for (std::uint32_t index = 0; index < kCursorSlots; ++index)
        new (cursors + index * sizeof(CursorSlot)) CursorSlot{};
    auto* const identities =
        base + identity_table_offset(header.publisher_slots, header.subscriber_slots);
    for (std::uint32_t index = 0; index < kIdentitySlots; ++index)
        new (identities + index * sizeof(IdentitySlot)) IdentitySlot{};
    // Who published into an earlier ring is known to the journal that this one goes on from.
    const bool goes_on = header.first_sequence != 0 && header.journal_directory[0] != '\0';
    state->identities.scope.store(goes_on ? IdentityScope::ring : IdentityScope::all,
                                  std::memory_order_relaxed);
}

// Errors leave the directory to the caller.
Result<void> make_control(int directory_fd,
                          const StreamPaths& paths,
                          const StreamHeader& header,
                          const StreamOptions& options,
                          const std::string& stream) {
    const UniqueFd fd(
        ::openat(directory_fd, "control", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
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

// Not every file system has FIFOs; without one no subscriber of the stream has a poll descriptor.
Result<void> make_poll_fifo(int directory_fd,
                            const std::string& directory,
                            const StreamOptions& options) {
    const std::string path = directory + "/" + kPollFifo;
    if (::mkfifoat(directory_fd, kPollFifo, 0600) != 0) {
        if (errno == EPERM || errno == EOPNOTSUPP) return {};
        return os_error(errno, "cannot create '" + path + "'");
    }
    constexpr int kFlags = O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC;
    const UniqueFd fd(::openat(directory_fd, kPollFifo, kFlags));
    if (!fd.is_open()) return os_error(errno, "cannot open '" + path + "'");
    TAILRACE_STEP("create.fifo_made");
    return give_file(fd, path, options, options.mode & kFileModes);
}

Result<void> fill_directory(const UniqueFd& directory,
                            const std::string& path,
                            const std::string& name,
                            const StreamOptions& options,
                            const std::string& parent) {
    const StreamPaths paths{parent, path, path + "/control", path + "/events"};
    auto pages = make_events(directory.get(), paths, options, name);
    if (!pages) return pages.error();
    const StreamHeader header = make_header(name, options, *pages);
    if (auto made = make_control(directory.get(), paths, header, options, name); !made)
        return made.error();
    if (auto made = make_poll_fifo(directory.get(), path, options); !made) return made.error();
    if (!options.types.is_empty()) {
        if (auto made = write_schema(directory.get(), path, options); !made) return made.error();
    }
    const std::uint32_t readable = options.mode & 0444U;
    return give_file(directory, path, options, (options.mode & 0777U) | (readable >> 2U));
}

// A directory of a new name, locked by this process.
Result<UniqueFd> make_directory(int parent_fd,
                                const StreamPaths& paths,
                                const std::string& stream,
                                std::string& building) {
    const auto cannot = [&] {
        return os_error(
            errno,
            "cannot create stream '" + stream + "' in " + paths.parent,
            errno == EMFILE ? "ulimit -n" : "choose another place with --dir or TAILRACE_DIR");
    };
    for (;;) {  // ends: whoever sweeps up would have to meet each new name before it is locked
        building = unlisted_name(kCreatingPrefix, stream);
        if (::mkdirat(parent_fd, building.c_str(), 0700) != 0) return cannot();
        TAILRACE_STEP("create.directory_made");
        UniqueFd fd(
            ::openat(parent_fd, building.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (fd.is_open() && ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0 &&
            leads_to(parent_fd, building, identity_of(fd.get()))) {
            return fd;
        }
        // Somebody has taken it for a leftover, in between.
        if (!fd.is_open() && errno != ENOENT) {
            const Error error = cannot();
            ::unlinkat(parent_fd, building.c_str(), AT_REMOVEDIR);
            return error;
        }
    }
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

std::string unlisted_name(std::string_view prefix, const std::string& stream) {
    char suffix[32];
    std::snprintf(
        suffix, sizeof(suffix), ".%016llx", static_cast<unsigned long long>(random_word()));
    return std::string(prefix) + stream + suffix;
}

Result<void> Region::create(const std::string& name,
                            const StreamOptions& options,
                            const std::string& directory) {
    if (auto checked = check_stream_name(name); !checked) return checked.error();
    if (auto checked = check_stream_options(options); !checked) return checked.error();
    const StreamPaths paths = stream_paths(name, directory);
    if (auto made = make_parent(paths.parent); !made) return made.error();
    auto parent = open_parent(paths, name);
    if (!parent) return parent.error();
    struct stat status {};
    if (::fstatat(parent->get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
        return exists_error(name, paths);

    std::string building;
    auto made = make_directory(parent->get(), paths, name, building);
    if (!made) return made.error();
    const auto give_up = [&](const Error& error) {
        remove_contents(made->get());
        ::unlinkat(parent->get(), building.c_str(), AT_REMOVEDIR);
        return error;
    };
    const std::string path = paths.parent + "/" + building;
    if (auto filled = fill_directory(*made, path, name, options, paths.parent); !filled)
        return give_up(filled.error());
    TAILRACE_STEP("create.complete");
    // A rename never replaces a directory with files in it, so of two creates one gets EEXIST or
    // ENOTEMPTY.
    if (::renameat(parent->get(), building.c_str(), parent->get(), name.c_str()) != 0) {
        const int os_errno = errno;
        if (os_errno == EEXIST || os_errno == ENOTEMPTY) return give_up(exists_error(name, paths));
        return give_up(
            os_error(os_errno, "cannot name stream '" + name + "' (" + paths.directory + ")"));
    }
    TAILRACE_STEP("create.named");
    return {};
}

}  // namespace tailrace::bus
