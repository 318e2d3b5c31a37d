// CrashSearch: all the ways in which one crash may end.
//
// A story brings a writer to a moment at which a few sectors and names are not flushed yet. Each
// subset of those sectors, with each front part of the names, is a state that the disk may be in
// after a power cut: 4096 for twelve blocks. All of them are recovered and must keep every
// invariant of crash_simulation.hpp. A story may also be cut after each of its operations in turn.
// One thread.
#pragma once

#include "crash_simulation.hpp"

#include <functional>
#include <string>

namespace tailrace::journal {

// A disk with a journal, and the writer that stories drive.
class CrashStage {
public:
    explicit CrashStage(std::uint64_t sector_bytes);
    CrashStage(const CrashStage&) = delete;
    CrashStage& operator=(const CrashStage&) = delete;

    SimulatedDisk disk{1};
    WriteLedger ledger;
    WriterEnvironment around;
    JournalOptions options;
    std::unique_ptr<WriterCore> writer;
    std::vector<std::uint64_t> appended;
    Sequence acknowledged = 0;
    std::uint64_t life = 0;

    // Opens the journal, as the next life. False when the machine stopped meanwhile.
    bool open();
    // Events of a batch of their own that takes so many blocks.
    void append_blocks(std::uint64_t blocks);
    void append_gap(std::uint64_t count);
    void drive(int rounds);
    // Everything durable, nothing in flight.
    void settle();
    // From now on nothing completes.
    void hold() { disk.faults.hold_completions = true; }
    // The power goes off and comes back with a random part of what was not flushed.
    void crash(Survival survival);
    // The process dies; what it had in flight arrives after so many operations of its successor.
    void kill(std::uint64_t arrival);

private:
    void note_durable();
};

using CrashStory = std::function<void(CrashStage&)>;

struct CrashSearchCounts {
    std::uint64_t states = 0;
    std::uint64_t moments = 0;      // at which the power was cut
    std::size_t most_units = 0;     // of unflushed sectors at one moment
    std::size_t most_names = 0;     // and of name changes
    std::uint64_t ends_differ = 0;  // states that lost something that others kept
};

// `prepare`, then `act`, then all endings of a cut there. Empty when all invariants held.
[[nodiscard]] std::string search_here(std::uint64_t sector_bytes,
                                      const CrashStory& prepare,
                                      const CrashStory& act,
                                      CrashSearchCounts& counts);
// The same for a cut in the middle of each operation of `act` in turn.
[[nodiscard]] std::string search_each_step(std::uint64_t sector_bytes,
                                           const CrashStory& prepare,
                                           const CrashStory& act,
                                           CrashSearchCounts& counts);

// A story with its name, by which both the tests and the mutations run it.
struct NamedSearch {
    const char* name;
    std::string (*run)(CrashSearchCounts& counts);
    bool is_wide;  // thousands of states: too dear under a sanitizer
};
[[nodiscard]] std::span<const NamedSearch> crash_searches();

}  // namespace tailrace::journal
