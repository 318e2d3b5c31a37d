// SimulatedDisk: files, write queue and clock of a machine whose power can be cut.
//
// Behaves as badly as a real disk may and a file system is allowed to: what was not flushed
// survives a cut in any part, sector by sector, in any order; a name that was not flushed may be
// lost; completions come in any order, short, or as errors; a failed flush drops what it should
// have kept. Everything follows from one seed. One thread.
#pragma once

#include "storage.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace tailrace::journal {

struct DiskFaults {
    // Chances in thousand, for each operation of the queue.
    unsigned short_write = 0;
    unsigned again = 0;
    unsigned write_error = 0;
    unsigned flush_error = 0;
    int error = 5;                                     // EIO
    std::uint64_t capacity_bytes = ~std::uint64_t{0};  // of all allocated files: ENOSPC beyond
    std::uint64_t sector_bytes = 512;                  // what is written whole or not at all
};

// How much of what was not flushed survives a cut.
enum class Survival { nothing, everything, some };

class SimulatedDisk final : public FileStore, public WriteQueue, public TimeSource {
public:
    explicit SimulatedDisk(std::uint64_t seed);

    DiskFaults faults;
    // The machine stops in the middle of this many operations from now; 0: it doesn't.
    void stop_after(std::uint64_t operations) { stop_after_ = operations; }
    [[nodiscard]] bool is_stopped() const { return stopped_; }
    // The power goes off; nothing has any effect until it is back on.
    void cut() { stopped_ = true; }
    // Back on, with what survived. Nobody holds a file open any more.
    void power_on(Survival survival);
    // The process dies, the machine does not: nothing that was completed is lost.
    void kill_process();

    [[nodiscard]] std::uint64_t injected_faults() const { return injected_faults_; }
    [[nodiscard]] std::uint64_t flushes_after_failed_flush() const {
        return flushes_after_failed_flush_;
    }
    [[nodiscard]] std::uint64_t random_below(std::uint64_t bound);

    // A file's content as programs see it, to look at or to damage. Requires: it exists.
    [[nodiscard]] std::vector<std::byte>& content(const std::string& path);
    [[nodiscard]] bool exists(const std::string& path) const { return names_.contains(path); }
    [[nodiscard]] std::vector<std::string> paths() const;
    // Makes the visible state the one that survives everything.
    void settle();

    // FileStore
    IoOutcome open(const std::string& path, OpenFlags flags) noexcept override;
    void close(FileId file) noexcept override;
    IoOutcome size_bytes(FileId file) noexcept override;
    IoOutcome hold(FileId file, FileHold hold) noexcept override;
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
        std::uint64_t offset = 0;
        std::vector<std::byte> bytes;
    };
    struct Inode {
        std::vector<std::byte> visible;
        std::vector<std::byte> stable;  // survives any cut
        std::vector<Write> unflushed;   // completed since the last flush
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
        std::shared_ptr<Inode> inode;
        Write write;
        std::uint64_t tag = 0;
        std::size_t covered =
            0;  // of a flush: how many unflushed writes were there when it was submitted
    };
    using Names = std::map<std::string, std::shared_ptr<Inode>>;

    // Counts an operation; true when the machine has stopped.
    [[nodiscard]] bool is_dead();
    [[nodiscard]] bool happens(unsigned in_thousand);
    [[nodiscard]] Inode* inode_of(FileId file);
    [[nodiscard]] std::uint64_t allocated_bytes() const;
    void apply(std::vector<std::byte>& content, const Write& write) const;
    void apply_in_part(std::vector<std::byte>& content, const Write& write);
    void apply_name(Names& names, const NameChange& change) const;
    void flush(Inode& inode, std::size_t count);
    [[nodiscard]] Completion finish(Operation operation);
    [[nodiscard]] Completion finish_write(Operation operation);
    [[nodiscard]] int finish_durable_write(Inode& inode, bool is_whole);

    std::mt19937_64 random_;
    std::uint64_t stop_after_ = 0;
    bool stopped_ = false;
    Names names_;
    Names stable_names_;
    std::vector<NameChange> unflushed_names_;
    std::map<FileId, std::shared_ptr<Inode>> open_;
    std::map<FileId, FileHold> holds_;
    FileId next_file_ = 3;
    std::deque<Operation> in_flight_;
    std::uint64_t wall_ns_ = 1'700'000'000'000'000'000;
    std::uint64_t elapsed_ns_ = 0;
    std::uint64_t injected_faults_ = 0;
    std::uint64_t flushes_after_failed_flush_ = 0;
};

}  // namespace tailrace::journal
