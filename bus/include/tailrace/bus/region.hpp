// Region: a stream's shared memory in this process. Create, open, unlink and list streams.
//
// One Region may serve any number of publishers and subscribers of this process, from any thread
// (what its members say is immutable after open, but for what they know of the stream's end).
// `events` is mapped twice back to back, so that an event never wraps. Law: docs/ring_layout.md.
#pragma once

#include <tailrace/base/mapping.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/base/unique_fd.hpp>
#include <tailrace/bus/layout.hpp>
#include <tailrace/bus/stream_options.hpp>
#include <tailrace/bus/tail_word.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tailrace::bus {

enum class RegionAccess {
    observe,    // everything read-only, mapping and descriptors; leaves no trace
    subscribe,  // control read-write, events read-only
    publish,    // both read-write
};

class Region {
public:
    Region(Region&&) = delete;
    Region& operator=(Region&&) = delete;
    Region(const Region&) = delete;
    Region& operator=(const Region&) = delete;
    ~Region() = default;

    // Makes the stream, with all its memory reserved and zeroed; it appears under its name complete
    // or not at all. Errors: already_exists, no_space, no_permission, invalid_argument. `directory`
    // empty: the default.
    [[nodiscard]] static Result<void> create(const std::string& name,
                                             const StreamOptions& options,
                                             const std::string& directory = {});

    // Checks everything that it will rely on: magic, version, checksum, sizes, boot. Errors:
    // not_found, not_tailrace, incompatible, truncated, corrupt, stale, no_permission.
    [[nodiscard]] static Result<std::shared_ptr<Region>> open(const std::string& name,
                                                              RegionAccess access,
                                                              const std::string& directory = {});

    // The header alone, checked as by open; `of_any_boot`: a stale one too. Maps nothing.
    [[nodiscard]] static Result<StreamHeader> peek(const std::string& name,
                                                   const std::string& directory = {},
                                                   bool of_any_boot = false);

    // Takes the name away and marks the stream removed, so that its publishers and subscribers get
    // `closed`; memory goes when the last of them detaches. Error `busy` when anybody holds a lock
    // of it, unless `force`: asked of the kernel, so it holds for a stream that can't be opened
    // too (no room to map it, another layout, damaged), and such a one that nobody uses is removed.
    // Error not_found when another stream has taken its place meanwhile, or when it isn't the one
    // that the caller has looked at before (`expected`).
    [[nodiscard]] static Result<void> unlink(const std::string& name,
                                             bool force,
                                             const std::string& directory = {},
                                             const StreamHeader* expected = nullptr);

    // Names of all streams, sorted, whether or not they can be opened. An absent directory has
    // none.
    [[nodiscard]] static Result<std::vector<std::string>> list(const std::string& directory = {});

    // Deletes what a create or unlink that was killed half-way left behind, as far as it is this
    // user's (root: anybody's). Who is at work is told by a lock. Returns how many.
    [[nodiscard]] static Result<std::uint64_t> remove_leftovers(const std::string& directory = {});

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] RegionAccess access() const noexcept { return access_; }
    // A private copy, checked at open: a scribbler can't change it under us.
    [[nodiscard]] const StreamHeader& header() const noexcept { return header_; }
    [[nodiscard]] std::uint64_t capacity_bytes() const noexcept { return header_.capacity_bytes; }

    // Requires: access() != observe for anything that is written through these.
    [[nodiscard]] StreamState& state() const noexcept { return *state_; }
    [[nodiscard]] PublisherSlot& publisher_slot(std::uint32_t index) const noexcept {
        return publisher_table_[index];
    }
    [[nodiscard]] SubscriberSlot& subscriber_slot(std::uint32_t index) const noexcept {
        return subscriber_table_[index];
    }
    // The delivery latencies of that slot's subscriber.
    [[nodiscard]] LatencyHistogram& latency_histogram(std::uint32_t index) const noexcept {
        return latency_table_[index];
    }

    [[nodiscard]] CursorSlot& cursor_slot(std::uint32_t index) const noexcept {
        return cursor_table_[index];
    }
    [[nodiscard]] IdentitySlot& identity_slot(std::uint32_t index) const noexcept {
        return identity_table_[index];
    }

    // The event at `position` and capacity_bytes() of contiguous memory from there on.
    [[nodiscard]] std::byte* event_at(std::uint64_t position) const noexcept {
        // The lowest bits go too: a position that was read from a table may be any number.
        return events_.data() + (position & (header_.capacity_bytes - kEventAlignmentBytes));
    }

    // The tail, decoded in full. One acquire load of a contended line.
    [[nodiscard]] Place tail() const noexcept;
    // Near enough to the tail to decode packed words with.
    [[nodiscard]] Place reference() const noexcept;

    // Whether the stream goes on, and how it ended. Now and then it looks whether the files are
    // still there, and tells everybody when they aren't. A load and a coarse clock, mostly.
    [[nodiscard]] StreamLife life() const noexcept;
    [[nodiscard]] bool has_ended() const noexcept { return life() != StreamLife::open; }
    // "stream 'x' was removed", or what became of it instead; empty while it goes on.
    [[nodiscard]] std::string ending() const;

    // The stream's directory (O_PATH), also after it lost its name.
    [[nodiscard]] int directory_fd() const noexcept { return directory_fd_.get(); }
    // For locks: a path that opens the same control file again, even after it lost its name.
    [[nodiscard]] std::string lock_path() const;
    // Whether somebody alive holds the lock byte (kPublisherLocks + i, …). One system call.
    [[nodiscard]] bool is_lock_held(std::uint64_t offset) const noexcept;
    // The kernel says that a slot's owner is gone: its lock is free, or its process ended (a forked
    // child keeps the lock). Meaningful while the slot is active.
    [[nodiscard]] bool is_dead(const SlotOwner& owner, std::uint64_t lock_offset) const noexcept;

private:
    Region() = default;

    [[nodiscard]] static Result<std::shared_ptr<Region>> open_in(UniqueFd directory_fd,
                                                                 const std::string& name,
                                                                 RegionAccess access,
                                                                 const std::string& directory);
    [[nodiscard]] bool has_files() const noexcept;

    std::string name_;
    std::string path_;
    RegionAccess access_ = RegionAccess::observe;
    StreamHeader header_{};
    UniqueFd directory_fd_;
    UniqueFd control_fd_;
    Mapping control_;
    Mapping events_;
    StreamState* state_ = nullptr;
    PublisherSlot* publisher_table_ = nullptr;
    SubscriberSlot* subscriber_table_ = nullptr;
    LatencyHistogram* latency_table_ = nullptr;
    CursorSlot* cursor_table_ = nullptr;
    IdentitySlot* identity_table_ = nullptr;
    std::uint64_t control_inode_ = 0;
    mutable std::atomic<bool> files_gone_{false};  // noticed by an observer
    mutable std::atomic<std::uint64_t> next_file_look_ns_{0};
};

}  // namespace tailrace::bus
