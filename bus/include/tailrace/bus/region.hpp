// Region: a stream's shared memory in this process. Create, open, unlink and list streams.
//
// One Region may serve any number of publishers and subscribers of this process, from any thread
// (its own members are immutable after open). `events` is mapped twice back to back, so that an
// event never wraps. Law: docs/ring_layout.md.
#pragma once

#include <tailrace/base/mapping.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/base/unique_fd.hpp>
#include <tailrace/bus/layout.hpp>
#include <tailrace/bus/stream_options.hpp>
#include <tailrace/bus/tail_word.hpp>

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

    // Takes the name away and marks the stream removed, so that its publishers and subscribers get
    // `closed`; memory goes when the last of them detaches. Error `busy` when somebody is attached,
    // unless `force`. Removes a stale or damaged stream too.
    [[nodiscard]] static Result<void> unlink(const std::string& name,
                                             bool force,
                                             const std::string& directory = {});

    // Names of all streams, sorted, whether or not they can be opened. An absent directory has
    // none.
    [[nodiscard]] static Result<std::vector<std::string>> list(const std::string& directory = {});

    // Deletes what a create or unlink that was killed half-way left behind. Returns how many.
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

    // The event at `position` and capacity_bytes() of contiguous memory from there on.
    [[nodiscard]] std::byte* event_at(std::uint64_t position) const noexcept {
        // The lowest bits go too: a position that was read from a table may be any number.
        return events_.data() + (position & (header_.capacity_bytes - kEventAlignmentBytes));
    }

    // The tail, decoded in full. One acquire load of a contended line.
    [[nodiscard]] Place tail() const noexcept;
    // Near enough to the tail to decode packed words with.
    [[nodiscard]] Place reference() const noexcept;

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
};

}  // namespace tailrace::bus
