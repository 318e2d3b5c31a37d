#include "retired_segments.hpp"

#include "segment_directory.hpp"

#include <algorithm>
#include <cerrno>

namespace tailrace::journal {

RetiredSegments::RetiredSegments(FileStore& files,
                                 std::string directory,
                                 std::uint64_t segment_size_bytes)
    : files_(files),
      directory_(std::move(directory)),
      segment_size_bytes_(segment_size_bytes) {}

void RetiredSegments::enqueue(std::uint64_t segment_number, bool held) {
    const std::lock_guard guard(mutex_);
    segments_.push_back({segment_number, held, 0});
}

std::string RetiredSegments::path_of(const Retired& segment) const {
    return segment.held ? retired_path(directory_, segment.number)
                        : segment_path(directory_, segment.number);
}

bool RetiredSegments::take(std::size_t nth, Retired& taken) const {
    const std::lock_guard guard(mutex_);
    if (nth >= segments_.size()) return false;
    taken = segments_[nth];
    return true;
}

void RetiredSegments::replace(const Retired& segment, Fate fate) noexcept {
    const std::lock_guard guard(mutex_);
    const auto found =
        std::find_if(segments_.begin(), segments_.end(), [&segment](const Retired& candidate) {
            return candidate.number == segment.number;
        });
    if (found == segments_.end()) return;
    *found = segment;
    if (fate != Fate::held && fate != Fate::stuck) segments_.erase(found);
    if (fate == Fate::recycled) ++done_.recycled_segments;
    if (fate == Fate::unlinked) ++done_.unlinked_segments;
}

RetiredSegments::Fate RetiredSegments::dispose(Retired& segment,
                                               const std::string& spare) noexcept {
    (void)files_.remove(index_path(directory_, segment.number));
    const std::string path = path_of(segment);
    const IoOutcome opened = files_.open(path, {.write = true});
    if (opened.os_errno == ENOENT) return Fate::gone;
    if (opened.ok()) {
        const StoredFile file(files_, static_cast<FileId>(opened.value));
        segment.size_bytes = files_.size_bytes(file.id()).value;
        // Held alone until the name has gone. Whoever opens the segment by its name meanwhile finds
        // that the name no longer leads to what was opened; whoever leased it before is the reason
        // not to come here.
        if (files_.hold(file.id(), FileHold::alone).ok()) {
            Fate fate = Fate::held;
            // Compress and repair put another file in this one's place; then that is the one.
            if (!files_.is_named(file.id(), path)) return Fate::stuck;
            if (!spare.empty() && recycle(segment, file, spare)) {
                fate = Fate::recycled;
            } else if (files_.remove(path).ok()) {
                fate = Fate::unlinked;
            }
            // A child that was forked just now has a copy of the descriptor, and would go on
            // holding what may be the next segment.
            (void)files_.hold(file.id(), FileHold::none);
            if (fate != Fate::held) return fate;
        }
    }
    const std::string retired = retired_path(directory_, segment.number);
    if (!segment.held && !files_.rename(path, retired).ok()) return Fate::stuck;
    segment.held = true;
    return Fate::held;
}

bool RetiredSegments::recycle(const Retired& segment,
                              const StoredFile& file,
                              const std::string& spare) noexcept {
    // The room of holes that a clean close has punched must be there before it is promised. So must
    // that of blocks which a copy shares: those have none of their own.
    return segment.size_bytes == segment_size_bytes_ && files_.overwrites_in_place(file.id()) &&
           files_.allocate(file.id(), segment_size_bytes_).ok() && files_.sync(file.id()).ok() &&
           files_.rename(path_of(segment), spare).ok();
}

// In order: a reader of one that still has its name relies on those behind it. So one that can't
// lose its name keeps all of them, until the next try.
bool RetiredSegments::work_off(const std::string& spare) noexcept {
    Retired segment;
    for (std::size_t nth = 0; take(nth, segment);) {
        const Fate fate = dispose(segment, spare);
        replace(segment, fate);
        if (fate == Fate::stuck) return false;
        if (fate == Fate::held) ++nth;
        // Before it is written to: no crash may find the next segment's bytes under the old name.
        if (fate == Fate::recycled) return files_.sync_directory(directory_).ok();
    }
    return false;
}

bool RetiredSegments::is_empty() const noexcept {
    const std::lock_guard guard(mutex_);
    return segments_.empty();
}

RetiredSegments::Figures RetiredSegments::figures() const noexcept {
    const std::lock_guard guard(mutex_);
    Figures figures = done_;
    for (const Retired& segment : segments_) {
        if (!segment.held) continue;
        ++figures.held_segments;
        figures.held_bytes += segment.size_bytes;
    }
    return figures;
}

}  // namespace tailrace::journal
