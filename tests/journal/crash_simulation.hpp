// CrashSimulation: the lives of a writer on one simulated disk, each ended by a crash, and what
// must hold after each.
//
// Every invariant has a name, with which a message about its breach begins:
//   kept        all that durable_sequence() had covered is there after a crash
//   prefix      what is there is a prefix of what was appended, event by event, and ends exactly
//   where
//               what was written stops being there
//   atomic      an atomic batch is there whole or not at all
//   cursor      no cursor in the ledger is beyond the end of the log, or behind where it was last
//               said to be durable; and the ledger is never unreadable
//   dead        nothing comes back that an earlier recovery had discarded
//   range       what can't be read although it was promised is refused, with its exact range
//   untouched   a journal that is refused is not written to
//   durable     durable_sequence() never exceeds the contiguous prefix that is written and flushed
//   idempotent  recovery finds the same when it is done again, or was cut off in the middle
//   opens       a crash alone never makes a journal that is refused
//   final       after a failed flush nothing is flushed any more
// One seed makes everything. One thread.
#pragma once

#include "journal_fixture.hpp"
#include "simulated_writer.hpp"
#include "write_ledger.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tailrace::journal {

enum class DiskCharacter {
    honest,   // keeps what it says that it keeps
    lying,    // answers some flushes without doing them
    rotting,  // writes to wrong places, loses bits, refuses reads
};

struct SimulationCounts {
    std::uint64_t crashes = 0;       // states after a crash that were recovered and looked at
    std::uint64_t lives = 0;         // that a next life followed
    std::uint64_t acknowledged = 0;  // events
    std::uint64_t lost = 0;          // events that were never acknowledged
    std::uint64_t rolls = 0;
    std::uint64_t recycled = 0;  // segments that were used again
    std::uint64_t cuts_in_recovery = 0;
    std::uint64_t cuts_in_spare = 0;
    std::uint64_t refusals = 0;  // of journals that were rightly refused
    std::uint64_t kills = 0;
    std::uint64_t atomic_batches = 0;
    std::uint64_t atomic_taken_back = 0;  // begun, and given up before their end
    std::uint64_t kept_cursors = 0;       // writes of the ledger that were completed
    FaultCounts fired{};

    void add(const SimulationCounts& other);
};

class CrashSimulation {
public:
    CrashSimulation(std::uint64_t seed, DiskCharacter character);

    // Lives and crashes; then the last state is read from end to end. Empty when all held, else
    // what didn't.
    [[nodiscard]] std::string run(int lives);

    [[nodiscard]] SimulationCounts counts() const;

private:
    [[nodiscard]] std::string live();
    [[nodiscard]] std::string work(WriterCore& writer, std::uint64_t rounds);
    void append_some(WriterCore& writer);
    void append_one(WriterCore& writer, std::uint64_t count, std::uint32_t payload_bytes);
    void keep_cursor(WriterCore& writer);
    void set_faults();
    [[nodiscard]] std::string check_durable(const WriterCore& writer);
    [[nodiscard]] std::string crash();
    [[nodiscard]] std::string rot();

    SimulatedDisk disk_;
    WriteLedger ledger_;
    WriterEnvironment around_;
    JournalOptions options_;
    DiskCharacter character_;
    std::vector<std::uint64_t> appended_;  // by sequence: the life that appended it; kGapTag
    Sequence acknowledged_ = 0;
    std::uint64_t life_ = 0;
    std::uint64_t record_salt_ = kTestSalt;
    std::uint64_t atomic_left_ = 0;  // events of an atomic batch that has begun
    Sequence cursor_ = 0;            // up to where a reader is done
    Sequence kept_cursor_ = 0;       // as the ledger says, durably
    bool over_ = false;              // the disk is beyond recovery, as it should be
    SimulationCounts counts_;
};

inline constexpr std::uint64_t kGapTag = ~std::uint64_t{0};

// What is known of a journal on a disk that has just been powered on.
struct CrashedJournal {
    std::string directory;
    const std::vector<std::uint64_t>* appended = nullptr;  // by sequence: tag, or kGapTag
    Sequence acknowledged = 0;
    bool is_exact = true;  // nothing is still on its way to the disk
    bool is_whole = true;  // look at every event, not only at the last ones
    Sequence kept_cursor = 0;
};

// Recovers, twice, and reads. `end`: where it ends. Empty when every invariant of an honest disk
// holds.
[[nodiscard]] std::string check_crash(SimulatedDisk& disk,
                                      const WriteLedger& ledger,
                                      const CrashedJournal& journal,
                                      Sequence& end);
// The same for a disk that lied or rotted: what recovery and a reader must come to follows from
// what is still there as it was written. `refused`: recovery refuses, rightly.
[[nodiscard]] std::string check_damage(SimulatedDisk& disk,
                                       const WriteLedger& ledger,
                                       const CrashedJournal& journal,
                                       Sequence& end,
                                       bool& refused);

}  // namespace tailrace::journal
