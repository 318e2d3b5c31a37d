#include "read_ahead.hpp"

#include <tailrace/base/check.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace tailrace::journal {

std::uint64_t ReadAhead::piece_size_bytes(std::uint64_t piece) const noexcept {
    return std::min(kPieceBytes, end_ - piece_offset(piece));
}

bool ReadAhead::begin(FileId file, std::uint64_t offset, std::uint64_t end_offset) noexcept {
    stop();
    if (offset >= end_offset) return false;
    if (queue_ == nullptr) queue_ = files_->make_read_queue(kSlots);
    if (queue_ == nullptr) return false;
    if (memory_.bytes().empty()) {
        memory_ = AlignedMemory((1 + kSlots) * kPieceBytes, Prefault::yes);
    }
    if (memory_.bytes().empty()) return false;
    const IoOutcome opened = files_->open_past_cache(file);
    if (!opened.ok()) return false;
    file_ = StoredFile(*files_, static_cast<FileId>(opened.value));
    base_ = offset;
    end_ = end_offset;
    front_ = 0;
    joined_ = 0;
    submitted_ = 0;
    view_begin_ = offset;
    view_end_ = offset;
    release_before(0);
    return true;
}

void ReadAhead::stop() noexcept {
    while (in_flight_ > 0 && reap()) {
    }
    file_.reset();
}

void ReadAhead::submit(std::uint64_t piece) noexcept {
    const auto into = std::span(slot(piece), piece_size_bytes(piece));
    const bool is_queued =
        queue_->submit_read(file_.id(), piece_offset(piece), into, piece % kSlots);
    states_[piece % kSlots] = is_queued ? Piece::in_flight : Piece::failed;
    if (is_queued) ++in_flight_;
}

// A queue that broke takes its memory with it: the kernel may still write there.
bool ReadAhead::reap() noexcept {
    std::array<Completion, kSlots> completions;
    const IoOutcome outcome = queue_->reap(completions);
    if (!outcome.ok()) {
        in_flight_ = 0;
        queue_.reset();
        memory_ = AlignedMemory();
        return false;
    }
    for (const Completion& done : std::span(completions).first(outcome.value)) {
        --in_flight_;
        // The one with this slot that is kept now.
        const std::uint64_t piece = front_ + (done.tag + kSlots - front_ % kSlots) % kSlots;
        const bool is_whole = std::cmp_equal(done.outcome, piece_size_bytes(piece));
        states_[done.tag] = is_whole ? Piece::ready : Piece::failed;
    }
    return true;
}

// Reads on into the slots of what lies before.
void ReadAhead::release_before(std::uint64_t piece) noexcept {
    front_ = std::max(front_, piece);
    while (submitted_ < front_ + kSlots && piece_offset(submitted_) < end_)
        submit(submitted_++);
}

bool ReadAhead::join_next() noexcept {
    if (view_end_ == end_) return false;
    Piece& state = states_[joined_ % kSlots];
    while (state == Piece::in_flight) {
        if (!reap()) return false;
    }
    if (state != Piece::ready) return false;
    std::byte* const begin = slot(joined_);
    const std::uint64_t kept_bytes = view_end_ - view_begin_;
    if (kept_bytes == 0) {
        view_ = begin;
    } else if (joined_ % kSlots == 0) {
        std::memcpy(begin - kept_bytes, view_, kept_bytes);
        view_ = begin - kept_bytes;
        release_before(joined_);
    }
    view_end_ += piece_size_bytes(joined_);
    ++joined_;
    return true;
}

std::span<const std::byte> ReadAhead::at(std::uint64_t offset, std::uint64_t size_bytes) noexcept {
    TAILRACE_CHECK(is_running() && size_bytes > 0 && size_bytes <= kPieceBytes);
    if (offset < view_begin_ || offset > view_end_) return {};
    view_ += offset - view_begin_;
    view_begin_ = offset;
    release_before(offset == view_end_ ? joined_ : (offset - base_) / kPieceBytes);
    // While more is wanted the view holds less than a piece: it fits in front of the first slot.
    while (view_end_ - view_begin_ < size_bytes) {
        if (!join_next()) return {};
    }
    return {view_, view_end_ - view_begin_};
}

}  // namespace tailrace::journal
