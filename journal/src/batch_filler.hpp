// BatchFiller: copies runs into buffers and hands over full batches in order, not yet sealed: where
// they will stand in which segment is decided when they are placed. Never allocates after it was
// made. One thread.
//
// I1 Batches come out in the order of their sequences; two that don't join have a gap between them.
// I2 All events of a batch have dense sequences and one record salt, and have been walked in this
// copy, not in the
//    memory they came from, which others may still write to.
// I3 max_time_ns never goes back, over batches and over restarts.
// I4 No batch ends inside an atomic batch of the stream, so what a power cut or a repair leaves is
//    all of it or nothing. One that is larger than a batch is the exception: it is split wherever
//    a batch is full.
#pragma once

#include "block_pool.hpp"
#include "event_walk.hpp"

#include <tailrace/journal/writer.hpp>

#include <cstdint>
#include <vector>

namespace tailrace::journal {

struct FilledBatch {
    BufferIndex buffer = 0;
    std::uint32_t body_size_bytes = 0;
    std::uint32_t event_count = 0;
    Sequence first_sequence = 0;
    std::uint64_t record_salt = 0;
    std::uint64_t first_time_ns = 0;
    std::uint64_t max_time_ns = 0;
};

// Of the batch being filled, from its front.
struct FilledPart {
    std::uint32_t event_count = 0;
    std::uint32_t size_bytes = 0;
};

class BatchFiller {
public:
    // `capacity_bytes`: the largest batch, header included, a multiple of 4096.
    BatchFiller(BlockPool& pool,
                std::uint64_t capacity_bytes,
                std::uint32_t alignment_bytes,
                Sequence next_sequence,
                std::uint64_t max_time_ns);

    // `now_ns` stands in for publish times that the run doesn't know. A time beyond `latest_ns`
    // counts as that.
    [[nodiscard]] AppendResult append(const Run& run,
                                      std::uint64_t now_ns,
                                      std::uint64_t latest_ns = UINT64_MAX) noexcept;
    [[nodiscard]] AppendStatus skip(Sequence first, std::uint64_t count) noexcept;

    // Whether a batch is full (or can't grow any more) and waits.
    [[nodiscard]] bool has_ready() const noexcept { return ready_count_ > 0; }
    // Whether there is any event that has not been taken out and may be: what belongs to an atomic
    // batch waits for its end.
    [[nodiscard]] bool has_whole() const noexcept { return has_ready() || whole_.event_count > 0; }
    // Declares the batch being filled ready, however little it holds; all but the atomic batch
    // whose end isn't there yet, which begins the next one. Without a free buffer for that: later.
    void finish() noexcept;
    // Takes back the events of an atomic batch whose end isn't there yet: next_sequence() is that
    // of the first of them again. Returns how many they were, and their bytes.
    FilledPart take_back_unfinished() noexcept;
    // Takes what is there of an atomic batch for all of it: its end will never come.
    void end_unfinished() noexcept { note_whole(); }

    // Requires: has_ready().
    [[nodiscard]] const FilledBatch& front() const noexcept;
    void pop_front() noexcept;

    [[nodiscard]] Sequence next_sequence() const noexcept { return next_sequence_; }
    // Everything below may be taken out, now or when it is finished.
    [[nodiscard]] Sequence whole_sequence() const noexcept {
        return next_sequence_ - unfinished_count();
    }
    [[nodiscard]] std::uint64_t max_time_ns() const noexcept { return max_time_ns_; }
    [[nodiscard]] std::uint64_t max_event_size_bytes() const noexcept { return body_capacity_; }

private:
    // What is left of the run at hand.
    struct Appending {
        std::uint64_t first_time_ns = 0;
        std::uint64_t want_bytes = 0;  // to copy at once; raised for an event that is larger
        std::uint64_t latest_ns = UINT64_MAX;
    };

    [[nodiscard]] AppendStatus append_part(const Run& run,
                                           AppendResult& taken,
                                           Appending& rest) noexcept;
    [[nodiscard]] AppendStatus begin(std::uint64_t record_salt) noexcept;
    void take(std::span<const std::byte> part,
              const EventWalk& walk,
              std::uint64_t max_time_ns,
              const Appending& rest) noexcept;
    void account(FilledPart part, std::uint64_t first_time_ns, std::uint64_t max_time_ns) noexcept;
    void note_whole() noexcept;
    [[nodiscard]] AppendStatus make_room() noexcept;
    void finish_all() noexcept;
    void split() noexcept;
    [[nodiscard]] std::span<std::byte> filled() const noexcept;
    [[nodiscard]] std::uint32_t unfinished_count() const noexcept {
        return filling_.event_count - whole_.event_count;
    }

    BlockPool& pool_;
    std::uint64_t body_capacity_;
    std::uint32_t alignment_bytes_;
    Sequence next_sequence_;
    std::uint64_t max_time_ns_;

    bool is_filling_ = false;
    FilledBatch filling_;
    FilledPart whole_;                 // of it: up to the end of the last atomic batch that has one
    std::uint64_t whole_time_ns_ = 0;  // max_time_ns_ at that place
    std::vector<FilledBatch> ready_;   // a ring; as many places as there are buffers
    std::size_t ready_front_ = 0;
    std::size_t ready_count_ = 0;
};

}  // namespace tailrace::journal
