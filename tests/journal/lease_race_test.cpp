// Readers in other processes, while retention takes segments away from under them as fast as it
// can.

#include "journal_fixture.hpp"
#include "support/watchdog.hpp"

#include <catch2/catch.hpp>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <functional>
#include <new>
#include <random>
#include <thread>
#include <utility>

namespace tailrace::journal::lease_race_test {

namespace {

constexpr unsigned kWatchdogSeconds = 280;
constexpr std::uint64_t kEventsPerSegment = 250;

// What the processes tell each other.
struct Board {
    std::atomic<Sequence> written{0};
    std::atomic<std::uint64_t> rounds{0};  // that the reader has completed
    std::atomic<bool> stop{false};
};

class SharedBoard {
public:
    SharedBoard() {
        void* const at = ::mmap(
            nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        TAILRACE_CHECK(at != MAP_FAILED);
        board_ = new (at) Board;
    }
    SharedBoard(const SharedBoard&) = delete;
    SharedBoard& operator=(const SharedBoard&) = delete;
    ~SharedBoard() { ::munmap(board_, sizeof(Board)); }
    Board* operator->() const { return board_; }
    Board& operator*() const { return *board_; }

private:
    Board* board_ = nullptr;
};

enum Answer : int { fine = 0, read_error, wrong_content, wrong_sequence, jumped, not_passed };

int told(const Error& error) {
    std::fprintf(stderr, "%s\n", error.message.c_str());
    return read_error;
}

// Reads what it has leased to the end, though the journal has long moved on; then it must be told.
// Each answer but `fine` names what went wrong.
int read_slowly(const std::string& directory, Board& board) {
    auto reader = Reader::open(directory);
    if (!reader) return told(reader.error());
    bool has_waited = false;
    while (!board.stop.load()) {
        auto step = reader->next_batch();
        if (!step && step.error().code == ErrorCode::sequence_gone) {
            if (reader->first_sequence() <= reader->next_sequence()) return jumped;
            ++board.rounds;
            has_waited = false;
            auto sought = reader->seek_sequence(reader->first_sequence());
            if (!sought && sought.error().code != ErrorCode::sequence_gone)
                return told(sought.error());
            continue;
        }
        if (!step) return told(step.error());
        if (step->kind == ReadKind::gap) return jumped;
        if (step->kind == ReadKind::end) {
            has_waited = false;  // it has kept up after all
            continue;
        }
        Sequence next = step->batch.first_sequence;
        for (const Event& event : step->batch) {
            if (event.sequence() != next++) return wrong_sequence;
            if (tag_of(event) != 0) return wrong_content;
        }
        // Slow, once a round: meanwhile more is written than is kept.
        if (std::exchange(has_waited, true)) continue;
        const Sequence until = board.written.load() + 5 * kEventsPerSegment;
        while (!board.stop.load() && board.written.load() < until)
            std::this_thread::yield();
    }
    return fine;
}

// Opens, seeks and reads anywhere, also where a segment is just being taken away.
int read_anywhere(const std::string& directory, Board& board) {
    std::minstd_rand random(7);
    while (!board.stop.load()) {
        auto reader = Reader::open(directory);
        if (!reader) return told(reader.error());
        const Sequence first = reader->first_sequence();
        auto sought = reader->seek_sequence(first + random() % (2 * kEventsPerSegment));
        if (!sought && sought.error().code == ErrorCode::sequence_gone) continue;
        if (!sought && sought.error().code != ErrorCode::sequence_ahead)
            return told(sought.error());
        Sequence next = reader->next_sequence();
        for (int nth = 0; nth < 4; ++nth) {
            auto step = reader->next_batch();
            if (!step && step.error().code == ErrorCode::sequence_gone) break;
            if (!step) return told(step.error());
            if (step->kind == ReadKind::end) break;
            if (step->kind == ReadKind::gap) return jumped;
            for (const Event& event : step->batch) {
                if (event.sequence() != next++) return wrong_sequence;
                if (tag_of(event) != 0) return wrong_content;
            }
        }
        ++board.rounds;
    }
    return fine;
}

void run_beside_retention(const std::function<int(const std::string&, Board&)>& read,
                          std::uint64_t rounds) {
    const test::Watchdog watchdog("readers beside retention", kWatchdogSeconds);
    const TempDirectory temp;
    const SharedBoard board;
    JournalOptions options = small_options(temp.journal());
    options.retain_size_bytes = 3 * kMiB;
    auto writer = Writer::open(options);
    REQUIRE(writer);
    EventShape shape;
    shape.payload_bytes = 4000;
    REQUIRE(append_all(*writer, make_events(0, kEventsPerSegment, shape)));
    REQUIRE(writer->sync(30 * kSecondNs));

    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::alarm(kWatchdogSeconds);
        ::_exit(read(temp.journal(), *board));
    }
    int status = 0;
    bool ended = false;
    bool appended = true;
    while (board->rounds.load() < rounds && !ended && appended) {
        appended = append_all(*writer, make_events(writer->next_sequence(), 50, shape));
        board->written.store(writer->written_sequence());
        ended = ::waitpid(child, &status, WNOHANG) == child;
    }
    board->stop.store(true);
    if (!ended) REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(appended);
    INFO("signal " << (WIFSIGNALED(status) ? WTERMSIG(status) : 0));
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == fine);
    CHECK(board->rounds.load() >= rounds);
    CHECK(writer->statistics().recycled_segments > 0);
}

}  // namespace

TEST_CASE("lease: a slow reader in another process sees nothing wrong, and learns what it missed",
          "[journal][lease]") {
    run_beside_retention(read_slowly, 15);
}

TEST_CASE("lease: readers that open and seek while segments go see nothing wrong",
          "[journal][lease]") {
    run_beside_retention(read_anywhere, 400);
}

}  // namespace tailrace::journal::lease_race_test
