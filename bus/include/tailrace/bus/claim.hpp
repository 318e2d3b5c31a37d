// Claim, BatchClaim: room in the ring that a publisher fills before it commits.
//
// Filled by Publisher, ended by its commit or abort. A claim that goes out of scope open is
// aborted, so an exception between claim and commit holds nobody up. Moves, and isn't copied. The
// payloads lie in shared memory, up to a quarter of the ring in one piece; they are the caller's
// until the claim has ended. The publisher's thread.
#pragma once

#include <tailrace/base/event.hpp>
#include <tailrace/bus/ring_bytes.hpp>
#include <tailrace/bus/tail_word.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace tailrace::bus {

class Publisher;

// What an event carries beside its payload.
struct EventFields {
    EventType type = 0;
    std::uint64_t event_time_ns = 0;  // 0: none
    std::uint64_t key = 0;
    bool has_key = false;
    OwnSequence own_sequence = 0;  // of a publisher with an identity; 0: none
};

// One event of a batch.
struct BatchEvent {
    std::span<const std::byte> payload;
    EventFields fields;
};

namespace detail {

// How far a publisher has come. It lies in a wiped cell (base/wiped_cell.hpp): in a forked child
// all of it is 0, so that no claim is granted there without a look at who asks (limit), and no
// claim of the parent's is taken for open (ticket).
struct PublisherCell {
    Publisher* owner;  // null: none in this process
    // It may write below without looking at anybody.
    std::uint64_t limit;
    // Single: where the next claim begins; kOpenPosition while a claim is open. Multi: where the
    // last claim ends.
    std::uint64_t position;
    // What an open claim is known by. Single: the next sequence + 1. Multi: the sequence behind the
    // last claim; 0 once that was aborted.
    Sequence ticket;
    // Multi: the sequence behind the last claim that was committed. The same as the ticket unless
    // one is open, or was aborted.
    Sequence own_end;
    // A claim was aborted without its object, which may still be there and know this cell.
    bool has_stray_claims;
};

// Beyond every limit.
inline constexpr std::uint64_t kOpenPosition = std::uint64_t{1} << 63U;

// Cold: aborts the claim, if its publisher still knows it. Single values, so that a claim may live
// in registers.
void give_up_claim(PublisherCell* cell,
                   Sequence ticket,
                   std::uint64_t position,
                   std::uint64_t size_bytes,
                   std::uint32_t count) noexcept;

// Owns an open claim.
class ClaimHold {
public:
    ClaimHold() noexcept = default;
    ClaimHold(ClaimHold&& other) noexcept
        : ticket(other.ticket),
          position(other.position),
          size_bytes(other.size_bytes),
          count(other.count),
          cell_(std::exchange(other.cell_, nullptr)) {}
    ClaimHold& operator=(ClaimHold&& other) noexcept {
        if (this == &other) return *this;
        give_up();
        ticket = other.ticket;
        position = other.position;
        size_bytes = other.size_bytes;
        count = other.count;
        cell_ = std::exchange(other.cell_, nullptr);
        return *this;
    }
    ClaimHold(const ClaimHold&) = delete;
    ClaimHold& operator=(const ClaimHold&) = delete;
    // Inlined even where the compiler takes its place for cold (while an exception passes): a call
    // with the object's address would keep every claim in memory, for 20 instructions an event.
    [[gnu::always_inline]] ~ClaimHold() { give_up(); }

    [[nodiscard]] bool is_open() const noexcept { return cell_ != nullptr; }
    [[nodiscard]] bool is_open_at(const PublisherCell* cell) const noexcept {
        return cell_ == cell && ticket == cell->ticket;
    }
    // Requires: not open. The claim that was made last at `cell` is this one's from here on.
    void open(PublisherCell* cell) noexcept {
        ticket = cell->ticket;
        cell_ = cell;
    }
    // It has ended.
    void let_go() noexcept { cell_ = nullptr; }
    [[gnu::always_inline]] void give_up() noexcept {
        if (cell_ != nullptr) [[unlikely]]
            give_up_claim(std::exchange(cell_, nullptr), ticket, position, size_bytes, count);
    }

    Sequence ticket = 0;
    std::uint64_t position = 0;
    std::uint64_t size_bytes = 0;
    std::uint32_t count = 0;

private:
    PublisherCell* cell_ = nullptr;
};

}  // namespace detail

// A claim of one event.
class Claim {
public:
    Claim() noexcept = default;
    Claim(Claim&&) noexcept = default;
    Claim& operator=(Claim&&) noexcept = default;
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;
    [[gnu::always_inline]] ~Claim() {}

    std::span<std::byte> payload;
    Sequence sequence = kNoSequence;

    [[nodiscard]] bool is_open() const noexcept { return hold_.is_open(); }

private:
    friend class Publisher;

    detail::ClaimHold hold_;
    std::byte* record_ = nullptr;
    std::uint64_t header_word_ = 0;
};

// A claim of several events that become visible at once. next() hands out one payload after the
// other; a committed batch has all of them filled.
class BatchClaim {
public:
    // Not defaulted: of a constant of this size the compiler makes a slow fill.
    BatchClaim() noexcept {}  // NOLINT(modernize-use-equals-default)
    BatchClaim(BatchClaim&&) noexcept = default;
    BatchClaim& operator=(BatchClaim&&) noexcept = default;
    BatchClaim(const BatchClaim&) = delete;
    BatchClaim& operator=(const BatchClaim&) = delete;
    [[gnu::always_inline]] ~BatchClaim() {}

    [[nodiscard]] Sequence first_sequence() const noexcept { return first_sequence_; }
    [[nodiscard]] std::uint32_t count() const noexcept { return hold_.count; }
    [[nodiscard]] bool is_open() const noexcept { return hold_.is_open(); }
    // The next event's payload; empty after the last, and when the claim has ended.
    [[nodiscard]] std::span<std::byte> next() noexcept {
        std::byte* const record = next_record_;
        if (record == end_record_) return {};
        if (record_bytes_ != 0) {
            next_record_ = record + record_bytes_;
            return {record + payload_offset_bytes_, static_cast<std::uint32_t>(header_word_)};
        }
        const EventHeader header = load_header(record);
        const std::uint64_t record_bytes =
            event_size_bytes(header.payload_size_bytes, header.extension_words, alignment_bytes_);
        // The sizes were written by this publisher, but into memory that others may scribble on.
        if (record_bytes > static_cast<std::uint64_t>(end_record_ - record)) return {};
        next_record_ = record + record_bytes;
        return {record + sizeof(EventHeader) + header.extension_words * kExtensionWordBytes,
                header.payload_size_bytes};
    }

private:
    friend class Publisher;

    detail::ClaimHold hold_;
    Sequence first_sequence_ = kNoSequence;
    // To be handed out; `events` is mapped twice in a row, so a claim is one piece.
    std::byte* next_record_ = nullptr;
    std::byte* end_record_ = nullptr;
    // Events of one size: header_word_ is that of the last one, and nothing stands in the ring
    // before the commit. Events of several sizes: 0, and their headers stand in the ring.
    std::uint64_t record_bytes_ = 0;
    std::uint64_t header_word_ = 0;
    std::uint64_t payload_offset_bytes_ = 0;
    std::uint64_t alignment_bytes_ = 0;
};

}  // namespace tailrace::bus
