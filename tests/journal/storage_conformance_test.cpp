// One contract, three implementations: what the journal relies on must hold for io_uring, for
// pwrite, and for the simulated disk that stands in for them elsewhere.

#include "aligned_memory.hpp"
#include "journal_fixture.hpp"
#include "posix_files.hpp"
#include "pwrite_storage.hpp"
#include "simulated_disk.hpp"
#include "storage_choice.hpp"
#include "uring_storage.hpp"

#include <catch2/catch.hpp>

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace tailrace::journal::storage_conformance_test {

namespace {

struct Machine {
    FileStore* files = nullptr;
    WriteQueue* queue = nullptr;
    std::string directory;

    AlignedMemory memory{8 * kMiB};
    TempDirectory temp;
    SimulatedDisk disk{7};
    std::unique_ptr<WriteQueue> owned;

    // False when this kernel refuses it.
    bool set_up(const std::string& kind) {
        directory = temp.path();
        files = &posix_files();
        if (kind == "simulated") {
            files = &disk;
            queue = &disk;
            return true;
        }
        if (kind == "pwrite") {
            owned = std::make_unique<PwriteStorage>(16);
        } else {
            auto uring = make_uring_storage(16, memory.bytes());
            if (!uring) return false;
            owned = std::move(*uring);
        }
        queue = owned.get();
        return true;
    }

    StoredFile create(const std::string& name, std::uint64_t size) {
        const IoOutcome opened =
            files->open(directory + "/" + name, {.write = true, .create = true});
        TAILRACE_CHECK(opened.ok());
        StoredFile file(*files, static_cast<FileId>(opened.value));
        TAILRACE_CHECK(files->allocate(file.id(), size).ok());
        return file;
    }

    std::vector<Completion> reap(std::size_t count) {
        std::vector<Completion> all;
        std::array<Completion, 16> some;
        for (int rounds = 0; all.size() < count && rounds < 100'000; ++rounds) {
            const IoOutcome outcome = queue->reap(some, kSecondNs);
            TAILRACE_CHECK(outcome.ok());
            all.insert(
                all.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(outcome.value));
        }
        return all;
    }
};

bool is_skipped(Machine& machine, const std::string& kind) {
    if (machine.set_up(kind)) return false;
    WARN("SKIPPED: io_uring is refused here");
    return true;
}

}  // namespace

TEST_CASE("storage: every write completes once, with its tag, and is read back",
          "[journal][storage]") {
    const std::string kind = GENERATE("io_uring", "pwrite", "simulated");
    Machine machine;
    if (is_skipped(machine, kind)) return;
    INFO(kind);
    const StoredFile file = machine.create("a", 8 * kMiB);
    for (std::size_t i = 0; i < 8; ++i) {
        auto bytes = machine.memory.bytes().subspan(i * kMiB, kMiB);
        std::memset(bytes.data(), static_cast<int>('a' + i), bytes.size());
        REQUIRE(machine.queue->submit_write(file.id(), i * kMiB, bytes, 100 + i));
    }

    auto completions = machine.reap(8);

    REQUIRE(completions.size() == 8);
    std::sort(completions.begin(), completions.end(), [](const auto& left, const auto& right) {
        return left.tag < right.tag;
    });
    std::vector<std::byte> read(16);
    for (std::size_t i = 0; i < 8; ++i) {
        CHECK(completions[i].tag == 100 + i);
        CHECK(completions[i].outcome == static_cast<std::int64_t>(kMiB));
        REQUIRE(machine.files->read(file.id(), i * kMiB + 4000, read).value == 16);
        CHECK(read.front() == static_cast<std::byte>('a' + i));
    }
    CHECK(machine.queue->submit_flush(file.id(), 5));
    const auto flushed = machine.reap(1);
    REQUIRE(flushed.size() == 1);
    CHECK(flushed[0].tag == 5);
    CHECK(flushed[0].outcome == 0);
}

TEST_CASE("storage: memory outside of what was registered can be written from too",
          "[journal][storage]") {
    const std::string kind = GENERATE("io_uring", "pwrite", "simulated");
    Machine machine;
    if (is_skipped(machine, kind)) return;
    INFO(kind);
    const StoredFile file = machine.create("a", kMiB);
    const AlignedMemory other(kBlockSizeBytes);
    REQUIRE(machine.queue->submit_write(file.id(), 0, other.bytes(), 1));
    CHECK(machine.reap(1).at(0).outcome == static_cast<std::int64_t>(kBlockSizeBytes));
}

TEST_CASE("storage: reaping nothing returns at once without a timeout", "[journal][storage]") {
    const std::string kind = GENERATE("io_uring", "pwrite", "simulated");
    Machine machine;
    if (is_skipped(machine, kind)) return;
    std::array<Completion, 4> none;
    const IoOutcome outcome = machine.queue->reap(none, 0);
    CHECK(outcome.ok());
    CHECK(outcome.value == 0);
}

TEST_CASE("storage: a write to a file that is open for reading is an error of that write",
          "[journal][storage]") {
    const std::string kind = GENERATE("io_uring", "pwrite");
    Machine machine;
    if (is_skipped(machine, kind)) return;
    INFO(kind);
    { const StoredFile file = machine.create("a", kMiB); }
    const IoOutcome opened = machine.files->open(machine.directory + "/a", {});
    REQUIRE(opened.ok());
    const StoredFile file(*machine.files, static_cast<FileId>(opened.value));
    REQUIRE(machine.queue->submit_write(file.id(), 0, machine.memory.bytes().first(4096), 9));
    CHECK(machine.reap(1).at(0).outcome == -EBADF);
}

TEST_CASE("storage: every kind of durable write completes once, whole and flushed",
          "[journal][storage]") {
    const std::string kind = GENERATE("io_uring", "pwrite", "simulated");
    Machine machine;
    if (is_skipped(machine, kind)) return;
    const StoredFile file = machine.create("a", kMiB);
    std::uint64_t offset = 0;
    for (const DurableWrite durable : machine.queue->durable_writes()) {
        INFO(kind << ", " << durable_write_name(durable));
        auto bytes = machine.memory.bytes().subspan(offset, 8192);
        std::memset(bytes.data(), static_cast<int>('a' + offset / 8192), bytes.size());
        REQUIRE(machine.queue->submit_durable_write(durable, file.id(), offset, bytes, 70));
        const auto done = machine.reap(1);
        REQUIRE(done.size() == 1);
        CHECK(done[0].tag == 70);
        CHECK(done[0].outcome == 8192);
        CHECK(done[0].flush_errno == 0);
        std::vector<std::byte> read(16);
        REQUIRE(machine.files->read(file.id(), offset + 8000, read).value == 16);
        CHECK(read.front() == bytes.front());
        std::array<Completion, 4> none;
        CHECK(machine.queue->reap(none, 0).value == 0);
        offset += 8192;
    }
    CHECK(offset > 0);
}

TEST_CASE("storage: a durable write that fails is told once, as an error", "[journal][storage]") {
    const std::string kind = GENERATE("io_uring", "pwrite");
    Machine machine;
    if (is_skipped(machine, kind)) return;
    { const StoredFile file = machine.create("a", kMiB); }
    const IoOutcome opened = machine.files->open(machine.directory + "/a", {});
    REQUIRE(opened.ok());
    const StoredFile file(*machine.files, static_cast<FileId>(opened.value));
    for (const DurableWrite durable : machine.queue->durable_writes()) {
        INFO(kind << ", " << durable_write_name(durable));
        const auto bytes = machine.memory.bytes().first(4096);
        REQUIRE(machine.queue->submit_durable_write(durable, file.id(), 0, bytes, 9));
        const auto done = machine.reap(1);
        REQUIRE(done.size() == 1);
        CHECK(done[0].outcome == -EBADF);
        std::array<Completion, 4> none;
        CHECK(machine.queue->reap(none, 0).value == 0);
    }
}

// A limit on the size of files cuts a write in the middle, as a full disk or a signal may.
TEST_CASE("storage: a durable write that was cut short is not called flushed",
          "[journal][storage]") {
    const std::string kind = GENERATE("io_uring", "pwrite");
    Machine machine;
    if (is_skipped(machine, kind)) return;
    const StoredFile file = machine.create("a", 4096);
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    for (const DurableWrite durable : machine.queue->durable_writes()) {
        INFO(kind << ", " << durable_write_name(durable));
        const rlimit small{4096, before.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
        const auto bytes = machine.memory.bytes().first(8192);
        const bool submitted = machine.queue->submit_durable_write(durable, file.id(), 0, bytes, 9);
        const auto done = machine.reap(1);
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
        REQUIRE(submitted);
        REQUIRE(done.size() == 1);
        CHECK(done[0].outcome == 4096);
        // Of RWF_DSYNC the count says it all.
        const bool is_pair =
            durable == DurableWrite::linked_flush || durable == DurableWrite::flushed_call;
        CHECK(done[0].flush_errno == (is_pair ? ECANCELED : 0));
    }
}

TEST_CASE("storage: files are made, sized, renamed, listed and removed", "[journal][storage]") {
    const std::string kind = GENERATE("pwrite", "simulated");
    Machine machine;
    REQUIRE(machine.set_up(kind));
    INFO(kind);
    FileStore& files = *machine.files;
    const std::string& directory = machine.directory;
    CHECK(files.open(directory + "/none", {}).os_errno == ENOENT);
    {
        const StoredFile file = machine.create("a", kMiB);
        CHECK(files.size_bytes(file.id()).value == kMiB);
        std::vector<std::byte> bytes(100, std::byte{7});
        CHECK(files.write(file.id(), kMiB - 50, bytes).ok());
        CHECK(files.size_bytes(file.id()).value == kMiB + 50);
        std::vector<std::byte> read(200);
        CHECK(files.read(file.id(), kMiB - 50, read).value == 100);
        CHECK(files.read(file.id(), kMiB + 50, read).value == 0);
        CHECK(files.read(file.id(), 5 * kMiB, read).value == 0);
        files.deallocate(file.id(), 0, kMiB);
        CHECK(files.read(file.id(), kMiB - 50, read).value == 100);
        CHECK(read[0] == std::byte{0});
        CHECK(read[99] == std::byte{7});
        CHECK(files.sync(file.id()).ok());
    }
    CHECK(files.rename(directory + "/a", directory + "/b").ok());
    CHECK(files.rename(directory + "/a", directory + "/b").os_errno == ENOENT);
    CHECK(files.sync_directory(directory).ok());
    std::vector<std::string> names;
    CHECK(files.list(directory, names).ok());
    CHECK(names == std::vector<std::string>{"b"});
    CHECK(files.remove(directory + "/b").ok());
    CHECK(files.remove(directory + "/b").os_errno == ENOENT);
}

}  // namespace tailrace::journal::storage_conformance_test
