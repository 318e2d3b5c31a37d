// SimulatedDisk: files, write queue and clock of a machine whose power can be cut.
//
// Behaves as badly as a real disk may and a file system is allowed to: what was not flushed
// survives a cut in any part, sector by sector, a later write without an earlier one; a name that
// was not flushed may be lost; completions come in any order, short, or as errors; a failed flush
// drops what it should have kept. On demand it is worse than allowed: it lies about flushes, writes
// to the wrong place, rots. Everything follows from one seed; each fault is counted. A copy is
// another disk in the same state, on which the same crash may end in another way. One thread.
#pragma once

#include "sparse_bytes.hpp"
#include "storage.hpp"
#include "support/seeded_random.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace tailrace::journal {

enum class Fault : std::uint8_t {
    short_write,
    again,
    write_error,
    flush_error,
    no_space,
    read_error,
    lost_flush,         // answered, not done
    misdirected_write,  // done elsewhere in the same file, answered as if here
    bit_flip,
    // What a cut does to what was not flushed.
    torn_write,
    reordered_write,  // it survives, an earlier one doesn't
    lost_name,
    // A write of a killed process that reaches the device while its successor runs.
    late_write,
};
inline constexpr std::size_t kFaultKinds = 13;
using FaultCounts = std::array<std::uint64_t, kFaultKinds>;

struct DiskFaults {
    // Chances in thousand, for each operation.
    unsigned short_write = 0;
    unsigned again = 0;
    unsigned write_error = 0;
    unsigned flush_error = 0;
    unsigned read_error = 0;
    unsigned lost_flush = 0;
    unsigned misdirected_write = 0;
    int error = 5;                                     // EIO
    std::uint64_t capacity_bytes = ~std::uint64_t{0};  // of all allocated files: ENOSPC beyond
    std::uint64_t sector_bytes = 512;                  // what is written whole or not at all
    bool refuse_holds = false;                         // a file system without locks
    bool hold_completions = false;  // what is submitted stays in flight; waiting gives up
};

// How much of what was not flushed survives a cut.
enum class Survival { nothing, everything, some };

class SimulatedDisk final : public FileStore, public WriteQueue, public TimeSource {
public:
    explicit SimulatedDisk(std::uint64_t seed);
    // Nobody has a file of the copy open. It observes nothing.
    SimulatedDisk(const SimulatedDisk& other);
    SimulatedDisk& operator=(const SimulatedDisk&) = delete;
    ~SimulatedDisk() override = default;

    DiskFaults faults;
    // Told of every write before it has any effect.
    std::function<void(const std::string& path, std::uint64_t offset, std::span<const std::byte>)>
        observer;

    // The machine stops in the middle of this many operations from now; 0: it doesn't.
    void stop_after(std::uint64_t operations) { stop_after_ = operations; }
    [[nodiscard]] bool is_stopped() const { return stopped_; }
    // The file of the operation in whose middle it stopped.
    [[nodiscard]] const std::string& stopped_in() const { return stopped_in_; }
    // The power goes off; nothing has any effect until it is back on.
    void cut() { stopped_ = true; }
    // Back on, with what survived. Nobody holds a file open any more.
    void power_on(Survival survival);
    // The process dies, the machine does not: nothing that was completed is lost. What was in
    // flight is lost, is done, or is still on its way to the device.
    void kill_process();
    // The same; all that was in flight arrives after so many operations.
    void kill_process_with_late_writes(std::uint64_t operations);

    // All the ways in which a cut may end. Units are sectors of writes that were not flushed, in
    // the order of submission: the bit of each in `kept` says whether it survives. Names survive in
    // the order of their changes.
    [[nodiscard]] std::size_t unflushed_units() const;
    [[nodiscard]] std::size_t unflushed_name_count() const { return unflushed_names_.size(); }
    void power_on_with(std::uint64_t kept, std::size_t kept_names);

