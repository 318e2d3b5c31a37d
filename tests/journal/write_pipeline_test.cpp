#include "write_pipeline.hpp"

#include "simulated_disk.hpp"

#include <catch2/catch.hpp>

#include <cerrno>

namespace tailrace::journal::write_pipeline_test {

namespace {

constexpr std::uint64_t kLetDone = ~std::uint64_t{0};

// A queue whose operations complete when the test says so.
class HeldQueue final : public WriteQueue {
public:
    struct Held {
        bool is_flush;
        std::uint64_t offset;
        std::uint64_t size_bytes;
        std::uint64_t tag;
    };

    bool submit_write(FileId,
                      std::uint64_t offset,
                      std::span<const std::byte> bytes,
                      std::uint64_t tag) noexcept override {
        held.push_back({false, offset, bytes.size(), tag});
        return true;
    }
    bool submit_flush(FileId, std::uint64_t tag) noexcept override {
        held.push_back({true, 0, 0, tag});
        ++flushes;
        return true;
    }
    bool submit_durable_write(DurableWrite,
                              FileId file,
                              std::uint64_t offset,
                              std::span<const std::byte> bytes,
                              std::uint64_t tag) noexcept override {
        ++durable_writes_begun;
        return submit_write(file, offset, bytes, tag);
    }
    int kick() noexcept override { return 0; }
    IoOutcome reap(std::span<Completion> into, std::uint64_t) noexcept override {
        std::uint64_t count = 0;
        while (count < into.size() && !done.empty()) {
            into[count++] = done.front();
            done.erase(done.begin());
        }
        return {count, 0};
    }
    [[nodiscard]] std::string_view name() const noexcept override { return "held"; }
    [[nodiscard]] int errno_after_flush(FileId) noexcept override { return stopped_errno; }

    // Completes the nth held operation; kLetDone: as asked.
    void complete(std::size_t nth, std::uint64_t bytes = kLetDone) {
        const Held operation = take(nth);
        const auto all = bytes == kLetDone ? operation.size_bytes : bytes;
        done.push_back({operation.tag, static_cast<std::int64_t>(all), 0});
    }
    void fail(std::size_t nth, int os_errno) { done.push_back({take(nth).tag, -os_errno, 0}); }
    // Written whole, but not flushed.
    void complete_unflushed(std::size_t nth, int flush_errno) {
        const Held operation = take(nth);
        done.push_back(
            {operation.tag, static_cast<std::int64_t>(operation.size_bytes), flush_errno});
    }
    Held take(std::size_t nth) {
        const Held operation = held.at(nth);
        held.erase(held.begin() + static_cast<std::ptrdiff_t>(nth));
        return operation;
    }

    std::vector<Held> held;
    std::vector<Completion> done;
    int flushes = 0;
    int durable_writes_begun = 0;
    int stopped_errno = 0;  // of the file system
};

struct Pipeline {
    explicit Pipeline(SyncPolicy policy = SyncPolicy::group, std::uint64_t flush_bytes = 8192)
        : pipeline(queue, time, pool, {policy, 1'000'000, flush_bytes}, 4) {
        pipeline.begin_segment(3, 0);
    }
    ~Pipeline() {
        while (!queue.held.empty())
            queue.complete(0);
        pipeline.pump(0);
        while (!queue.held.empty())
            queue.complete(0);
    }

    void submit(Sequence end) {
        const BufferIndex buffer = pool.acquire();
        pipeline.submit(pool.buffer(buffer).first(8192), 4096 + end * 8192, end, buffer);
    }

    void submit_durable(Sequence end) {
        pipeline.set_durable_writes(DurableChooser(DurableWrite::linked_flush));
        const BufferIndex buffer = pool.acquire();
        REQUIRE(pipeline.can_write_durably());
        pipeline.submit_durable(pool.buffer(buffer).first(8192), 4096 + end * 8192, end, buffer);
    }

