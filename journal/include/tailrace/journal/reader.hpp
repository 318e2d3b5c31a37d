// Reader: the events of a journal in order, from any sequence or time, beside a running writer or
// without one.
//
// Needs only read permission, leaves no trace. The segment that it reads is leased: retention may
// take its name, but not its bytes. One thread per reader. What is handed
// out has been checked (checksums, stamps, sizes) and lies in the reader's own memory until the
// next call. A reader follows: after `end` it may be asked again, and goes on when more was
// written. It may be ahead of the durable sequence (what is written but not yet flushed is
// readable); the end of a journal whose writer died may come back a little lower, never below
// durable.
//
//     auto reader = Reader::open("/var/lib/orders");
//     auto at = reader->seek_time(noon_ns);
//     while (true) {
//         auto step = reader->next_batch();
//         if (!step) return step.error();
//         if (step->kind == ReadKind::end) break;
//         for (const Event& event : step->batch) consume(event);
//     }
#pragma once

#include <tailrace/base/event.hpp>
#include <tailrace/base/home_process.hpp>
#include <tailrace/base/result.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace tailrace::journal {

enum class ReadKind : std::uint8_t {
    event,  // next_batch: at least one event
    gap,    // these sequences are not in the journal and never will be
    end,    // nothing more is written so far
};

enum class GapKind : std::uint8_t {
    never_journaled,  // they left the ring before the journal had them
    lost,             // they were journaled, and damage took them; a repair says so
};

struct Gap {
    Sequence first = 0;
    std::uint64_t count = 0;
    GapKind kind = GapKind::never_journaled;
};

// Events back to back with dense sequences, tombstones included.
class BatchView {
public:
    class Iterator {
    public:
        // NOLINTBEGIN(readability-identifier-naming): the names that the standard library looks for
        using iterator_category = std::input_iterator_tag;
        using value_type = Event;
        using difference_type = std::ptrdiff_t;
        using pointer = void;
        using reference = Event;
        // NOLINTEND(readability-identifier-naming)

        Iterator(const std::byte* at, Sequence sequence, std::uint32_t alignment_bytes) noexcept
            : at_(at),
              sequence_(sequence),
              alignment_bytes_(alignment_bytes) {}

        [[nodiscard]] Event operator*() const noexcept { return {sequence_, header(), at_}; }
        Iterator& operator++() noexcept {
            const EventHeader head = header();
            at_ +=
                event_size_bytes(head.payload_size_bytes, head.extension_words, alignment_bytes_);
            ++sequence_;
            return *this;
        }
        void operator++(int) noexcept { ++*this; }
        friend bool operator==(const Iterator& left, const Iterator& right) noexcept {
            return left.at_ == right.at_;
        }

    private:
        [[nodiscard]] EventHeader header() const noexcept {
            EventHeader head{};
            std::memcpy(&head, at_, sizeof(head));
            return head;
        }

        const std::byte* at_;
        Sequence sequence_;
        std::uint32_t alignment_bytes_;
    };

    Sequence first_sequence = 0;
    std::uint64_t event_count = 0;
    std::span<const std::byte> bytes;  // from the first event's header, whole events
    std::uint64_t record_salt = 0;
    std::uint64_t max_time_ns = 0;  // running maximum of publish times at the last event
    std::uint32_t event_alignment_bytes = 16;

    [[nodiscard]] Sequence end_sequence() const noexcept { return first_sequence + event_count; }
    // The first event that makes the running maximum reach this time, if that hadn't before this
    // batch; end_sequence() if none does. An event whose clock was ahead of the writer's counts
    // last: its time is above the running maximum.
    [[nodiscard]] Sequence sequence_at(std::uint64_t time_ns) const noexcept;
    // Leaves out the first event. Requires: there is one.
    void drop_front() noexcept {
        EventHeader head{};
        std::memcpy(&head, bytes.data(), sizeof(head));
        bytes = bytes.subspan(
            event_size_bytes(head.payload_size_bytes, head.extension_words, event_alignment_bytes));
        ++first_sequence;
        --event_count;
    }
    [[nodiscard]] Iterator begin() const noexcept {
        return {bytes.data(), first_sequence, event_alignment_bytes};
    }
    [[nodiscard]] Iterator end() const noexcept {
        return {bytes.data() + bytes.size(), end_sequence(), event_alignment_bytes};
    }
};

