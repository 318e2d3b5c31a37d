// What the kernel, a container or a full disk refuses, by real refusals: seccomp filters, a small
// tmpfs, a taken lock.

#include "journal_fixture.hpp"
#include "simulated_writer.hpp"
#include "support/child_process.hpp"
#include "support/watchdog.hpp"

#include <tailrace/journal/inspect.hpp>
#include <tailrace/journal/verify.hpp>

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <fstream>
#include <optional>

namespace tailrace::journal::kernel_refusal_test {

namespace {

constexpr unsigned kChildSeconds = 60;

using test::in_child;

// From now on, in this process, the system call fails with `os_errno`.
bool forbid(unsigned system_call, int os_errno) {
    const auto refusal = SECCOMP_RET_ERRNO | (static_cast<unsigned>(os_errno) & SECCOMP_RET_DATA);
    std::array<sock_filter, 4> filter = {{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, system_call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, refusal),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    }};
    const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

bool forbid_io_uring(int os_errno) {
    return forbid(__NR_io_uring_setup, os_errno);
}

// A hint that somebody can act on, and not the wrong one.
bool helps(const Error& error, const char* with) {
    return error.hint.find(with) != std::string::npos &&
           error.hint.find("df ") == std::string::npos;
}

enum class Registration { allowed, refused, ring_refused, no_io_uring };

// Whether this process may lock memory for io_uring, asked of the kernel itself.
Registration try_to_register_buffers() {
    io_uring_params params{};
    // Some kernels (5.11 and before, 6.14 and later) count the ring itself as locked memory.
    const long fd = ::syscall(__NR_io_uring_setup, 4, &params);
    if (fd < 0) return errno == ENOMEM ? Registration::ring_refused : Registration::no_io_uring;
    void* const memory =
        ::mmap(nullptr, kMiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    iovec region{memory, kMiB};
    const long status = ::syscall(__NR_io_uring_register, fd, IORING_REGISTER_BUFFERS, &region, 1);
    const bool refused = status < 0 && errno == ENOMEM;
    ::munmap(memory, kMiB);
    ::close(static_cast<int>(fd));
    return refused ? Registration::refused : Registration::allowed;
}

// How many buffers are registered with the rings of this process, as the kernel tells of each
// descriptor; empty when it tells of no ring.
std::optional<std::uint64_t> registered_buffers() {
    std::optional<std::uint64_t> sum;
    for (const auto& descriptor : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
        std::ifstream lines(descriptor.path());
        for (std::string word; lines >> word;) {
            std::uint64_t count = 0;
            if (word == "UserBufs:" && lines >> count) sum = sum.value_or(0) + count;
        }
    }
    return sum;
}

// A tmpfs of its own size, for as long as it lives.
class SmallDisk {
public:
    SmallDisk(const std::string& path, const std::string& size) : path_(path) {
        std::filesystem::create_directories(path);
        mounted_ = ::mount("tmpfs", path.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
    }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;
    ~SmallDisk() {
        if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
    }
    [[nodiscard]] bool is_mounted() const { return mounted_; }

private:
    std::string path_;
    bool mounted_ = false;
};

// Low space is no reason to stop: whether it is seen before none is left depends on how fast the
// last segment fills.
bool goes_on(WriterState state) {
    return state == WriterState::running || state == WriterState::low_space;
}

enum Answer : int { fine = 0, no_filter = 77, no_io_uring = 78, no_word_of_rings = 79, wrong = 1 };

}  // namespace

TEST_CASE("io_uring refused: the writer goes on over pwrite and says why", "[journal][refusal]") {
    const int refusal = GENERATE(EPERM, ENOSYS);
    const TempDirectory temp;

    const int answer = in_child([&] {
        if (!forbid_io_uring(refusal)) return int{no_filter};
        const auto probe = probe_io(temp.path());
        if (!probe || probe->backend_name != "pwrite" || probe->uring_errno != refusal) return 2;
        auto writer = Writer::open(small_options(temp.journal()));
        if (!writer) return 3;
        if (writer->io_backend_name() != "pwrite") return 4;
        const std::string name = refusal == EPERM ? "EPERM" : "ENOSYS";
        if (writer->io_backend_reason().find(name) == std::string_view::npos) return 5;
        if (!append_all(*writer, make_events(0, 20'000))) return 6;
        if (!writer->sync(30 * kSecondNs) || writer->durable_sequence() != 20'000) return 7;
        if (!writer->close()) return 8;

        JournalOptions demanded = small_options(temp.journal());
        demanded.io_backend = IoBackend::uring;
        const auto refused = Writer::open(demanded);
        if (refused || refused.error().os_errno != refusal) return 9;
        return int{fine};
    });

    if (answer == no_filter) {
        WARN("SKIPPED: no seccomp filter can be set here");
        return;
    }
    CHECK(answer == fine);
    CHECK(is_dense(read_all(temp.journal()), 0, 20'000));
}

TEST_CASE("fallocate refused: room is had by writing it, and the journal is written",
          "[journal][refusal]") {
    const int refusal = GENERATE(EPERM, ENOSYS);
    const TempDirectory temp;
    const int answer = in_child([&] {
        if (!forbid(__NR_fallocate, refusal)) return int{no_filter};
        auto writer = Writer::open(small_options(temp.journal()));
        if (!writer) return 2;
        if (!append_all(*writer, make_events(0, 20'000))) return 3;
        if (!writer->close()) return 4;
        return int{fine};
    });
    if (answer == no_filter) {
        WARN("SKIPPED: no seccomp filter can be set here");
        return;
    }
    CHECK(answer == fine);
    CHECK(is_dense(read_all(temp.journal()), 0, 20'000));
}

TEST_CASE("getrandom refused: the journal is begun all the same, with an id of its own",
          "[journal][refusal]") {
    const TempDirectory temp;
    const int answer = in_child([&] {
        if (!forbid(__NR_getrandom, EPERM)) return int{no_filter};
        auto first = Writer::open(small_options(temp.journal()));
        auto second = Writer::open(small_options(temp.path() + "/second"));
        if (!first || !second) return 2;
        if (first->journal_id() == second->journal_id()) return 3;
        if (!append_all(*first, make_events(0, 100))) return 4;
        return first->close() ? int{fine} : 5;
    });
    if (answer == no_filter) {
        WARN("SKIPPED: no seccomp filter can be set here");
        return;
    }
    CHECK(answer == fine);
    CHECK(is_dense(read_all(temp.journal()), 0, 100));
}

TEST_CASE("file size limit: too small for a segment, it is an error that says so, not a signal",
          "[journal][refusal]") {
    const IoBackend backend = GENERATE(IoBackend::automatic, IoBackend::pwrite);
    const TempDirectory temp;
    CHECK(in_child([&] {
              JournalOptions options = small_options(temp.journal());
              options.io_backend = backend;
              const rlimit limit{512U << 10U, RLIM_INFINITY};
              if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
              const auto refused = Writer::open(options);
              if (refused || refused.error().os_errno != EFBIG) return 3;
              return helps(refused.error(), "ulimit -f") ? int{fine} : 4;
          }) == fine);
    // Set on a writer that runs: it is seen before anything is written too far.
    CHECK(in_child([&] {
              JournalOptions options = small_options(temp.journal());
              options.io_backend = backend;
              auto writer = Writer::open(options);
              if (!writer || !append_all(*writer, make_events(0, 100))) return 2;
              if (!writer->sync(30 * kSecondNs)) return 3;
              const rlimit limit{64U << 10U, RLIM_INFINITY};
              if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 4;
              while (writer->state() != WriterState::failed)  // the alarm ends it
                  writer->drive(1'000'000);
              if (writer->failure_errno() != EFBIG) return 5;
              return helps(writer->failure(), "ulimit -f") ? int{fine} : 6;
          }) == fine);
    CHECK(is_dense(read_all(temp.journal()), 0, 100));
}

TEST_CASE("no descriptor left: said of the next segment, and it goes on when there is one",
          "[journal][refusal]") {
    const TempDirectory temp;
    CHECK(in_child([&] {
              auto writer = Writer::open(small_options(temp.journal()));
              if (!writer || !append_all(*writer, make_events(0, 100))) return 2;
              if (!writer->sync(30 * kSecondNs)) return 3;
              rlimit usual{};
              ::getrlimit(RLIMIT_NOFILE, &usual);
              const rlimit limit{0, usual.rlim_max};  // what is open stays so
              if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return 4;
              EventShape shape;
              shape.payload_bytes = 4000;
              Sequence end = 100;
              while (goes_on(writer->state()) && writer->state() != WriterState::low_space) {
                  end += writer->append(make_events(end, 10, shape).run()).event_count;
                  writer->drive(1'000'000);
              }
              if (writer->failure_errno() != EMFILE) return 5;
              if (!helps(writer->failure(), "ulimit -n")) return 6;
              if (::setrlimit(RLIMIT_NOFILE, &usual) != 0) return 7;
              return writer->sync(30 * kSecondNs) ? int{fine} : 8;
          }) == fine);
}

TEST_CASE("io_uring with little lockable memory: works, with buffers that are not registered",
          "[journal][refusal]") {
    // None at all, and enough for the ring but not for the buffers of a writer.
    const rlim_t lockable_bytes = GENERATE(rlim_t{0}, rlim_t{512} << 10U);
    INFO(lockable_bytes);
    const TempDirectory temp;
    const int unlimited = in_child([&] {
        auto writer = Writer::open(small_options(temp.path() + "/unlimited"));
        if (!writer) return 2;
        if (writer->io_backend_name() != "io_uring") return int{no_io_uring};
        const auto buffers = registered_buffers();
        if (!buffers) return int{no_word_of_rings};
        if (::geteuid() == 0 && *buffers == 0) return 3;
        return writer->close() ? int{fine} : 4;
    });
    if (unlimited == no_io_uring) {
        WARN("SKIPPED: there is no io_uring here to be limited");
        return;
    }
    if (unlimited == no_word_of_rings) {
        WARN("SKIPPED: the kernel doesn't tell what is registered with a ring");
        return;
    }
    REQUIRE(unlimited == fine);

    const int answer = in_child([&] {
        const rlimit limit{lockable_bytes, lockable_bytes};
        if (::setrlimit(RLIMIT_MEMLOCK, &limit) != 0) return 2;
        if (::geteuid() == 0 && (::chmod(temp.path().c_str(), 0777) != 0 || ::setgid(65534) != 0 ||
                                 ::setuid(65534) != 0)) {
            return 3;
        }
        // Who has changed its user may not look at itself, else.
        if (::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) return 4;
        const Registration registration = try_to_register_buffers();
        if (registration == Registration::allowed) return 5;
        if (registration == Registration::no_io_uring) return 6;
        const bool has_ring = registration != Registration::ring_refused;
        // Others of this user may have locked what the ring needs.
        if (!has_ring && lockable_bytes != 0) return int{no_io_uring};
        auto writer = Writer::open(small_options(temp.journal()));
        if (!writer) return 7;
        if (has_ring) {
            if (writer->io_backend_name() != "io_uring") return 8;
            if (registered_buffers() != std::uint64_t{0}) return 9;
        } else {
            if (writer->io_backend_name() != "pwrite") return 10;
            if (writer->io_backend_reason().find("ENOMEM") == std::string_view::npos) return 11;
        }
        if (!append_all(*writer, make_events(0, 20'000))) return 12;
        return writer->close() ? int{fine} : 13;
    });
    if (answer == no_io_uring) {
        WARN("SKIPPED: with so little lockable memory there is no io_uring at all here");
        return;
    }
    CHECK(answer == fine);
    CHECK(is_dense(read_all(temp.journal()), 0, 20'000));
}

TEST_CASE("lock: a second writer is told who the first is, and may follow when it died",
          "[journal][lock]") {
    const TempDirectory temp;
    std::array<int, 2> ready{};
    REQUIRE(::pipe(ready.data()) == 0);
    const pid_t holder = ::fork();
    if (holder == 0) {
        ::alarm(kChildSeconds);
        auto writer = Writer::open(small_options(temp.journal()));
        const bool done = writer && append_all(*writer, make_events(0, 100)) &&
                          writer->sync(30 * kSecondNs).has_value();
        const char answer = done ? 'y' : 'n';
        if (::write(ready[1], &answer, 1) != 1) ::_exit(1);
        while (true)
            ::pause();
    }
    char answer = 0;
    REQUIRE(::read(ready[0], &answer, 1) == 1);
    REQUIRE(answer == 'y');

    const auto second = Writer::open(small_options(temp.journal()));
    REQUIRE_FALSE(second);
    CHECK(second.error().code == ErrorCode::busy);
    CHECK(second.error().message.find(std::to_string(holder)) != std::string::npos);
    const auto summary = inspect(temp.journal());
    REQUIRE(summary);
    CHECK(summary->writer_runs);
    CHECK(summary->writer_pid == static_cast<std::uint32_t>(holder));
    CHECK(is_dense(read_all(temp.journal()), 0, 100));  // readers need no lock

    ::kill(holder, SIGKILL);
    REQUIRE(::waitpid(holder, nullptr, 0) == holder);
    ::close(ready[0]);
    ::close(ready[1]);
    CHECK_FALSE(inspect(temp.journal())->writer_runs);
    auto next = Writer::open(small_options(temp.journal()));
    REQUIRE(next);
    CHECK(next->next_sequence() == 100);
    CHECK_FALSE(next->recovery().clean_close);
}

TEST_CASE("lock: two writers of one process exclude each other too", "[journal][lock]") {
    const TempDirectory temp;
    auto first = Writer::open(small_options(temp.journal()));
    REQUIRE(first);
    CHECK(Writer::open(small_options(temp.journal())).error().code == ErrorCode::busy);
    REQUIRE(first->close());
    CHECK(Writer::open(small_options(temp.journal())));
}

TEST_CASE(
    "full disk: nothing is lost, nothing half made, and the writer goes on when there is room",
    "[journal][space]") {
    const test::Watchdog watchdog("full disk");
    const TempDirectory temp;
    const std::string mount = temp.path() + "/small";
    const SmallDisk disk(mount, "6m");
    if (!disk.is_mounted()) {
        WARN("SKIPPED: no tmpfs can be mounted here (not root)");
        return;
    }
    const std::string journal = mount + "/journal";
    const std::string ballast = mount + "/ballast";
    { std::ofstream(ballast) << std::string(2 * kMiB, 'x'); }
    Sequence taken = 0;
    bool went_on = false;
    bool refused = false;
    {
        auto writer = Writer::open(small_options(journal));
        REQUIRE(writer);
        EventShape shape;
        shape.payload_bytes = 4000;
        for (int rounds = 0; rounds < 100'000 && goes_on(writer->state()); ++rounds) {
            taken += writer->append(make_events(taken, 10, shape).run()).event_count;
            writer->drive(1'000'000);
        }
        refused = writer->state() == WriterState::no_space;
        CHECK(refused);
        CHECK(writer->failure_errno() == ENOSPC);
        CHECK(writer->failure().hint.find("df") != std::string::npos);
        CHECK(writer->durable_sequence() > 0);
        const auto stuck = writer->sync(20'000'000);
        REQUIRE_FALSE(stuck);
        CHECK(stuck.error().code == ErrorCode::no_space);

        std::filesystem::remove(ballast);
        went_on = writer->sync(30 * kSecondNs).has_value();
        CHECK(went_on);
        CHECK(writer->durable_sequence() == taken);
        while (writer->state() == WriterState::low_space)  // until it has looked again
            writer->drive(1'000'000);
        CHECK(writer->state() == WriterState::running);
    }
    CHECK(is_dense(read_all(journal), 0, taken));
    CHECK(verify(journal)->is_sound());
}

TEST_CASE("full disk: a journal that can't even begin says so and leaves no segment",
          "[journal][space]") {
    const TempDirectory temp;
    const std::string mount = temp.path() + "/tiny";
    const SmallDisk disk(mount, "256k");
    if (!disk.is_mounted()) {
        WARN("SKIPPED: no tmpfs can be mounted here (not root)");
        return;
    }
    {
        const auto writer = Writer::open(small_options(mount + "/journal"));
        REQUIRE_FALSE(writer);
        CHECK(writer.error().code == ErrorCode::no_space);
        CHECK(newest_segment(mount + "/journal").empty());
        CHECK_FALSE(std::filesystem::exists(mount + "/journal/spare.partial"));
    }
}

TEST_CASE("full disk, simulated: the same without a mount", "[journal][space]") {
    SimulatedDisk disk(11);
    disk.faults.capacity_bytes = 3 * kMiB;
    const WriterEnvironment around = simulated_environment(disk);
    auto writer = WriterCore::open(small_options("/sim"), around);
    REQUIRE(writer);
    EventShape shape;
    shape.payload_bytes = 4000;
    Sequence taken = 0;
    for (int i = 0; i < 20'000 && goes_on((*writer)->state()); ++i) {
        taken += (*writer)->append(make_events(taken, 10, shape).run()).event_count;
        (*writer)->drive(1'000);
    }
    REQUIRE((*writer)->state() == WriterState::no_space);
    CHECK(disk.injected_faults() > 0);
    disk.faults.capacity_bytes = 100 * kMiB;
    CHECK((*writer)->sync(100 * kSecondNs));
    CHECK((*writer)->durable_sequence() == taken);
    for (int i = 0; i < 20'000 && (*writer)->state() == WriterState::low_space; ++i)
        (*writer)->drive(1'000'000);  // until it has looked again
    CHECK((*writer)->state() == WriterState::running);
}

TEST_CASE("permissions: a directory that can't be written or read is an error that names it",
          "[journal][refusal]") {
    const TempDirectory temp;
    REQUIRE(write_journal(small_options(temp.journal()), {make_events(0, 10)}, Ending::closed));
    const int answer = in_child([&] {
        if (::geteuid() == 0 && (::chmod(temp.path().c_str(), 0755) != 0 || ::setgid(65534) != 0 ||
                                 ::setuid(65534) != 0)) {
            return 2;
        }
        const auto writer = Writer::open(small_options(temp.journal()));
        if (writer || writer.error().code != ErrorCode::no_permission) return 3;
        if (writer.error().message.find(temp.journal()) == std::string::npos) return 4;
        const auto made = Writer::open(small_options(temp.path() + "/other"));
        if (made || made.error().code != ErrorCode::no_permission) return 5;
        return int{fine};
    });
    if (::geteuid() != 0) {
        WARN("SKIPPED: only root can become somebody without permission");
        return;
    }
    CHECK(answer == fine);
    REQUIRE(::chmod(temp.journal().c_str(), 0700) == 0);
    REQUIRE(::chmod(temp.path().c_str(), 0755) == 0);
    CHECK(in_child([&] {
              if (::setgid(65534) != 0 || ::setuid(65534) != 0) return 2;
              const auto reader = Reader::open(temp.journal());
              return !reader && reader.error().code == ErrorCode::no_permission ? int{fine} : 3;
          }) == fine);
}

TEST_CASE("probe: says what the writer would use, and leaves nothing behind",
          "[journal][refusal]") {
    const TempDirectory temp;
    const auto probe = probe_io(temp.path());
    REQUIRE(probe);
    CHECK((probe->backend_name == "io_uring" || probe->backend_name == "pwrite"));
    CHECK_FALSE(probe->reason.empty());
    CHECK_FALSE(probe->direct_io_reason.empty());
    CHECK_FALSE(probe->file_system.empty());
    CHECK(std::filesystem::is_empty(temp.path()));
    CHECK(probe_io(temp.path() + "/none").error().code == ErrorCode::not_found);
    auto writer = Writer::open(small_options(temp.journal()));
    REQUIRE(writer);
    CHECK(writer->io_backend_name() == probe->backend_name);
}

}  // namespace tailrace::journal::kernel_refusal_test