    [[nodiscard]] std::uint64_t injected_faults() const;
    [[nodiscard]] const FaultCounts& fired() const { return fired_; }
    [[nodiscard]] std::uint64_t operation_count() const { return operation_count_; }
    // Of any kind that changes something.
    [[nodiscard]] std::uint64_t change_count() const { return change_count_; }
    [[nodiscard]] std::uint64_t flushes_after_failed_flush() const {
        return flushes_after_failed_flush_;
    }
    [[nodiscard]] std::uint64_t random_below(std::uint64_t bound);
    void reseed(std::uint64_t seed) { random_ = test::SeededRandom(seed); }

    [[nodiscard]] bool exists(const std::string& path) const { return names_.contains(path); }
    [[nodiscard]] std::vector<std::string> paths() const;
    // As programs see it, and as it would be after a cut that nothing survives. Zeroes where there
    // is nothing.
    [[nodiscard]] std::vector<std::byte> look_at(const std::string& path,
                                                 std::uint64_t offset,
                                                 std::uint64_t size_bytes) const;
    [[nodiscard]] bool survives(const std::string& path,
                                std::uint64_t offset,
                                std::span<const std::byte> bytes) const;
    // Makes or replaces a file, as if it had always been there.
    void put(const std::string& path, std::span<const std::byte> bytes);
    // Both in what programs see and in what survives. Grows the file when it must. Requires: it
    // exists.
    void overwrite(const std::string& path, std::uint64_t offset, std::span<const std::byte> bytes);
    void flip_bit(const std::string& path, std::uint64_t offset, unsigned bit);
    // Makes the visible state the one that survives everything.
    void settle();

    // FileStore
    IoOutcome open(const std::string& path, OpenFlags flags) noexcept override;
    void close(FileId file) noexcept override;
    IoOutcome size_bytes(FileId file) noexcept override;
    IoOutcome hold(FileId file, FileHold hold) noexcept override;
    IoOutcome await_writing(FileId file) noexcept override;
    bool is_named(FileId file, const std::string& path) noexcept override;
    IoOutcome read(FileId file, std::uint64_t offset, std::span<std::byte> into) noexcept override;
    IoOutcome write(FileId file,
                    std::uint64_t offset,
                    std::span<const std::byte> bytes) noexcept override;
    IoOutcome allocate(FileId file, std::uint64_t size_bytes) noexcept override;
    void deallocate(FileId file, std::uint64_t offset, std::uint64_t size_bytes) noexcept override;
    IoOutcome sync(FileId file) noexcept override;
    void forget_cache(FileId file) noexcept override;
    IoOutcome rename(const std::string& from, const std::string& to) noexcept override;
    IoOutcome remove(const std::string& path) noexcept override;
    IoOutcome sync_directory(const std::string& directory) noexcept override;
    IoOutcome list(const std::string& directory, std::vector<std::string>& names) noexcept override;

    // WriteQueue
    bool submit_write(FileId file,
                      std::uint64_t offset,
                      std::span<const std::byte> bytes,
                      std::uint64_t tag) noexcept override;
    bool submit_flush(FileId file, std::uint64_t tag) noexcept override;
    bool submit_durable_write(DurableWrite kind,
                              FileId file,
                              std::uint64_t offset,
                              std::span<const std::byte> bytes,
                              std::uint64_t tag) noexcept override;
    [[nodiscard]] std::span<const DurableWrite> durable_writes() const noexcept override;
    int kick() noexcept override { return 0; }
    IoOutcome reap(std::span<Completion> into, std::uint64_t timeout_ns) noexcept override;
    [[nodiscard]] std::string_view name() const noexcept override { return "simulated"; }

