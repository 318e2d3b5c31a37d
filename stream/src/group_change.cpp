// What is done to a group from outside: it is removed, or set to another place.

#include "dead_letters.hpp"
#include "group_file.hpp"
#include "journal_of_stream.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/file_lock.hpp>
#include <tailrace/base/step.hpp>
#include <tailrace/bus/deadline.hpp>
#include <tailrace/bus/group_files.hpp>
#include <tailrace/stream/cursor_place.hpp>
#include <tailrace/stream/group_status.hpp>
#include <tailrace/stream/stream_reader.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <ctime>
#include <optional>
#include <utility>

namespace tailrace::stream {

namespace {

constexpr std::uint64_t kGroupLockTimeoutNs = 2'000'000'000;
constexpr std::uint64_t kRetryTimeoutNs = 10'000'000'000;

Error has_members(const bus::Region& region, const std::string& group, const std::string& whom) {
    return make_error(ErrorCode::busy,
                      "group '" + group + "' of stream '" + region.name() + "' has members" + whom,
                      "tailrace group show " + region.name() + " " + group + "; end them first");
}

// "; the first one is 'mailer' (pid 41)"; empty: there is none.
std::string first_member(const GroupFile& file) {
    for (std::uint32_t index = 0; index < file.header().seats; ++index) {
        // Whether or not it has come to saying so.
        if (file.is_deserted(index)) continue;
        const std::uint32_t pid = file.seat(index).process.read().pid;
        return "; the first one is process " + std::to_string(pid);
    }
    return {};
}

Result<FileLock> take_group_lock(const GroupFile& file, const bus::Region& region) {
    const bus::Deadline deadline = bus::Deadline::in_ns(kGroupLockTimeoutNs);
    for (;;) {
        auto lock = FileLock::try_lock(file.lock_path(), kGroupLock);
        if (lock || lock.error().code != ErrorCode::busy) return lock;
        if (deadline.has_passed()) {
            return make_error(ErrorCode::busy,
                              "group '" + file.group() + "' of stream '" + region.name() +
                                  "' is locked by a process that may have been stopped",
                              "fuser -v " + region.path() + "/" + cursor_of_group(file.group()));
        }
        const timespec nap{0, 1'000'000};
        ::nanosleep(&nap, nullptr);
    }
}

// A file that can't be read has no members that could be asked for, but they may hold locks.
Result<void> remove_unreadable(const bus::Region& region,
                               const std::string& group,
                               bool force,
                               const Error& why) {
    const std::string name = cursor_of_group(group);
    const UniqueFd fd(::openat(
        region.directory_fd(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd.is_open()) return why;
    if (!force && is_locked_anywhere(fd.get())) return has_members(region, group, "");
    if (::unlinkat(region.directory_fd(), name.c_str(), 0) != 0) return why;
    return {};
}

// Members that come look at the group's life behind their seat's lock, and this looks at the locks
// behind having written it: one of the two sees the other. True: there was a file.
Result<bool> remove_file(const bus::Region& region, const std::string& group, bool force) {
    auto file = GroupFile::open(region, group, MapAccess::read_write);
    if (!file && file.error().code == ErrorCode::not_found) return false;
    if (!file && file.error().code == ErrorCode::no_permission) return file.error();
    if (!file) {
        if (auto removed = remove_unreadable(region, group, force, file.error()); !removed)
            return removed.error();
        return true;
    }
    const auto lock = take_group_lock(*file, region);
    if (!lock) return lock.error();
    std::atomic<GroupLife>& life = file->shared().life;
    // [sync:group_life] Release: the locks are looked at behind it, by system calls.
    life.store(GroupLife::closing, std::memory_order_release);
    TAILRACE_STEP("group.closing");
    const std::string whom = first_member(*file);
    if (!whom.empty() && !force) {
        // [sync:group_life] Release: as above.
        life.store(GroupLife::open, std::memory_order_release);
        return has_members(region, group, whom);
    }
    // [sync:group_life] Release: as above.
    life.store(GroupLife::removed, std::memory_order_release);
    TAILRACE_STEP("group.closed");
    file->unlink(region);
    return true;
}

}  // namespace

Result<void> remove_group(const std::string& stream,
                          const std::string& group,
                          bool force,
                          const std::string& bus_directory) {
    if (auto checked = check_group_name(group); !checked) return checked;
    auto region = bus::Region::open(stream, bus::RegionAccess::subscribe, bus_directory);
    if (!region) return region.error();
    auto place = CursorPlace::of_stream(stream, bus::RegionAccess::subscribe, bus_directory);
    if (!place) return place.error();
    auto removed = remove_file(**region, group, force);
    if (!removed) return removed.error();
    auto forgotten = place->remove(cursor_of_group(group));
    // A member that is told gives it back with its next poll.
    const bus::Deadline deadline = bus::Deadline::in_ns(kGroupLockTimeoutNs);
    while (force && !forgotten && forgotten.error().code == ErrorCode::busy &&
           !deadline.has_passed()) {
        const timespec nap{0, 1'000'000};
        ::nanosleep(&nap, nullptr);
        forgotten = place->remove(cursor_of_group(group));
    }
    if (forgotten || (*removed && forgotten.error().code == ErrorCode::not_found)) return {};
    if (forgotten.error().code != ErrorCode::not_found) return forgotten;
    return make_error(ErrorCode::not_found,
                      "stream '" + stream + "' has no group '" + group + "'",
                      "tailrace group ls " + stream);
}

// Whoever is killed between the two leaves a group that goes on from its floor.
Result<Sequence> set_group(const std::string& stream,
                           const std::string& group,
                           const Position& position,
                           const std::string& bus_directory) {
    if (auto checked = check_group_name(group); !checked) return checked.error();
    auto region = bus::Region::open(stream, bus::RegionAccess::subscribe, bus_directory);
    if (!region) return region.error();
    auto place = CursorPlace::of_stream(stream, bus::RegionAccess::subscribe, bus_directory);
    if (!place) return place.error();
    auto sequence = place->resolve(position);
    if (!sequence) return sequence;
    auto removed = remove_file(**region, group, false);
    if (!removed) return removed.error();
    bool lost_names = false;
    auto moved = place->move(cursor_of_group(group), *sequence, false, lost_names);
    if (!moved) return moved.error();
    return sequence;
}

Result<std::uint64_t> retry_dead_letters(const std::string& stream,
                                         const std::string& group,
                                         const std::string& bus_directory) {
    if (auto checked = check_group_name(group); !checked) return checked.error();
    auto region = bus::Region::open(stream, bus::RegionAccess::publish, bus_directory);
    if (!region) return region.error();
    auto file = GroupFile::open(**region, group, MapAccess::read_only);
    if (!file) return file.error();
    const std::string letters = file->settings().dead_letters;
    if (letters.empty()) {
        return invalid_argument(
            "group '" + group + "' of stream '" + stream +
                "' has no dead letters: what it buries "
                "is counted, no more",
            "GroupOptions::dead_letters; tailrace group show " + stream + " " + group);
    }
    auto dead = bus::Region::open(letters, bus::RegionAccess::subscribe, bus_directory);
    if (!dead) return dead.error();
    StreamReaderOptions reading;
    reading.name = "retry of " + group;
    reading.policy =
        journal_directory_of(**dead).empty() ? bus::SlowPolicy::gate : bus::SlowPolicy::spill;
    reading.without_recorder = true;
    reading.cursor = "retry." + group;
    reading.new_cursor_at = Position::start();
    reading.commit = CommitMode::manual;
    const Sequence end = (*dead)->tail().sequence;
    auto reader = StreamReader::attach(std::move(*dead), reading);
    if (!reader) return reader.error();
    bus::PublisherOptions publishing;
    publishing.name = reading.name;
    publishing.directory = bus_directory;
    auto publisher = bus::Publisher::attach(std::move(*region), publishing);
    if (!publisher) return publisher.error();
    std::uint64_t retried = 0;
    while (reader->next_sequence() < end) {
        auto status = bus::PublishStatus::ok;
        const bus::PollResult result = reader->poll(
            [&](const Event& event) {
                const auto deadline = bus::Deadline::in_ns(kRetryTimeoutNs);
                status = publisher->publish(event.payload(), fields_of(event), deadline);
            },
            1);
        if (status != bus::PublishStatus::ok) {
            return make_error(ErrorCode::timed_out,
                              "a dead letter can't be published to stream '" + stream +
                                  "': " + std::string(bus::publish_status_name(status)),
                              "tailrace lag " + stream + " shows who holds it up; then once more");
        }
        if (result.state > bus::PollState::gap) return reader->error();
        if (result.state == bus::PollState::idle) break;
        reader->commit();
        retried += result.events;
    }
    return retried;
}

}  // namespace tailrace::stream
