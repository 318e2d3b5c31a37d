// StreamPicture: what a stream is made of, who is attached to it, and what has been counted. What
// `tailrace inspect NAME` tells.
//
// A copy, of one moment as far as a stream stands still for it. Reads shared memory and writes
// nothing; any process that may read the stream, any thread.
#pragma once

#include <tailrace/bus/region.hpp>
#include <tailrace/bus/stream_status.hpp>
#include <tailrace/observe/figure.hpp>

#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace tailrace::observe {

struct StreamPicture {
    std::string stream;
    std::string path;  // of its directory
    bus::StreamHeader header{};
    bus::StreamStatus status;
};

[[nodiscard]] StreamPicture picture_of(const std::shared_ptr<bus::Region>& region);

// Of the stream as a whole; what follows is of its parts.
[[nodiscard]] std::span<const Figure<StreamPicture>> stream_figures() noexcept;
// Of the journal, as far as the ring knows it. Requires: status.journal.
[[nodiscard]] std::span<const Figure<StreamPicture>> ring_journal_figures() noexcept;
[[nodiscard]] std::span<const Figure<bus::PublisherStatus>> publisher_figures() noexcept;
[[nodiscard]] std::span<const Figure<bus::SubscriberStatus>> subscriber_figures() noexcept;
// What one publisher counts since it attached, or all that ever did.
[[nodiscard]] std::span<const Figure<bus::PublisherCounts>> publisher_count_figures() noexcept;
[[nodiscard]] std::span<const Figure<bus::SubscriberCounts>> subscriber_count_figures() noexcept;

// "running", "stopped", "failed", "low on space", "disk full", "opening", "none yet"
[[nodiscard]] std::string_view journal_state_name(const bus::JournalStatus& journal) noexcept;

}  // namespace tailrace::observe
