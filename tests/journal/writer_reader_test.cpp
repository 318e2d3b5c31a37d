#include "journal_fixture.hpp"

#include <tailrace/journal/inspect.hpp>
#include <tailrace/journal/verify.hpp>

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

namespace tailrace::journal::writer_reader_test {

TEST_CASE("writer and reader: every event comes back as it was, at both alignments",
          "[journal][writer][reader]") {
    const std::uint32_t alignment = GENERATE(16U, 64U);
    const IoBackend backend = GENERATE(IoBackend::automatic, IoBackend::pwrite);
    const DirectIo direct = GENERATE(DirectIo::automatic, DirectIo::off);
    const TempDirectory temp;
    JournalOptions options = small_options(temp.journal());
    options.event_alignment_bytes = alignment;
    options.io_backend = backend;
    options.direct_io = direct;
    EventShape shape;
    shape.alignment_bytes = alignment;
    shape.tag = 42;
    shape.first_time_ns = 1000;
    shape.step_ns = 10;
    EventRun events;
    for (std::uint32_t i = 0; i < 5000; ++i)
        add_event(events, (i * 37) % 1500, shape);

    REQUIRE(write_journal(options, {events}, Ending::closed));

    auto reader = Reader::open(temp.journal());
    REQUIRE(reader);
    CHECK(reader->stream_name() == "test");
    CHECK(reader->event_alignment_bytes() == alignment);
    std::uint64_t wrong = 0;
    for (Sequence sequence = 0; sequence < 5000; ++sequence) {
        const auto step = reader->next();
        REQUIRE(step);
        REQUIRE(step->kind == ReadKind::event);
        const Event& event = *step->event;
        if (event.sequence() != sequence || event.size_bytes() != (sequence * 37) % 1500 ||
            event.type() != 7 || event.publish_time_ns() != 1000 + sequence * 10 ||
            (event.size_bytes() >= 8 && tag_of(event) != 42)) {
            ++wrong;
        }
    }
    CHECK(wrong == 0);
    CHECK(reader->next()->kind == ReadKind::end);
    CHECK(verify(temp.journal())->is_sound());
}

TEST_CASE("writer: segments roll, and each but the newest is sealed", "[journal][writer]") {
    const TempDirectory temp;
    const JournalOptions options = small_options(temp.journal());
    EventShape shape;
    shape.payload_bytes = 10'000;
    std::vector<EventRun> runs;
    for (Sequence first = 0; first < 1000; first += 100)
        runs.push_back(make_events(first, 100, shape));

    REQUIRE(write_journal(options, runs, Ending::closed));

    CHECK(is_dense(read_all(temp.journal()), 0, 1000));
    const auto summary = inspect(temp.journal());
    REQUIRE(summary);
    CHECK(summary->segments.size() >= 10);
    CHECK(summary->end_sequence == 1000);
    CHECK(summary->clean_close);
    Sequence next = 0;
    for (const SegmentSummary& segment : summary->segments) {
        CHECK(segment.state == SegmentState::sealed);
        CHECK(segment.first_sequence == next);
        next = segment.end_sequence;
    }
    CHECK(next == 1000);
    const auto report = verify(temp.journal());
    CHECK(report->findings.empty());
    CHECK(report->event_count == 1000);
}

TEST_CASE("writer: opening again goes on with the next sequence in a new segment",
          "[journal][writer]") {
    const TempDirectory temp;
    const JournalOptions options = small_options(temp.journal());
    REQUIRE(write_journal(options, {make_events(0, 10)}, Ending::closed));
    {
        auto writer = Writer::open(options);
        REQUIRE(writer);
        CHECK(writer->recovery().clean_close);
        CHECK_FALSE(writer->recovery().created);
        CHECK(writer->next_sequence() == 10);
        CHECK(writer->durable_sequence() == 10);
        REQUIRE(append_all(*writer, make_events(10, 5)));
        REQUIRE(writer->close());
    }
    CHECK(is_dense(read_all(temp.journal()), 0, 15));
    CHECK(newest_segment(temp.journal()) == segment_named(temp.journal(), 2));
}

TEST_CASE("writer: a journal may begin at any sequence", "[journal][writer]") {
    const TempDirectory temp;
    JournalOptions options = small_options(temp.journal());
    options.start_sequence = 1'000'000;
    REQUIRE(write_journal(options, {make_events(1'000'000, 10)}, Ending::closed));

    auto reader = Reader::open(temp.journal());
    REQUIRE(reader);
    CHECK(reader->first_sequence() == 1'000'000);
    const auto gone = reader->seek_sequence(999'999);
    REQUIRE_FALSE(gone);
    CHECK(gone.error().code == ErrorCode::sequence_gone);
    CHECK(gone.error().hint.find("1000000") != std::string::npos);
    CHECK(is_dense(read_all(temp.journal()), 1'000'000, 1'000'010));
}

TEST_CASE("writer and reader: a gap is reported with its exact range, wherever it lies",
          "[journal][gap]") {
    const TempDirectory temp;
    auto writer = Writer::open(small_options(temp.journal()));
    REQUIRE(writer);
    REQUIRE(writer->note_gap(0, 5) == AppendStatus::taken);  // at the very beginning
    REQUIRE(append_all(*writer, make_events(5, 5)));
    REQUIRE(writer->note_gap(10, 90) == AppendStatus::taken);
    REQUIRE(writer->note_gap(100, 1) == AppendStatus::taken);  // two make one
    REQUIRE(append_all(*writer, make_events(101, 2)));
    REQUIRE(writer->note_gap(103, 7) == AppendStatus::taken);  // at the very end
    CHECK(writer->note_gap(103, 7) == AppendStatus::out_of_order);
    REQUIRE(writer->sync(30 * kSecondNs));
    CHECK(writer->durable_sequence() == 110);

    auto reader = Reader::open(temp.journal());
    const ReadBack read = read_all(*reader);
    CHECK_FALSE(read.failed);
    CHECK(read.sequences == std::vector<Sequence>{5, 6, 7, 8, 9, 101, 102});
    REQUIRE(read.gaps.size() == 3);
    CHECK((read.gaps[0].first == 0 && read.gaps[0].count == 5));
    CHECK((read.gaps[1].first == 10 && read.gaps[1].count == 91));
    CHECK((read.gaps[2].first == 103 && read.gaps[2].count == 7));
    CHECK(reader->next_sequence() == 110);

    REQUIRE(reader->seek_sequence(50));  // into a gap: the rest of it
    auto step = reader->next_batch();
    REQUIRE(step);
    CHECK(step->kind == ReadKind::gap);
    CHECK((step->gap.first == 50 && step->gap.count == 51));

    REQUIRE(writer->close());
    auto again = Writer::open(small_options(temp.journal()));
    REQUIRE(again);
    CHECK(again->next_sequence() == 110);
    const auto report = verify(temp.journal());
    CHECK(report->gap_count == 3);
    CHECK(report->gap_events == 103);
}

TEST_CASE("writer and reader: a tombstone takes a sequence and carries nothing",
          "[journal][writer]") {
    const std::uint32_t alignment = GENERATE(16U, 64U);
    const TempDirectory temp;
    JournalOptions options = small_options(temp.journal());
    options.event_alignment_bytes = alignment;
    EventShape shape;
    shape.alignment_bytes = alignment;
    {
        auto writer = Writer::open(options);
        REQUIRE(writer);
        REQUIRE(append_all(*writer, make_events(0, 3, shape)));
        CHECK(writer->append_tombstone(4, kTestSalt) == AppendStatus::out_of_order);
        CHECK(writer->append_tombstone(3, kTestSalt) == AppendStatus::taken);
        REQUIRE(append_all(*writer, make_events(4, 3, shape)));
        REQUIRE(writer->close());
    }
    const ReadBack read = read_all(temp.journal());
    CHECK(is_dense(read, 0, 7));
    CHECK(read.tombstones == 1);
    CHECK(verify(temp.journal())->tombstone_count == 1);
}

TEST_CASE("writer: the largest event fits, a larger one is refused and harms nothing",
          "[journal][writer]") {
    const TempDirectory temp;
    auto writer = Writer::open(small_options(temp.journal()));
    REQUIRE(writer);
    const auto largest = writer->max_event_size_bytes() - sizeof(EventHeader);
    EventRun events;
    add_event(events, static_cast<std::uint32_t>(largest), {});
    REQUIRE(append_all(*writer, events));
    EventRun larger;
    larger.first_sequence = 1;
    add_event(larger, static_cast<std::uint32_t>(largest + 1), {});
    CHECK(writer->append(larger.run()).status == AppendStatus::too_large);
    CHECK(writer->next_sequence() == 1);
    REQUIRE(append_all(*writer, make_events(1, 1)));
    REQUIRE(writer->close());
    CHECK(is_dense(read_all(temp.journal()), 0, 2));
}

TEST_CASE("writer: durable follows written follows appended, and ends up equal",
          "[journal][writer]") {
    const SyncPolicy policy = GENERATE(SyncPolicy::group, SyncPolicy::interval, SyncPolicy::none);
    const TempDirectory temp;
    JournalOptions options = small_options(temp.journal());
    options.sync_policy = policy;
    auto writer = Writer::open(options);
    REQUIRE(writer);
    Sequence durable = 0;
    Sequence written = 0;
    std::uint64_t violations = 0;
    for (Sequence first = 0; first < 20'000; first += 50) {
        REQUIRE(append_all(*writer, make_events(first, 50)));
        if (writer->durable_sequence() < durable || writer->written_sequence() < written ||
            writer->durable_sequence() > writer->written_sequence() ||
            writer->written_sequence() > writer->next_sequence()) {
            ++violations;
        }
        durable = writer->durable_sequence();
        written = writer->written_sequence();
    }
    CHECK(violations == 0);
    REQUIRE(writer->sync(30 * kSecondNs));
    CHECK(writer->durable_sequence() == 20'000);
    if (policy == SyncPolicy::none) CHECK(writer->statistics().flushes < 20);
}

TEST_CASE("writer: when idle it writes its promise down once", "[journal][writer]") {
    const TempDirectory temp;
    JournalOptions options = small_options(temp.journal());
    options.marker_idle_ns = 1;
    auto writer = Writer::open(options);
    REQUIRE(writer);
    REQUIRE(append_all(*writer, make_events(0, 3)));
    REQUIRE(writer->sync(30 * kSecondNs));
    for (int i = 0; i < 1000; ++i)
        writer->drive(1'000'000);
    CHECK(writer->statistics().batches == 2);
    const std::string segment = first_segment(temp.journal());
    const auto offsets = batch_offsets(segment);
    REQUIRE(offsets.size() == 2);
    const BatchHeader marker = batch_header_at(segment, offsets[1]);
    CHECK(marker.flags == kBatchMarker);
    CHECK(marker.durable_sequence == 3);
    CHECK(marker.event_count == 0);
}

TEST_CASE("reader: follows a writer, sees nothing twice and nothing early", "[journal][reader]") {
    const TempDirectory temp;
    auto writer = Writer::open(small_options(temp.journal()));
    REQUIRE(writer);
    auto reader = Reader::open(temp.journal());
    REQUIRE(reader);
    Sequence next = 0;
    EventShape shape;
    shape.payload_bytes = 3000;
    for (int round = 0; round < 60; ++round) {
        CHECK(reader->next_batch()->kind == ReadKind::end);
        REQUIRE(append_all(*writer, make_events(next, 20, shape)));
        REQUIRE(writer->sync(30 * kSecondNs));
        CHECK(*reader->end_sequence() == next + 20);
        CHECK(is_dense(read_all(*reader), next, next + 20));  // over several rolls
        next += 20;
    }
    CHECK(writer->statistics().segments > 2);
}

TEST_CASE("reader: opens before the first event, and needs no permission to write",
          "[journal][reader]") {
    const TempDirectory temp;
    auto writer = Writer::open(small_options(temp.journal()));
    REQUIRE(writer);
    REQUIRE(append_all(*writer, make_events(0, 10)));
    REQUIRE(writer->sync(30 * kSecondNs));
    std::filesystem::permissions(temp.path(), std::filesystem::perms(0755));
    if (::geteuid() != 0) WARN("not root: only the read-only view of the owner is tested");

#if defined(TAILRACE_THREAD_SANITIZER)
    constexpr bool kVerifies = false;
    WARN("not shown here: verify in a forked child, where this race detector can't follow threads");
#else
    constexpr bool kVerifies = true;
#endif
    const pid_t child = ::fork();
    if (child == 0) {
        if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) ::_exit(2);
        if (::open((temp.journal() + "/SUPER").c_str(), O_WRONLY) >= 0 && ::geteuid() == 65534) {
            ::_exit(3);
        }
        const bool read = is_dense(read_all(temp.journal()), 0, 10);
        const bool verified = (!kVerifies || verify(temp.journal())) && inspect(temp.journal()) &&
                              preview_recovery(temp.journal());
        ::_exit(read && verified ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("reader: seeks any sequence, by index in sealed segments and without",
          "[journal][seek]") {
    const TempDirectory temp;
    const JournalOptions options = small_options(temp.journal());
    EventShape shape;
    shape.payload_bytes = 2000;
    std::vector<EventRun> runs;
    for (Sequence first = 0; first < 3000; first += 30)
        runs.push_back(make_events(first, 30, shape));
    REQUIRE(write_journal(options, runs, Ending::abandoned));
    SECTION("with every index") {}
    SECTION("without any index") {
        for (const auto& entry : std::filesystem::directory_iterator(temp.journal())) {
            if (entry.path().extension() == ".idx") std::filesystem::remove(entry.path());
        }
    }
    SECTION("with damaged indexes") {
        for (const auto& entry : std::filesystem::directory_iterator(temp.journal())) {
            if (entry.path().extension() == ".idx") flip_bit(entry.path().string(), 70);
        }
    }
    auto reader = Reader::open(temp.journal());
    REQUIRE(reader);
    std::uint64_t wrong = 0;
    for (Sequence sequence = 0; sequence < 3000; sequence += 7) {
        const Sequence target = (sequence * 1237) % 3000;
        REQUIRE(reader->seek_sequence(target));
        const auto step = reader->next();
        if (!step || step->kind != ReadKind::event || step->event->sequence() != target) ++wrong;
    }
    CHECK(wrong == 0);
    REQUIRE(reader->seek_sequence(3000));
    CHECK(reader->next()->kind == ReadKind::end);
    const auto ahead = reader->seek_sequence(3001);
    REQUIRE_FALSE(ahead);
    CHECK(ahead.error().code == ErrorCode::sequence_ahead);
    REQUIRE(reader->seek_sequence(2990));
    CHECK(is_dense(read_all(*reader), 2990, 3000));
    REQUIRE(reader->seek_end());
    CHECK(reader->next_sequence() == 3000);
}

TEST_CASE("reader: seeks by time, also when the clock was set back in between", "[journal][seek]") {
    const TempDirectory temp;
    JournalOptions options = small_options(temp.journal());
    EventShape shape;
    shape.payload_bytes = 2000;
    shape.step_ns = 10;
    // 0..999 at 10000..., then the clock goes back to 5000, then on from 50000: the running maximum
    // is what counts.
    std::vector<std::uint64_t> times;
    std::vector<EventRun> runs;
    Sequence first = 0;
    for (const std::uint64_t start : {10'000U, 5'000U, 50'000U}) {
        for (int i = 0; i < 10; ++i) {
            shape.first_time_ns = start + static_cast<std::uint64_t>(i) * 1000;
            runs.push_back(make_events(first, 100, shape));
            for (std::uint64_t k = 0; k < 100; ++k)
                times.push_back(shape.first_time_ns + k * 10);
            first += 100;
        }
    }
    REQUIRE(write_journal(options, runs, Ending::closed));
    auto reader = Reader::open(temp.journal());
    REQUIRE(reader);

    std::uint64_t wrong = 0;
    for (std::uint64_t time = 0; time < 62'000; time += 333) {
        std::uint64_t running = 0;
        Sequence expected = 0;
        while (expected < times.size()) {
            running = std::max(running, times[expected]);
            if (running >= time) break;
            ++expected;
        }
        REQUIRE(reader->seek_time(time));
        const auto step = reader->next();
        REQUIRE(step);
        const bool at_end = expected == times.size();
        if (at_end != (step->kind == ReadKind::end)) ++wrong;
        if (!at_end && (!step->event || step->event->sequence() != expected)) {
            ++wrong;
            CAPTURE(time, expected, step->event->sequence());
            CHECK(false);
        }
    }
    CHECK(wrong == 0);
}

TEST_CASE("writer: times go on from the running maximum after a restart with the clock set back",
          "[journal][seek]") {
    const TempDirectory temp;
    const JournalOptions options = small_options(temp.journal());
    EventShape shape;
    shape.step_ns = 1;
    shape.first_time_ns = 9000;
    REQUIRE(write_journal(options, {make_events(0, 10, shape)}, Ending::closed));
    shape.first_time_ns = 100;
    REQUIRE(write_journal(options, {make_events(10, 10, shape)}, Ending::closed));
    shape.first_time_ns = 20'000;
    REQUIRE(write_journal(options, {make_events(20, 10, shape)}, Ending::closed));

    CHECK(is_dense(read_all(temp.journal()), 0, 30));
    auto reader = Reader::open(temp.journal());
    REQUIRE(reader->seek_time(9010));
    CHECK(reader->next()->event->sequence() == 20);
    REQUIRE(reader->seek_time(9009));
    CHECK(reader->next()->event->sequence() == 9);
}

TEST_CASE("writer: keeps a spare segment, which the next writer uses", "[journal][writer]") {
    const TempDirectory temp;
    const JournalOptions options = small_options(temp.journal());
    const auto has_spare = [&temp] {
        return std::filesystem::exists(temp.journal() + "/spare") ||
               std::filesystem::exists(temp.journal() + "/spare.partial");
    };
    // A journal that stays small takes no second segment's room.
    REQUIRE(write_journal(options, {make_events(0, 10)}, Ending::closed));
    CHECK_FALSE(has_spare());
    constexpr std::uint64_t kMany = 2000;  // far more than a sixteenth of a segment
    REQUIRE(write_journal(options, {make_events(10, kMany)}, Ending::closed));
    CHECK(has_spare());
    REQUIRE(write_journal(options, {make_events(10 + kMany, 10)}, Ending::closed));
    CHECK_FALSE(has_spare());
    SECTION("one of another size is made anew") {
        REQUIRE(write_journal(options, {make_events(20 + kMany, kMany)}, Ending::closed));
        CHECK(has_spare());
        JournalOptions larger = options;
        larger.segment_size_bytes = 2 * kMiB;
        REQUIRE(write_journal(larger, {make_events(20 + 2 * kMany, 10)}, Ending::closed));
        CHECK(std::filesystem::file_size(segment_named(temp.journal(), 5)) == 2 * kMiB);
    }
}

TEST_CASE("writer: options that can't work are refused with words", "[journal][writer]") {
    const TempDirectory temp;
    JournalOptions options = small_options(temp.journal());
    SECTION("segments too small") {
        options.segment_size_bytes = kMinSegmentSizeBytes / 2;
    }
    SECTION("segments of odd size") {
        options.segment_size_bytes = kMiB + 1;
    }
    SECTION("odd alignment") {
        options.event_alignment_bytes = 32;
    }
    SECTION("name too long") {
        options.stream_name = std::string(129, 'x');
    }
    SECTION("no depth") {
        options.queue_depth = 0;
    }
    SECTION("no directory") {
        options.directory.clear();
    }
    const auto writer = Writer::open(options);
    REQUIRE_FALSE(writer);
    CHECK(writer.error().code == ErrorCode::invalid_argument);
    CHECK_FALSE(writer.error().hint.empty());
}

TEST_CASE("writer: a journal of another stream or alignment is refused", "[journal][writer]") {
    const TempDirectory temp;
    JournalOptions options = small_options(temp.journal());
    REQUIRE(write_journal(options, {make_events(0, 10)}, Ending::closed));
    SECTION("another name") {
        options.stream_name = "other";
    }
    SECTION("another alignment") {
        options.event_alignment_bytes = 64;
    }
    const auto writer = Writer::open(options);
    REQUIRE_FALSE(writer);
    CHECK(writer.error().code == ErrorCode::invalid_argument);
    options = small_options(temp.journal());
    options.stream_name.clear();  // takes what is there
    CHECK(Writer::open(options)->stream_name() == "test");
}

}  // namespace tailrace::journal::writer_reader_test