    HeldQueue queue;
    SimulatedDisk time{1};
    BlockPool pool{6};
    WritePipeline pipeline;
};

}  // namespace

TEST_CASE("write pipeline: written covers only the contiguous prefix", "[journal][pipeline]") {
    Pipeline fixture;
    for (Sequence end = 1; end <= 4; ++end)
        fixture.submit(end);
    CHECK_FALSE(fixture.pipeline.has_room());

    fixture.queue.complete(3);
    fixture.queue.complete(1);
    fixture.pipeline.pump(0);
    CHECK(fixture.pipeline.written() == 0);
    CHECK(fixture.pipeline.durable() == 0);

    fixture.queue.complete(0);
    fixture.pipeline.pump(0);
    CHECK(fixture.pipeline.written() == 2);
}

TEST_CASE("write pipeline: a flush covers what was written when it was submitted, no later write",
          "[journal][pipeline]") {
    Pipeline fixture;
    fixture.submit(1);
    fixture.submit(2);
    fixture.queue.complete(0);
    fixture.pipeline.pump(0);  // 8192 bytes are written: a flush begins
    REQUIRE(fixture.queue.flushes == 1);

    fixture.queue.complete(0);  // the second write completes while the flush runs
    fixture.pipeline.pump(0);
    CHECK(fixture.pipeline.written() == 2);
    CHECK(fixture.pipeline.durable() == 0);

    fixture.queue.complete(0);
    fixture.pipeline.pump(0);
    CHECK(fixture.pipeline.durable() == 1);
    REQUIRE(fixture.queue.flushes == 2);
    fixture.queue.complete(0);
    fixture.pipeline.pump(0);
    CHECK(fixture.pipeline.durable() == 2);
    CHECK(fixture.pipeline.is_settled());
}

TEST_CASE("write pipeline: a short write goes on at a whole block and counts when all is written",
          "[journal][pipeline]") {
    Pipeline fixture;
    fixture.submit(1);
    fixture.queue.complete(0, 5000);
    fixture.pipeline.pump(0);

    REQUIRE(fixture.queue.held.size() == 1);
    CHECK(fixture.queue.held[0].offset == 4096 + 8192 + 4096);
    CHECK(fixture.queue.held[0].size_bytes == 4096);
    CHECK(fixture.pipeline.written() == 0);
    CHECK(fixture.queue.flushes == 0);

    fixture.queue.complete(0);
    fixture.pipeline.pump(0);
    CHECK(fixture.pipeline.written() == 1);
    CHECK(fixture.pipeline.resubmission_count() == 1);
}

TEST_CASE("write pipeline: tries again what was interrupted, but not for ever",
          "[journal][pipeline]") {
    const int transient = GENERATE(EINTR, EAGAIN);
    Pipeline fixture;
    fixture.submit(1);
    SECTION("it comes through in the end") {
        for (int i = 0; i < 10; ++i) {
            fixture.queue.fail(0, transient);
            fixture.pipeline.pump(0);
        }
        fixture.queue.complete(0);
        fixture.pipeline.pump(0);
        CHECK(fixture.pipeline.written() == 1);
        CHECK(fixture.pipeline.failure() == PipelineFailure::none);
    }
    SECTION("it never does") {
        int tries = 0;
        while (fixture.pipeline.failure() == PipelineFailure::none && tries < 1000) {
            fixture.queue.fail(0, transient);
            fixture.pipeline.pump(0);
            ++tries;
        }
        CHECK(tries < 1000);
        CHECK(fixture.pipeline.failure_errno() == transient);
    }
    SECTION("a write that makes no progress") {
        int tries = 0;
        while (fixture.pipeline.failure() == PipelineFailure::none && tries < 1000) {
            fixture.queue.complete(0, 0);
            fixture.pipeline.pump(0);
            ++tries;
        }
        CHECK(tries < 1000);
        CHECK(fixture.pipeline.failure_errno() == EIO);
    }
}

TEST_CASE("write pipeline: after a failed flush durable is frozen and nothing is flushed again",
          "[journal][pipeline]") {
    Pipeline fixture;
    fixture.submit(1);
    fixture.queue.complete(0);
    fixture.pipeline.pump(0);
    fixture.queue.complete(0);
    fixture.pipeline.pump(0);
    REQUIRE(fixture.pipeline.durable() == 1);

    fixture.submit(2);
    fixture.submit(3);
    fixture.queue.complete(0);
    fixture.pipeline.pump(0);
    REQUIRE(fixture.queue.flushes == 2);
    fixture.queue.fail(1, EIO);
    fixture.pipeline.pump(0);
    CHECK(fixture.pipeline.failure() == PipelineFailure::flush);
    CHECK(fixture.pipeline.failure_errno() == EIO);

    fixture.queue.complete(0);  // the third write still completes
    for (int i = 0; i < 10; ++i) {
        fixture.pipeline.request_flush();
        fixture.pipeline.pump(0);
    }
    CHECK(fixture.pipeline.durable() == 1);
    CHECK(fixture.queue.flushes == 2);
    CHECK_FALSE(fixture.pipeline.has_room());
}

TEST_CASE(
    "write pipeline: a flush that succeeded on a file system that has stopped counts as failed",
    "[journal][pipeline]") {
    const bool is_durable_write = GENERATE(false, true);
    CAPTURE(is_durable_write);
    Pipeline fixture;
    if (is_durable_write) {
        fixture.submit_durable(1);
    } else {
        fixture.submit(1);
        fixture.queue.complete(0);
        fixture.pipeline.pump(0);
        REQUIRE(fixture.queue.flushes == 1);
    }
    fixture.queue.stopped_errno = EIO;
    fixture.queue.complete(0);
    fixture.pipeline.pump(0);
    CHECK(fixture.pipeline.failure() == PipelineFailure::flush);
    CHECK(fixture.pipeline.failure_errno() == EIO);
    CHECK(fixture.pipeline.durable() == 0);
}

TEST_CASE("write pipeline: a failed write is final, even when later ones succeed",
          "[journal][pipeline]") {
    const int error = GENERATE(EIO, EROFS, EBADF);
    Pipeline fixture;
    fixture.submit(1);
    fixture.submit(2);
    fixture.queue.fail(0, error);
    fixture.queue.complete(0);
    fixture.pipeline.pump(0);

    CHECK(fixture.pipeline.failure() == PipelineFailure::write);
    CHECK(fixture.pipeline.failure_errno() == error);
    CHECK(fixture.pipeline.written() == 0);
    CHECK(fixture.queue.flushes == 0);
}

TEST_CASE("write pipeline: policies decide when a flush begins, never what it covers",
          "[journal][pipeline]") {
    SECTION("none: on request alone") {
        Pipeline fixture(SyncPolicy::none);
        fixture.submit(1);
        fixture.queue.complete(0);
        for (int i = 0; i < 100; ++i)
            fixture.pipeline.pump(0);
        CHECK(fixture.queue.flushes == 0);
        CHECK(fixture.pipeline.written() == 1);
        fixture.pipeline.request_flush();
        fixture.pipeline.pump(0);
        CHECK(fixture.queue.flushes == 1);
    }
    SECTION("interval: not before the time") {
        Pipeline fixture(SyncPolicy::interval);
        fixture.time.pass_ns(10'000'000);
        fixture.submit(1);
        fixture.queue.complete(0);
        fixture.pipeline.pump(0);
        REQUIRE(fixture.queue.flushes == 1);
        fixture.queue.complete(0);
        fixture.submit(2);
        fixture.queue.complete(0);
        fixture.pipeline.pump(0);
        CHECK(fixture.queue.flushes == 1);
        fixture.time.pass_ns(1'000'000);
        fixture.pipeline.pump(0);
        CHECK(fixture.queue.flushes == 2);
    }
    SECTION("group: not before more has come, while more is expected") {
        Pipeline fixture(SyncPolicy::group, 2 * 8192);
        fixture.pipeline.expect_more(true);
        fixture.submit(1);
        fixture.queue.complete(0);
        fixture.pipeline.pump(0);
        CHECK(fixture.queue.flushes == 0);
        SECTION("enough has come") {
            fixture.submit(2);
            fixture.queue.complete(0);
        }
        SECTION("no more is expected") {
            fixture.pipeline.expect_more(false);
        }
        SECTION("it takes too long") {
            fixture.time.pass_ns(2'000'000);
        }
        fixture.pipeline.pump(0);
        CHECK(fixture.queue.flushes == 1);
    }
    SECTION("group: while writes are under way, when enough has gathered") {
        Pipeline fixture(SyncPolicy::group, 2 * 8192);
        for (Sequence end = 1; end <= 4; ++end)
            fixture.submit(end);
        fixture.queue.complete(0);
        fixture.pipeline.pump(0);
        const int early = fixture.queue.flushes;
        fixture.queue.complete(0);
        fixture.pipeline.pump(0);
        CHECK(early == 0);
        CHECK(fixture.queue.flushes == 1);
    }
}

TEST_CASE("write pipeline: a durable write needs no flush", "[journal][pipeline]") {
    Pipeline fixture;
    fixture.submit_durable(1);
    CHECK(fixture.queue.durable_writes_begun == 1);
    CHECK_FALSE(fixture.pipeline.can_write_durably());
    fixture.queue.complete(0);
    fixture.pipeline.pump(0);
    CHECK(fixture.pipeline.written() == 1);
    CHECK(fixture.pipeline.durable() == 1);
    CHECK(fixture.queue.flushes == 0);
    CHECK(fixture.pipeline.is_settled());
}

TEST_CASE("write pipeline: a durable write that was short is flushed before it counts",
          "[journal][pipeline]") {
    Pipeline fixture;
    fixture.submit_durable(1);
    fixture.queue.complete(0, 4096);
    fixture.pipeline.pump(0);
    CHECK(fixture.pipeline.written() == 0);
    REQUIRE(fixture.queue.held.size() == 1);  // the rest, as a plain write
    CHECK(fixture.queue.durable_writes_begun == 1);

    fixture.queue.complete(0);
    fixture.pipeline.pump(0);
    CHECK(fixture.pipeline.written() == 1);
    CHECK(fixture.pipeline.durable() == 0);
    REQUIRE(fixture.queue.flushes == 1);
    fixture.queue.complete(0);
    fixture.pipeline.pump(0);
    CHECK(fixture.pipeline.durable() == 1);
}

TEST_CASE("write pipeline: a durable write whose flush did not begin is flushed before it counts",
          "[journal][pipeline]") {
    const int flush_errno = GENERATE(ECANCELED, EAGAIN, EINTR);
    Pipeline fixture;
    fixture.submit_durable(1);
    fixture.queue.complete_unflushed(0, flush_errno);
    fixture.pipeline.pump(0);
    CHECK(fixture.pipeline.written() == 1);
    CHECK(fixture.pipeline.durable() == 0);
    REQUIRE(fixture.queue.flushes == 1);
    fixture.queue.complete(0);
    fixture.pipeline.pump(0);
    CHECK(fixture.pipeline.durable() == 1);
}

TEST_CASE("write pipeline: a durable write whose flush fails is final", "[journal][pipeline]") {
    Pipeline fixture;
    fixture.submit_durable(1);
    fixture.queue.complete_unflushed(0, EIO);
    fixture.pipeline.pump(0);
    fixture.pipeline.request_flush();
    fixture.pipeline.pump(0);
    CHECK(fixture.pipeline.failure() == PipelineFailure::flush);
    CHECK(fixture.pipeline.failure_errno() == EIO);
    CHECK(fixture.pipeline.durable() == 0);
    CHECK(fixture.queue.flushes == 0);
    CHECK_FALSE(fixture.pipeline.can_write_durably());
}

TEST_CASE("write pipeline: no durable write begins while an earlier one is not durable",
          "[journal][pipeline]") {
    Pipeline fixture(SyncPolicy::none);
    fixture.pipeline.set_durable_writes(DurableChooser(DurableWrite::linked_flush));
    fixture.submit(1);
    CHECK_FALSE(fixture.pipeline.can_write_durably());
    fixture.queue.complete(0);
    fixture.pipeline.pump(0);
    CHECK(fixture.pipeline.written() == 1);
    CHECK_FALSE(fixture.pipeline.can_write_durably());
}

TEST_CASE("write pipeline: a write that finds no room is made again, and nothing passes it",
          "[journal][pipeline]") {
    const int refusal = GENERATE(ENOSPC, EDQUOT);
    Pipeline fixture;
    WritePipeline& pipeline = fixture.pipeline;
    HeldQueue& queue = fixture.queue;
    for (Sequence end = 1; end <= 3; ++end)
        fixture.submit(end);
    queue.complete(0);
    queue.fail(0, refusal);  // the second
    queue.complete(0);       // the third, behind it
    pipeline.pump(0);
    CHECK(pipeline.failure() == PipelineFailure::none);
    CHECK(pipeline.shortage_errno() == refusal);
    CHECK_FALSE(pipeline.has_room());
    CHECK(pipeline.written() == 1);
    CHECK_FALSE(pipeline.is_settled());
    // What is written before it becomes durable meanwhile.
    fixture.time.pass_ns(3'000'000);
    pipeline.pump(0);
    REQUIRE(queue.held.size() == 1);
    REQUIRE(queue.held[0].is_flush);
    queue.complete(0);
    pipeline.pump(0);
    CHECK(pipeline.durable() == 1);

    // Tried now and then, in vain at first.
    for (int tries = 0; tries < 3; ++tries) {
        pipeline.pump(0);
        CHECK(queue.held.empty());
        fixture.time.pass_ns(200'000'000);
        pipeline.pump(0);
        REQUIRE(queue.held.size() == 1);
        CHECK(queue.held[0].offset == 4096 + 2 * 8192);
        CHECK(queue.held[0].size_bytes == 8192);
        if (tries < 2) queue.fail(0, refusal);
        pipeline.pump(0);
        CHECK(pipeline.shortage_errno() == refusal);
    }
    queue.complete(0);
    pipeline.pump(0);
    CHECK(pipeline.shortage_errno() == 0);
    CHECK(pipeline.has_room());
    CHECK(pipeline.written() == 3);
    queue.complete(0);
    pipeline.pump(0);
    CHECK(pipeline.durable() == 3);
    CHECK(pipeline.is_settled());
}

TEST_CASE("write pipeline: a durable write that finds no room becomes a plain one, and a flush",
          "[journal][pipeline]") {
    Pipeline fixture;
    fixture.submit_durable(1);
    fixture.queue.fail(0, ENOSPC);
    fixture.pipeline.pump(0);
    CHECK(fixture.pipeline.durable() == 0);
    fixture.time.pass_ns(200'000'000);
    fixture.pipeline.pump(0);
    fixture.queue.complete(0);
    fixture.pipeline.pump(0);
    CHECK(fixture.pipeline.written() == 1);
    CHECK(fixture.pipeline.durable() == 0);
    REQUIRE(fixture.queue.held.size() == 1);
    REQUIRE(fixture.queue.held[0].is_flush);
    fixture.queue.complete(0);
    fixture.pipeline.pump(0);
    CHECK(fixture.pipeline.durable() == 1);
}

TEST_CASE("write pipeline: what has lost its name is not called durable", "[journal][pipeline]") {
    Pipeline fixture;
    bool is_in_place = true;
    fixture.pipeline.set_place_witness([&is_in_place] { return is_in_place; });
    fixture.submit(1);
    fixture.queue.complete(0);
    fixture.pipeline.pump(0);
    fixture.queue.complete(0);
    fixture.pipeline.pump(0);
    REQUIRE(fixture.pipeline.durable() == 1);
    const bool is_durable_write = GENERATE(true, false);
    if (is_durable_write) {
        fixture.submit_durable(2);
    } else {
        fixture.submit(2);
        fixture.queue.complete(0);
        fixture.pipeline.pump(0);
    }
    is_in_place = false;
    fixture.queue.complete(0);
    fixture.pipeline.pump(0);
    CHECK(fixture.pipeline.failure() == PipelineFailure::moved);
    CHECK(fixture.pipeline.failure_errno() == ENOENT);
    CHECK(fixture.pipeline.durable() == 1);
}

}  // namespace tailrace::journal::write_pipeline_test
