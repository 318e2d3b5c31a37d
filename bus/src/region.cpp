#include "region_files.hpp"

#include <tailrace/base/checksum.hpp>
#include <tailrace/base/file_lock.hpp>
#include <tailrace/base/step.hpp>
#include <tailrace/bus/region.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>

namespace tailrace::bus {

namespace {

// `directory_fd`: where to look; `path` is for messages, but for its last part.
Result<UniqueFd> open_file(int directory_fd,
                           const std::string& path,
                           int flags,
                           const std::string& stream) {
    const std::size_t last_part = directory_fd == AT_FDCWD ? 0 : path.rfind('/') + 1;
    UniqueFd fd(::openat(directory_fd, path.c_str() + last_part, flags | O_CLOEXEC));
    if (fd.is_open()) return fd;
    if (errno == ENOENT || errno == ENOTDIR) {
        return make_error(ErrorCode::not_found,
                          "there is no stream '" + stream + "' (no " + path + ")",
                          "tailrace create " + stream);
    }
    if (errno == EACCES || errno == EPERM) {
        return os_error(
            errno,
            "cannot open stream '" + stream + "' (" + path + ")",
            "ls -l " + path + "; run as its owner, or create the stream with --mode 0666");
    }
    return os_error(errno, "cannot open stream '" + stream + "' (" + path + ")");
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
    if (header.layout_major != kLayoutMajor || header.features != 0) {
        const bool newer = header.layout_major > kLayoutMajor || header.features != 0;
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

Result<StreamHeader> read_header(int fd, const std::string& path, const std::string& stream) {
    StreamHeader header{};
    const ssize_t count = ::pread(fd, &header, sizeof(header), 0);
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
    const BootId boot = current_boot();
    if (header.boot_id_high != boot.high || header.boot_id_low != boot.low) {
        return make_error(
            ErrorCode::stale,
            "ring '" + path + "' is from an earlier boot of this machine",
            remove_hint(stream) + "; a journaled stream goes on where its journal ends");
    }
    return header;
}

Error with_hint(Error error, std::string hint) {
    if (error.hint.empty()) error.hint = std::move(hint);
    return error;
}

}  // namespace

std::uint64_t header_checksum(const StreamHeader& header) noexcept {
    constexpr std::size_t kFrom = offsetof(StreamHeader, control_size_bytes);
    return checksum64(std::as_bytes(std::span<const StreamHeader, 1>(&header, 1)).subspan(kFrom),
                      0);
}

StreamPaths stream_paths(const std::string& name, const std::string& directory) {
    StreamPaths paths;
    paths.parent = directory.empty() ? default_directory() : directory;
    paths.directory = paths.parent + "/" + name;
    paths.control = paths.directory + "/control";
    paths.events = paths.directory + "/events";
    return paths;
}

Result<std::shared_ptr<Region>> Region::open(const std::string& name,
                                             RegionAccess access,
                                             const std::string& directory) {
    if (auto checked = check_stream_name(name); !checked) return checked.error();
    const StreamPaths paths = stream_paths(name, directory);
    const bool writes_control = access != RegionAccess::observe;
    const bool writes_events = access == RegionAccess::publish;

    // Both files by one descriptor of their directory: the stream may be removed meanwhile, and
    // another one may have taken its name.
    auto directory_fd = open_file(AT_FDCWD, paths.directory, O_PATH | O_DIRECTORY, name);
    if (!directory_fd) return directory_fd.error();
    auto control_fd =
        open_file(directory_fd->get(), paths.control, writes_control ? O_RDWR : O_RDONLY, name);
    if (!control_fd) return control_fd.error();
    auto header = read_header(control_fd->get(), paths.control, name);
    if (!header) return header.error();
    TAILRACE_STEP("open.control_read");
    auto events_fd = open_events(directory_fd->get(), *header, writes_events, paths.events, name);
    if (!events_fd) return events_fd.error();

    const auto access_of = [](bool writes) {
        return writes ? MapAccess::read_write : MapAccess::read_only;
    };
    auto control = Mapping::map(
        control_fd->get(), header->control_size_bytes, access_of(writes_control), paths.control);
    if (!control) return with_hint(control.error(), remove_hint(name));
    auto events =
        Mapping::map_twice(events_fd->get(),
                           header->capacity_bytes,
                           access_of(writes_events),
                           paths.events,
                           header->pages == PageKind::small ? 0 : page_size_bytes(header->pages));
    if (!events) return with_hint(events.error(), remove_hint(name));

    std::shared_ptr<Region> region(new Region);
    region->name_ = name;
    region->path_ = paths.directory;
    region->access_ = access;
    region->header_ = *header;
    region->directory_fd_ = std::move(*directory_fd);
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

std::string Region::lock_path() const {
    return "/proc/self/fd/" + std::to_string(control_fd_.get());
}

bool Region::is_lock_held(std::uint64_t offset) const noexcept {
    return is_locked(control_fd_.get(), offset);
}

bool Region::is_dead(const SlotOwner& owner, std::uint64_t lock_offset) const noexcept {
    return !is_lock_held(lock_offset) || has_ended(owner.process);
}

}  // namespace tailrace::bus
