// Claim, BatchClaim: room in the ring that a publisher fills before it commits.
//
// Filled by Publisher, ended by its commit or abort. The payloads lie in shared memory, up to a
// quarter of the ring in one piece. One thread.
#pragma once

#include <tailrace/base/event.hpp>
#include <tailrace/bus/ring_bytes.hpp>
#include <tailrace/bus/tail_word.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace tailrace::bus {

// What an event carries beside its payload.
struct EventFields {
    EventType type = 0;
    std::uint64_t event_time_ns = 0;  // 0: none
    std::uint64_t key = 0;
    bool has_key = false;
};

// One event of a batch.
struct BatchEvent {
    std::span<const std::byte> payload;
    EventFields fields;
};

// An open claim. Plain data, filled by Publisher; ends with commit or abort.
struct Claim {
    std::span<std::byte> payload;
    Sequence sequence = kNoSequence;

    // The publisher's own bookkeeping.
    std::uint64_t position = 0;
    std::uint64_t size_bytes = 0;
    std::uint64_t header_word = 0;
};

// An open claim of several events that become visible at once. next() hands out one payload after
// the other; a committed batch has all of them filled.
class BatchClaim {
public:
    [[nodiscard]] Sequence first_sequence() const noexcept { return place_.sequence; }
    [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
    // The next event's payload; empty after the last.
    [[nodiscard]] std::span<std::byte> next() noexcept {
        if (handed_out_ == count_) return {};
        std::byte* const record = next_record_;
        if (record_bytes_ != 0) {
            next_record_ += record_bytes_;
            ++handed_out_;
            return {record + payload_offset_bytes_, static_cast<std::uint32_t>(header_word_)};
        }
        const EventHeader header = load_header(record);
        const std::uint64_t record_bytes =
            event_size_bytes(header.payload_size_bytes, header.extension_words, alignment_bytes_);
        // The sizes were written by this publisher, but into memory that others may scribble on.
        if (record_bytes > bytes_left_) return {};
        bytes_left_ -= record_bytes;
        next_record_ += record_bytes;
        ++handed_out_;
        return {record + sizeof(EventHeader) + header.extension_words * kExtensionWordBytes,
                header.payload_size_bytes};
    }

private:
    friend class Publisher;

    Place place_{kNoSequence, 0};
    std::uint64_t size_bytes_ = 0;
    std::uint32_t count_ = 0;
    std::uint32_t handed_out_ = 0;
    std::byte* next_record_ = nullptr;
    // Events of one size: header_word_ is that of the last one, and nothing stands in the ring
    // before the commit. Events of several sizes: 0, and their headers stand in the ring.
    std::uint64_t record_bytes_ = 0;
    std::uint64_t header_word_ = 0;
    std::uint64_t payload_offset_bytes_ = 0;
    std::uint64_t bytes_left_ = 0;
    std::uint64_t alignment_bytes_ = 0;
};

}  // namespace tailrace::bus
