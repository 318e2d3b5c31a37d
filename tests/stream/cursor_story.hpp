// What the tests of cursors share: a recorded stream that is read by the cursor "risk".
#pragma once

#include "stream/recorded_stream.hpp"

#include <tailrace/bus/cursor.hpp>
#include <tailrace/journal/ledger.hpp>
#include <tailrace/stream/stream_reader.hpp>

#include <catch2/catch.hpp>

#include <cstdint>
#include <vector>

namespace tailrace::test {

inline constexpr std::uint64_t kPatienceMs = 20'000;

[[nodiscard]] inline stream::StreamReaderOptions by_cursor(const RecordedStream& recorded,
                                                           stream::CommitMode commit) {
    stream::StreamReaderOptions options;
    options.bus_directory = recorded.stream().directory();
    options.cursor = "risk";
    options.new_cursor_at = Position::start();
    options.commit = commit;
    options.policy = bus::SlowPolicy::gate;
    return options;
}

[[nodiscard]] inline Result<stream::StreamReader> try_read(
    const RecordedStream& recorded, const stream::StreamReaderOptions& options) {
    return stream::StreamReader::attach(recorded.stream().name(), options);
}

[[nodiscard]] inline stream::StreamReader read(const RecordedStream& recorded,
                                               stream::CommitMode commit) {
    return expect(try_read(recorded, by_cursor(recorded, commit)), "attach by the cursor");
}

// The sequences that it hands out, at most `count`.
[[nodiscard]] inline std::vector<Sequence> take(stream::StreamReader& reader, std::uint64_t count) {
    std::vector<Sequence> taken;
    const bus::Deadline deadline = bus::Deadline::in_ms(kPatienceMs);
    while (taken.size() < count && !deadline.has_passed()) {
        const bus::PollResult result =
            reader.poll_until([&](const Event& event) { taken.push_back(event.sequence()); },
                              count - taken.size(),
                              deadline);
        if (result.state != bus::PollState::ok) break;
    }
    return taken;
}

[[nodiscard]] inline std::vector<Sequence> range(Sequence first, Sequence end) {
    std::vector<Sequence> sequences;
    for (Sequence sequence = first; sequence < end; ++sequence)
        sequences.push_back(sequence);
    return sequences;
}

[[nodiscard]] inline bus::CursorStatus status_of(const RecordedStream& recorded) {
    const auto cursors = bus::read_cursors(*recorded.stream().open());
    REQUIRE(cursors.size() == 1);
    return cursors.front();
}

[[nodiscard]] inline journal::Ledger ledger_of(const RecordedStream& recorded) {
    return expect(journal::read_ledger(recorded.journal_directory()), "read the ledger");
}

inline void remake_stream(const RecordedStream& recorded) {
    REQUIRE(bus::Region::unlink(recorded.stream().name(), false, recorded.stream().directory()));
    bus::StreamOptions options = small_stream();
    const auto end = stream::find_journal_end(recorded.journal_directory());
    REQUIRE(end);
    options.first_sequence = end->sequence;
    options.journal_directory = recorded.journal_directory();
    options.journal_id = end->id;
    REQUIRE(bus::Region::create(recorded.stream().name(), options, recorded.stream().directory()));
}

// The keeper has written all there is.
inline void keep(const RecordedStream& recorded) {
    const auto region = recorded.stream().open();
    REQUIRE(bus::wait_kept(*region, bus::Deadline::in_ms(kPatienceMs)));
}

}  // namespace tailrace::test