    // TimeSource: every look at a clock moves it on.
    std::uint64_t wall_ns() noexcept override { return wall_ns_ += 1'000; }
    std::uint64_t elapsed_ns() noexcept override { return elapsed_ns_ += 10'000; }
    void set_wall_ns(std::uint64_t now_ns) { wall_ns_ = now_ns; }
    void pass_ns(std::uint64_t ns) { elapsed_ns_ += ns; }

private:
    struct Write {
        std::uint64_t order = 0;  // of submission
        std::uint64_t offset = 0;
        std::uint64_t size_bytes = 0;
        std::shared_ptr<const std::vector<std::byte>> bytes;  // none: zeroes
    };
    struct Inode {
        SparseBytes visible;
        SparseBytes stable;            // survives any cut
        std::vector<Write> unflushed;  // completed since the last flush
        std::uint64_t allocated_bytes = 0;
        bool flush_failed = false;
    };
    struct NameChange {
        std::string from;  // empty: created
        std::string to;    // empty: removed
        std::shared_ptr<Inode> inode;
    };
    struct Operation {
        bool is_flush = false;
        bool is_durable_write = false;
        bool is_held = false;  // through a file that is held for writing
        std::shared_ptr<Inode> inode;
        Write write;
        std::uint64_t tag = 0;
        std::size_t covered =
            0;  // of a flush: how many unflushed writes were there when it was submitted
    };
    struct OpenFile {
        std::string path;
        std::shared_ptr<Inode> inode;
    };
    using Names = std::map<std::string, std::shared_ptr<Inode>>;

    // Counts an operation; true when the machine has stopped.
    [[nodiscard]] bool is_dead(const std::string& path);
    [[nodiscard]] bool happens(Fault fault, unsigned in_thousand);
    [[nodiscard]] std::uint64_t& count_of(Fault fault) {
        return fired_[static_cast<std::size_t>(fault)];
    }
    [[nodiscard]] Inode* inode_of(FileId file);
    [[nodiscard]] const std::string& path_of(FileId file) const;
    [[nodiscard]] std::uint64_t allocated_bytes() const;
    [[nodiscard]] Write make_write(std::uint64_t offset, std::span<const std::byte> bytes);
    static void apply(SparseBytes& content, const Write& write);
    static void apply_part(SparseBytes& content,
                           const Write& write,
                           std::uint64_t from,
                           std::uint64_t size_bytes);
    // Whether any of it, and whether all of it, survives.
    void survive_in_part(SparseBytes& content, const Write& write, bool& any, bool& all);
    static void apply_name(Names& names, const NameChange& change);
    [[nodiscard]] std::vector<std::shared_ptr<Inode>> inodes() const;
    [[nodiscard]] bool flush(Inode& inode, std::size_t count);
    [[nodiscard]] Completion finish(Operation operation);
    [[nodiscard]] Completion finish_write(Operation operation);
    [[nodiscard]] int finish_durable_write(Inode& inode, bool is_whole);
    void lose_flight();
    void land_late_writes(std::uint64_t one_in);
    void land(const Operation& operation);
    void restart(std::size_t kept_names);
    void change_name(const NameChange& change);

    test::SeededRandom random_;
    std::uint64_t stop_after_ = 0;
    bool stopped_ = false;
    std::string stopped_in_;
    Names names_;
    Names stable_names_;
    std::vector<NameChange> unflushed_names_;
    std::map<FileId, OpenFile> open_;
    std::map<FileId, FileHold> holds_;
    FileId next_file_ = 3;
    std::deque<Operation> in_flight_;
    std::deque<Operation> late_;
    std::uint64_t late_at_ = 0;  // operation_count_ from which on they arrive; 0: by chance
    std::uint64_t next_order_ = 1;
    std::uint64_t wall_ns_ = 1'700'000'000'000'000'000;
    std::uint64_t elapsed_ns_ = 0;
    FaultCounts fired_{};
    std::uint64_t operation_count_ = 0;
    std::uint64_t change_count_ = 0;
    std::uint64_t flushes_after_failed_flush_ = 0;
};

}  // namespace tailrace::journal
