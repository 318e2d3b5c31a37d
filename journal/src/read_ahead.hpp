// ReadAhead: reads one file from some offset on in pieces of 1 MiB, eight in flight, unbuffered,
// into memory of its own. For a device that is faster than what the page cache hands out.
//
// One thread at a time. What it hands out is valid until the next call.
// I1 A slot is read into again only when no byte of the view lies in it.
// I2 The memory isn't given back while the kernel may still write to it.
#pragma once

#include "aligned_memory.hpp"
#include "storage.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <span>

namespace tailrace::journal {

class ReadAhead {
public:
    static constexpr std::uint64_t kPieceBytes = 1U << 20;

    explicit ReadAhead(FileStore& files) noexcept : files_(&files) {}
    ReadAhead(ReadAhead&& other) = delete;
    ReadAhead& operator=(ReadAhead&& other) = delete;
    ~ReadAhead() { stop(); }

    // Begins to read [offset, end_offset) of the file, which the caller keeps open; both are
    // multiples of 4096. False: not possible here, and nothing was begun.
    [[nodiscard]] bool begin(FileId file, std::uint64_t offset, std::uint64_t end_offset) noexcept;
    // Forgets what was read. Waits for what is in flight.
    void stop() noexcept;
    [[nodiscard]] bool is_running() const noexcept { return file_.is_open(); }

    // The bytes from `offset` on, back to back, at least `size_bytes` of them. Empty when they
    // don't go on from what was handed out before, run over the end, or can't be read: who asks in
    // another way is told why. Requires: is_running(), size_bytes from 1 to kPieceBytes.
    [[nodiscard]] std::span<const std::byte> at(std::uint64_t offset,
                                                std::uint64_t size_bytes) noexcept;

private:
    static constexpr std::size_t kSlots = 9;  // eight in flight, and one that is looked at

    enum class Piece : std::uint8_t { none, in_flight, ready, failed };

    [[nodiscard]] std::byte* slot(std::uint64_t piece) const noexcept {
        return memory_.bytes().data() + (1 + piece % kSlots) * kPieceBytes;
    }
    [[nodiscard]] std::uint64_t piece_offset(std::uint64_t piece) const noexcept {
        return base_ + piece * kPieceBytes;
    }
    [[nodiscard]] std::uint64_t piece_size_bytes(std::uint64_t piece) const noexcept;
    void submit(std::uint64_t piece) noexcept;
    void release_before(std::uint64_t piece) noexcept;
    [[nodiscard]] bool join_next() noexcept;
    [[nodiscard]] bool reap() noexcept;

    FileStore* files_;
    StoredFile file_;
    std::unique_ptr<ReadQueue> queue_;
    // A slot for each piece, and room in front of them for the end of a piece in the last slot, so
    // that it lies before the one in the first.
    AlignedMemory memory_;
    std::array<Piece, kSlots> states_{};
    std::uint64_t base_ = 0;       // offset of piece 0
    std::uint64_t end_ = 0;        // offset
    std::uint64_t front_ = 0;      // the first piece that has a slot
    std::uint64_t joined_ = 0;     // the first one that isn't in the view
    std::uint64_t submitted_ = 0;  // the first one that isn't read yet
    std::uint64_t in_flight_ = 0;
    // What is handed out: it begins where the caller last asked and ends with a piece.
    const std::byte* view_ = nullptr;
    std::uint64_t view_begin_ = 0;  // offsets
    std::uint64_t view_end_ = 0;
};

}  // namespace tailrace::journal
