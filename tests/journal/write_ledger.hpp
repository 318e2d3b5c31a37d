// WriteLedger: what was really written to a simulated disk, and what therefore must come of it.
//
// It sees every write at the storage seam and remembers its bytes. From them and from the disk it
// says, comparing bytes, without a checksum and without the code under test, which batches are
// there as they were written: how far a contiguous prefix of them is flushed, where recovery must
// end or what range it must refuse, and what a reader must find. One thread.
#pragma once

#include "simulated_disk.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tailrace::journal {

struct LedgerBatch {
    std::uint64_t segment_number = 0;
    std::uint64_t offset = 0;
    BatchHeader header{};
    std::vector<std::byte> bytes;  // header and body

    [[nodiscard]] Sequence end_sequence() const {
        return header.first_sequence + header.event_count;
    }
};

// What recovery must come to.
struct Outlook {
    bool has_segments = false;
    bool is_trusted = false;  // the newest header and SUPER are as they were written
    bool is_clean = false;    // closed, so that nothing is walked
    Sequence end = 0;         // where the walk over what is there as it was written stops
    Sequence promised = 0;    // by anything that can be read in the newest segment, or by SUPER
};

// What a reader must come to: everything below `end`, then the end or an error.
struct Reading {
    Sequence end = 0;
    bool is_damaged = false;
    Sequence damage_end = 0;  // [end, damage_end) can't be read
};

class WriteLedger {
public:
    explicit WriteLedger(std::string directory) : directory_(std::move(directory)) {}

    // Call it for every write, in the order of submission.
    void note(const std::string& path, std::uint64_t offset, std::span<const std::byte> bytes);
    // A writer begins at `sequence`: what was submitted before is no part of its promises.
    void begin_life(Sequence sequence);

    // All batches below were submitted by this life, and survive any cut.
    [[nodiscard]] Sequence flushed_prefix(const SimulatedDisk& disk);

    // As the disk is now, which may be a copy of the one that was written to. Meaningful after a
    // cut, when what is visible is what survived.
    [[nodiscard]] Outlook outlook(const SimulatedDisk& disk) const;
    [[nodiscard]] Reading reading(const SimulatedDisk& disk) const;

    // Ascending, from the oldest that retention has kept.
    [[nodiscard]] std::vector<std::uint64_t> segment_numbers(const SimulatedDisk& disk) const;
    // The batches that were written to a segment in its present incarnation, by offset.
    [[nodiscard]] std::vector<const LedgerBatch*> batches_of(const SimulatedDisk& disk,
                                                             std::uint64_t segment_number) const;

private:
    using Incarnation = std::pair<std::uint64_t, std::uint64_t>;  // number and salt

    struct Walk {
        std::uint64_t offset = kBlockSizeBytes;
        Sequence sequence = 0;
        bool sealed = false;
        const LedgerBatch* next = nullptr;  // the next that is there, behind what stopped it
    };
    // How far the log in a segment goes, for all that is known.
    struct Limit {
        std::uint64_t end_offset = ~std::uint64_t{0};  // stated by the successor
        Sequence promised = 0;  // else only what is below this is passed over
    };

    [[nodiscard]] SegmentHeader header_of(const SimulatedDisk& disk,
                                          std::uint64_t segment_number) const;
    [[nodiscard]] bool is_written(std::uint64_t segment_number, const SegmentHeader& header) const;
    [[nodiscard]] std::optional<SuperBlock> super(const SimulatedDisk& disk) const;
    [[nodiscard]] Walk walk(const SimulatedDisk& disk,
                            std::uint64_t segment_number,
                            const Limit& limit) const;
    [[nodiscard]] Sequence promised_in(const SimulatedDisk& disk,
                                       std::uint64_t segment_number) const;

    std::string directory_;
    std::map<Incarnation, std::map<std::uint64_t, std::size_t>> by_offset_;
    std::vector<LedgerBatch> batches_;
    std::map<Incarnation, SegmentHeader> headers_;
    std::map<std::uint64_t, SuperBlock> supers_;  // by generation, as it was written last
    std::size_t flushed_ = 0;                     // of batches_
    Sequence flushed_sequence_ = 0;
};

}  // namespace tailrace::journal
