// The journal's notice board: how far a stream is durable, for publishers that wait and tools that
// watch.
//
// The journal writer is one process at a time, proven by a lock that dies with it, or by the end of
// the process where a child has kept the lock. Everybody else only reads. `durable_sequence` in
// shared memory is never taken over by a successor: it is 0 while that one recovers its journal,
// and then what recovery found on the disk.
#pragma once

#include <tailrace/base/file_lock.hpp>
#include <tailrace/base/home_process.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/bus/deadline.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/bus/wait.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace tailrace::bus {

// How much room the journal's disk has, as far as it matters here.
enum class JournalRoom : std::uint8_t { enough, low, none };

// Which journal the last writers of a stream wrote, and how far it was durable.
struct RememberedJournal {
    std::array<std::uint64_t, 2> id = {0, 0};
    Sequence durable_sequence = 0;  // 0: nothing is remembered
    std::string directory;
};

// The writer's end. One thread.
class JournalBoardWriter {
public:
    // Takes the role. Nothing is promised from here on until opened(); who waits goes on waiting. A
    // writer that leaves without having opened its journal gives back what it found: it has learnt
    // nothing of the journal before it. Error `busy` with the pid of the writer that runs.
    [[nodiscard]] static Result<JournalBoardWriter> take(std::shared_ptr<Region> region);

    JournalBoardWriter(JournalBoardWriter&&) noexcept = default;
    JournalBoardWriter& operator=(JournalBoardWriter&& other) noexcept;
    JournalBoardWriter(const JournalBoardWriter&) = delete;
    JournalBoardWriter& operator=(const JournalBoardWriter&) = delete;
    // Says `stopped`, unless it failed, or this is a forked child: the role is the parent's.
    ~JournalBoardWriter();

    // What stood on the board when the role was taken.
    [[nodiscard]] const RememberedJournal& remembered() const noexcept { return remembered_; }

    // The journal is open: everything below is in it, but for gaps that were told. To be called
    // once, behind continue_at() and before anything else is promised.
    void opened(Sequence durable_sequence) noexcept;
    // For whoever comes next: this is the journal in which it is durable. Behind opened().
    void remember(const std::array<std::uint64_t, 2>& id, const std::string& directory) noexcept;
    // Wakes waiters when `durable_sequence` moved. Requires: durable <= written, both never go
    // back.
    void progress(Sequence durable_sequence,
                  Sequence written_sequence,
                  std::uint64_t written_bytes,
                  std::uint64_t flushes) noexcept;
    // [first, end) will not be in the journal: whoever waits for any of it is woken and told. To be
    // called before the durable sequence goes beyond `first`, in ascending order.
    void gap(Sequence first, Sequence end) noexcept;
    // Counts events that were lost to the journal. Behind the gap() that names them.
    void lost(std::uint64_t events) noexcept;
    // The journal goes on at `sequence`, so what an earlier writer said of later gaps is void.
    void continue_at(Sequence sequence) noexcept;
    // A journal has everything below, and the caller's gate stands there or before. Publishers of a
    // stream that holds for its journal write no further than a ring beyond it, also when this
    // writer is gone. Wakes nobody: moving the gate does. On other streams nothing.
    void hold_from(Place place) noexcept;
    // Wakes waiters when it changed. `os_errno`: why there is no more.
    void room(JournalRoom room, int os_errno) noexcept;
    // Freezes the durable sequence and wakes every waiter with the error.
    void fail(int os_errno) noexcept;

private:
    JournalBoardWriter(std::shared_ptr<Region> region, FileLock lock) noexcept;
    void stop() noexcept;
    void wake_waiting() noexcept;

    std::shared_ptr<Region> region_;
    FileLock lock_;
    HomeProcess home_;
    // What stood on the board when the role was taken, until opened().
    JournalState last_state_ = JournalState::none;
    Sequence last_durable_sequence_ = 0;
    Sequence last_written_sequence_ = 0;
    RememberedJournal remembered_;
};

// Which journal was recorded into last. Of a stream whose recorder changes at this moment it may be
// half of each: the id of the journal that is found tells.
[[nodiscard]] RememberedJournal remembered_journal(const Region& region);
// Below it everything is in a journal, when the stream holds for its journal; empty when it
// doesn't.
[[nodiscard]] std::optional<Place> journal_hold(const Region& region) noexcept;
// Where the gap of the journal that holds `sequence` ends; empty when no listed one does.
[[nodiscard]] std::optional<Sequence> journal_gap_end(const Region& region,
                                                      Sequence sequence) noexcept;
// Everything below it is durable, but for the journal's gaps: see check_kept().
[[nodiscard]] Sequence durable_sequence(const Region& region) noexcept;
// Whether a journal writer is alive now. Cold: while one is, it reads some files of /proc.
[[nodiscard]] bool has_journal_writer(const Region& region) noexcept;
// Whether what is published now will soon be durable. Errors: no_writer, io_failure, and no_space
// already while the journal's last file is being filled: so that what was published before that
// fits.
[[nodiscard]] Result<void> check_durable(const Region& region);
// Whether [first, end) has no part in a gap of the journal: what a slow disk made the writer give
// up (--journal-lag drop), or what left the ring before any writer read it. Below
// durable_sequence() it is durable then. Error sequence_gone: it names the gap, or says that it
// can't be told any more because more gaps came than the board lists; never a yes in doubt.
[[nodiscard]] Result<void> check_kept(const Region& region, Sequence first, Sequence end);
// Waits until every event of [first, end) is durable. Errors: timed_out, no_writer, io_failure,
// no_space when the journal's disk is full, and those of check_kept().
// Requires: the region isn't open for observe.
[[nodiscard]] Result<void> wait_durable(const Region& region,
                                        Sequence first,
                                        Sequence end,
                                        Deadline deadline);
// The same, from where the caller has been told so far: `told` moves to `end` when it is durable,
// behind the gap when there is one, and stays with the other errors.
[[nodiscard]] Result<void> wait_durable_behind(const Region& region,
                                               DurableWait& wait,
                                               Sequence end,
                                               Deadline deadline);
// The same for everything below `sequence` that was ever in this ring: one gap long ago is an error
// for ever.
[[nodiscard]] Result<void> wait_durable(const Region& region, Sequence sequence, Deadline deadline);

}  // namespace tailrace::bus