struct BatchStep {
    ReadKind kind = ReadKind::end;
    BatchView batch;  // for ReadKind::event
    Gap gap;          // for ReadKind::gap
};

struct EventStep {
    ReadKind kind = ReadKind::end;
    std::optional<Event> event;  // for ReadKind::event
    Gap gap;                     // for ReadKind::gap
};

class ReaderCore;

class Reader {
public:
    // Stands at the first event. Errors: `not_found`, `not_tailrace`, `incompatible`, `truncated`,
    // `corrupt`, `no_permission`.
    [[nodiscard]] static Result<Reader> open(const std::string& directory) noexcept;

    Reader(Reader&& other) noexcept;
    Reader& operator=(Reader&& other) noexcept;
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    ~Reader();

    // Moved from, or its parent's in a forked child: whatever may fail fails then, and says so.
    [[nodiscard]] bool is_dead() const noexcept { return core_ == nullptr || !home_.is_here(); }

    // The next thing read begins at `sequence`. Errors: `sequence_gone` (names the first that is
    // there), `sequence_ahead` (beyond end_sequence(); the end itself is fine). In sealed segments
    // at most three reads, the batch included; docs/journal_format.md, "What a seek reads".
    [[nodiscard]] Result<void> seek_sequence(Sequence sequence) noexcept;
    // The first event whose publish time, or that of an event before it, is at least `time_ns`; the
    // end if there is none. Clocks that were set back don't confuse it: it goes by the running
    // maximum.
    [[nodiscard]] Result<void> seek_time(std::uint64_t time_ns) noexcept;
    [[nodiscard]] Result<void> seek_end() noexcept;

    // Error `corrupt` with the exact range when acknowledged events can't be read, because of
    // damage or because a segment is missing; asking again gives the same, and seeking to its end
    // goes on behind it. Error `sequence_gone` when retention has passed this reader:
    // [next_sequence(), first_sequence()) is gone, and seeking to first_sequence() goes on.
    [[nodiscard]] Result<BatchStep> next_batch() noexcept;
    [[nodiscard]] Result<EventStep> next() noexcept;
    // After `corrupt` (or `not_tailrace`, `truncated`: of a segment): goes on behind what can't be
    // read, with the first event that can; [next_sequence() before, next_sequence() now) is lost.
    // In the newest segment that may be less than the error named, which has no end there but what
    // is durable. Error `corrupt` when nobody knows where the journal goes on.
    [[nodiscard]] Result<void> pass_damage() noexcept;

    [[nodiscard]] Sequence next_sequence() const noexcept;  // where it stands
    [[nodiscard]] Sequence first_sequence()
        const noexcept;  // the oldest in the journal when it was last looked at
    // The end of what is written and valid now; looks at the files, at as many of them however many
    // segments there are. Damage before it doesn't count, as far as something behind says that it
    // was durable. Error `corrupt` when the newest segment is lost.
    [[nodiscard]] Result<Sequence> end_sequence() noexcept;

    [[nodiscard]] const std::string& stream_name() const noexcept;
    [[nodiscard]] std::uint32_t event_alignment_bytes() const noexcept;
    // Which journal it is, as Writer::journal_id().
    [[nodiscard]] std::array<std::uint64_t, 2> journal_id() const noexcept;

private:
    explicit Reader(std::unique_ptr<ReaderCore> core) noexcept;

    void let_go() noexcept;

    std::unique_ptr<ReaderCore> core_;
    HomeProcess home_;
};

}  // namespace tailrace::journal
