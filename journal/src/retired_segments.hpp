// RetiredSegments: the files of segments that retention has given up, until they are gone.
//
// One becomes the next spare, as it is: its batches carry the salt of their incarnation, and
// nothing with another salt is ever taken for a batch of the next one. The others are unlinked. A
// file that a reader holds (a lease: a shared hold on the file) can't be written over; it gets a
// name of its own, which says so, and goes when the last reader has let go. So no deleted file
// keeps room in secret.
//
// Crash story: a segment is disowned, flushed, before it comes here (segment_census.hpp). Whatever
// is left of it after a crash is found by its number or its name and worked off by the next writer.
// add() and the figures: any thread. The rest: one thread at a time.
#pragma once

#include "storage.hpp"

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

namespace tailrace::journal {

class RetiredSegments {
public:
    struct Figures {
        std::uint64_t recycled_segments = 0;
        std::uint64_t unlinked_segments = 0;
        std::uint64_t held_segments = 0;
        std::uint64_t held_bytes = 0;
    };

    RetiredSegments(FileStore& files, std::string directory, std::uint64_t segment_size_bytes);

    // Requires: SUPER, or the header of a segment that it doesn't name, says durably that the
    // oldest segment is a later one.
    void add(std::uint64_t segment_number) { enqueue(segment_number, false); }
    // One that an earlier writer could not remove because it was held.
    void add_held(std::uint64_t segment_number) { enqueue(segment_number, true); }

    // Makes the oldest that nobody holds into `spare`. False when there is none.
    [[nodiscard]] bool recycle_one(const std::string& spare) noexcept { return work_off(spare); }
    // Unlinks what nobody holds, names what somebody does.
    void unlink_all() noexcept { (void)work_off({}); }

    [[nodiscard]] bool is_empty() const noexcept;
    [[nodiscard]] Figures figures() const noexcept;

private:
    struct Retired {
        std::uint64_t number = 0;
        bool held = false;  // it has its retired name
        std::uint64_t size_bytes = 0;
    };

    // Held: somebody holds it, and it has its retired name. Stuck: it still has the segment's.
    enum class Fate : std::uint8_t { recycled, unlinked, gone, held, stuck };

    void enqueue(std::uint64_t segment_number, bool held);
    [[nodiscard]] bool take(std::size_t nth, Retired& taken) const;
    void replace(const Retired& segment, Fate fate) noexcept;
    [[nodiscard]] bool work_off(const std::string& spare) noexcept;
    [[nodiscard]] Fate dispose(Retired& segment, const std::string& spare) noexcept;
    [[nodiscard]] bool recycle(const Retired& segment,
                               const StoredFile& file,
                               const std::string& spare) noexcept;
    [[nodiscard]] std::string path_of(const Retired& segment) const;

    FileStore& files_;
    const std::string directory_;
    const std::uint64_t segment_size_bytes_;

    mutable std::mutex mutex_;  // guards what follows
    std::deque<Retired> segments_;
    Figures done_;  // but for what is held
};

}  // namespace tailrace::journal
