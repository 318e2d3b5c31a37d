#include "stream/recorded_stream.hpp"
#include "support/file_content.hpp"
#include "support/watchdog.hpp"

#include <tailrace/stream/stream_reader.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace damaged_journal_test {

namespace {

using namespace tailrace;
using namespace tailrace::stream;
using namespace tailrace::test;

constexpr std::uint64_t kPart = 100;  // events that are recorded at a time

// One batch of the journal, and where it lies.
struct Batch {
    Sequence first = 0;
    Sequence end = 0;
    std::string path;
    std::size_t body_offset = 0;
    std::size_t body_bytes = 0;
};

std::vector<std::string> segments_of(const std::string& directory) {
    std::vector<std::string> paths;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        if (entry.path().extension() == ".seg") paths.push_back(entry.path().string());
    }
    std::sort(paths.begin(), paths.end());
    return paths;
}

// Of a journal that is whole.
std::vector<Batch> batches_of(const std::string& directory) {
    std::vector<std::pair<std::string, std::string>> files;
    for (const std::string& path : segments_of(directory))
        files.emplace_back(path, file_content(path));
    std::vector<Batch> batches;
    auto reader = expect(journal::Reader::open(directory), "open");
    for (std::size_t file = 0, offset = 0;;) {
        const auto step = expect(reader.next_batch(), "read");
        if (step.kind == journal::ReadKind::end) return batches;
        const auto* const bytes = reinterpret_cast<const char*>(step.batch.bytes.data());
        const std::string_view body(bytes, step.batch.bytes.size());
        while ((offset = files[file].second.find(body, offset)) == std::string::npos) {
            ++file;
            offset = 0;
            REQUIRE(file < files.size());
        }
        batches.push_back({step.batch.first_sequence,
                           step.batch.end_sequence(),
                           files[file].first,
                           offset,
                           body.size()});
    }
}

// The batch that holds this event.
Batch batch_with(const std::vector<Batch>& batches, Sequence sequence) {
    const auto found = std::find_if(batches.begin(), batches.end(), [&](const Batch& batch) {
        return batch.first <= sequence && sequence < batch.end;
    });
    REQUIRE(found != batches.end());
    return *found;
}

void flip_byte(const std::string& path, std::size_t offset) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(static_cast<std::streamoff>(offset));
    const auto byte = static_cast<char>(file.get() ^ 1);
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(byte);
    REQUIRE(file.flush());
}

// `count` numbered events of publisher 1, in batches of kPart or less.
void record_numbered(const RecordedStream& recorded, std::uint64_t count) {
    auto publisher = recorded.stream().publisher();
    auto recorder = recorded.recorder();
    for (std::uint64_t first = 0; first < count; first += kPart) {
        REQUIRE(publish_numbered(publisher, 1, first, std::min(kPart, count - first)));
        REQUIRE(record_all(recorder, publisher.region()));
    }
    REQUIRE(recorder.close());
}

// The spare segment is left out: a thread of the writer's fills it, and gives it another name then.
void copy_but_spare(const std::string& directory, const std::string& image) {
    std::filesystem::create_directory(image);
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        const std::string name = entry.path().filename().string();
        if (!name.starts_with("spare")) std::filesystem::copy(entry.path(), image + "/" + name);
    }
}

// The same, whose recorder is killed: nothing seals the journal's end.
void record_unsealed(const RecordedStream& recorded, std::uint64_t count) {
    const std::string directory = recorded.journal_directory();
    const std::string image = directory + ".image";
    auto publisher = recorded.stream().publisher();
    auto recorder = recorded.recorder();
    for (std::uint64_t first = 0; first < count; first += kPart) {
        REQUIRE(publish_numbered(publisher, 1, first, std::min(kPart, count - first)));
        REQUIRE(record_all(recorder, publisher.region()));
    }
    copy_but_spare(directory, image);
    REQUIRE(recorder.close());
    std::filesystem::remove_all(directory);
    std::filesystem::rename(image, directory);
}

// Of each event.
std::vector<std::uint64_t> times_of(const std::string& directory) {
    std::vector<std::uint64_t> times;
    auto reader = expect(journal::Reader::open(directory), "open");
    for (;;) {
        const auto step = expect(reader.next(), "read");
        if (step.kind == journal::ReadKind::end) return times;
        times.push_back(step.event->publish_time_ns());
    }
}

struct Read {
    std::vector<Sequence> sequences;
    std::vector<bus::Gap> gaps;
    std::uint64_t wrong = 0;
    bus::PollState last = bus::PollState::idle;
};

Read read_on(StreamReader& reader, Sequence end = kNoSequence) {
    Read read;
    while (reader.next_sequence() < end) {
        const bus::PollResult result = reader.poll_until(
            [&](const Event& event) {
                const auto numbered = read_numbered(event.payload());
                if (!numbered || numbered->number != event.sequence()) ++read.wrong;
                read.sequences.push_back(event.sequence());
            },
            64,
            bus::Deadline::in_ms(1000));
        read.last = result.state;
        if (result.state == bus::PollState::gap) {
            read.gaps.push_back(reader.last_gap());
            CHECK(reader.is_last_gap_damage());
        }
        if (result.state > bus::PollState::gap) break;
    }
    return read;
}

// Everything but [first, end), which is one gap.
void check_all_but(const Read& read, Sequence first, Sequence end, Sequence count) {
    REQUIRE(read.gaps.size() == 1);
    CHECK(read.gaps[0].first == first);
    CHECK(read.gaps[0].count == end - first);
    CHECK(read.wrong == 0);
    std::vector<Sequence> expected;
    for (Sequence sequence = 0; sequence < count; ++sequence) {
        if (sequence < first || sequence >= end) expected.push_back(sequence);
    }
    CHECK(read.sequences == expected);
}

StreamReaderOptions reading(OnDamage on_damage, Position from = Position::start()) {
    StreamReaderOptions options;
    options.policy = bus::SlowPolicy::observe;
    options.from = from;
    options.on_damage = on_damage;
    return options;
}

StreamReader open(const RecordedStream& recorded,
                  OnDamage on_damage,
                  Position from = Position::start()) {
    return expect(
        StreamReader::open_journal(recorded.journal_directory(), reading(on_damage, from)), "open");
}

}  // namespace

TEST_CASE("damaged journal: without a word a reader stops at it, as often as it is asked",
          "[stream][stream_reader]") {
    const Watchdog watchdog("stop at damage");
    const RecordedStream recorded;
    record_numbered(recorded, 1000);
    const Batch batch = batch_with(batches_of(recorded.journal_directory()), 450);
    flip_byte(batch.path, batch.body_offset + batch.body_bytes / 2);
    auto reader = open(recorded, OnDamage::stop);

    for (int time = 0; time < 2; ++time) {
        const Read read = read_on(reader);
        CHECK(read.last == bus::PollState::failed);
        CHECK(read.sequences.size() == (time == 0 ? batch.first : 0));
        CHECK(reader.error().code == ErrorCode::corrupt);
        CHECK(reader.next_sequence() == batch.first);
        CHECK(reader.lost_events() == 0);
    }
}

TEST_CASE("damaged journal: a reader that skips it tells the batch as a gap, and goes on",
          "[stream][stream_reader]") {
    const Watchdog watchdog("skip damage");
    for (const bool in_header : {false, true}) {
        const RecordedStream recorded;
        record_numbered(recorded, 1000);
        const Batch batch = batch_with(batches_of(recorded.journal_directory()), 450);
        REQUIRE(batch.end < 1000);
        flip_byte(batch.path,
                  in_header ? batch.body_offset - 1 : batch.body_offset + batch.body_bytes / 2);
        INFO("in its header: " << in_header);
        auto reader = open(recorded, OnDamage::skip);

        const Read read = read_on(reader);

        CHECK(read.last == bus::PollState::closed);
        check_all_but(read, batch.first, batch.end, 1000);
        CHECK(reader.damaged_events() == batch.end - batch.first);
        CHECK(reader.lost_events() == batch.end - batch.first);

        // From within it what is left of it is the gap.
        auto late = open(recorded, OnDamage::skip, Position::at(batch.first + 3));
        const Read rest = read_on(late);
        REQUIRE(rest.gaps.size() == 1);
        CHECK(rest.gaps[0].first == batch.first + 3);
        CHECK(rest.gaps[0].count == batch.end - batch.first - 3);
        REQUIRE(rest.sequences.size() == 1000 - batch.end);
        CHECK(rest.sequences.front() == batch.end);
    }
}

TEST_CASE("damaged journal: the last batch of all is a gap too", "[stream][stream_reader]") {
    const Watchdog watchdog("skip damage at the end");
    for (const bool in_header : {false, true}) {
        const RecordedStream recorded;
        record_numbered(recorded, 1000);
        const Batch batch = batch_with(batches_of(recorded.journal_directory()), 999);
        flip_byte(batch.path, in_header ? batch.body_offset - 1 : batch.body_offset + 20);
        INFO("in its header: " << in_header);
        auto reader = open(recorded, OnDamage::skip);

        const Read read = read_on(reader);

        CHECK(read.last == bus::PollState::closed);
        check_all_but(read, batch.first, 1000, 1000);
    }
}

TEST_CASE("damaged journal: beside its ring, what that has comes from there",
          "[stream][stream_reader]") {
    const Watchdog watchdog("damage beside a ring");
    constexpr std::uint64_t kEvents = 5000;  // ten times what the small ring holds
    const RecordedStream recorded;
    record_numbered(recorded, kEvents);
    const auto batches = batches_of(recorded.journal_directory());
    const Batch early = batch_with(batches, 450);
    flip_byte(early.path, early.body_offset + 20);
    // The ring has this one.
    const Batch last = batch_with(batches, kEvents - 1);
    flip_byte(last.path, last.body_offset + 20);

    for (const bus::SlowPolicy policy : {bus::SlowPolicy::observe, bus::SlowPolicy::spill}) {
        StreamReaderOptions options = reading(OnDamage::skip);
        options.policy = policy;
        options.without_recorder = true;
        options.bus_directory = recorded.stream().directory();
        options.journal_directory = recorded.journal_directory();
        auto reader = expect(StreamReader::attach(recorded.stream().name(), options), "attach");
        const Read read = read_on(reader, kEvents);
        check_all_but(read, early.first, early.end, kEvents);
        CHECK(reader.source() == Source::ring);
        CHECK(reader.damaged_events() == early.end - early.first);
    }
}

TEST_CASE("damaged journal: several places, in one segment and in others",
          "[stream][stream_reader]") {
    const Watchdog watchdog("damage in several segments");
    constexpr std::uint64_t kEvents = 40'000;
    const RecordedStream recorded;
    record_numbered(recorded, kEvents);
    REQUIRE(segments_of(recorded.journal_directory()).size() >= 4);
    const auto batches = batches_of(recorded.journal_directory());
    std::vector<Batch> damaged;
    for (const Sequence sequence : {Sequence{0}, Sequence{5'000}, Sequence{5'300}, kEvents - 500})
        damaged.push_back(batch_with(batches, sequence));
    for (const Batch& batch : damaged)
        flip_byte(batch.path, batch.body_offset + 20);
    auto reader = open(recorded, OnDamage::skip);

    const Read read = read_on(reader);

    CHECK(read.last == bus::PollState::closed);
    CHECK(read.wrong == 0);
    REQUIRE(read.gaps.size() == damaged.size());
    std::uint64_t lost = 0;
    for (std::size_t index = 0; index < damaged.size(); ++index) {
        CHECK(read.gaps[index].first == damaged[index].first);
        CHECK(read.gaps[index].count == damaged[index].end - damaged[index].first);
        lost += read.gaps[index].count;
    }
    CHECK(read.sequences.size() + lost == kEvents);
    CHECK(std::is_sorted(read.sequences.begin(), read.sequences.end()));
}

TEST_CASE("damaged journal: a segment that is gone is a gap; behind the newest nobody knows",
          "[stream][stream_reader]") {
    const Watchdog watchdog("segments gone");
    constexpr std::uint64_t kEvents = 40'000;
    const RecordedStream recorded;
    record_numbered(recorded, kEvents);
    const auto segments = segments_of(recorded.journal_directory());
    REQUIRE(segments.size() >= 4);
    const auto batches = batches_of(recorded.journal_directory());
    const auto first_of = [&](const std::string& path) {
        const auto found = std::find_if(
            batches.begin(), batches.end(), [&](const Batch& batch) { return batch.path == path; });
        REQUIRE(found != batches.end());
        return found->first;
    };
    const Sequence first = first_of(segments[1]);
    const Sequence end = first_of(segments[2]);
    const Sequence last = first_of(segments.back());
    std::filesystem::remove(segments[1]);
    {
        auto reader = open(recorded, OnDamage::skip);
        const Read read = read_on(reader);
        CHECK(read.last == bus::PollState::closed);
        check_all_but(read, first, end, kEvents);
    }
    std::filesystem::remove(segments.back());
    auto reader = open(recorded, OnDamage::skip);
    const Read read = read_on(reader);
    CHECK(read.last == bus::PollState::failed);
    CHECK(reader.error().code == ErrorCode::corrupt);
    // As far as it was durable; how it goes on behind that nobody knows.
    REQUIRE(read.gaps.size() == 2);
    CHECK(read.gaps[1].first == last);
    CHECK(read.gaps[1].count == kEvents - last);
    CHECK(read.wrong == 0);
    CHECK(read_on(reader).last == bus::PollState::failed);
}

namespace {

// Of the events of a journal these can't be read.
using Lost = std::vector<std::pair<Sequence, Sequence>>;

// Everything from `from` on, and of what is lost the rest as gaps.
void check_rest(StreamReader& reader, Sequence from, const Lost& lost, Sequence count) {
    const Read read = read_on(reader);
    CHECK(read.last == bus::PollState::closed);
    CHECK(read.wrong == 0);
    std::vector<Sequence> expected;
    std::vector<std::pair<Sequence, Sequence>> gaps;
    for (Sequence sequence = from; sequence < count; ++sequence) {
        const auto within = std::find_if(lost.begin(), lost.end(), [&](const auto& range) {
            return range.first <= sequence && sequence < range.second;
        });
        if (within == lost.end()) {
            expected.push_back(sequence);
        } else {
            gaps.emplace_back(sequence, within->second);
            sequence = within->second - 1;
        }
    }
    CHECK(read.sequences == expected);
    std::vector<std::pair<Sequence, Sequence>> told;
    for (const bus::Gap& gap : read.gaps)
        told.emplace_back(gap.first, gap.first + gap.count);
    CHECK(told == gaps);
}

// Whoever stops at damage begins at any sound place as if there were none, and nowhere else.
void check_stops(const RecordedStream& recorded, Sequence from, const Lost& lost) {
    auto reader = open(recorded, OnDamage::stop, Position::at(from));
    const auto within = std::find_if(lost.begin(), lost.end(), [&](const auto& range) {
        return range.first <= from && from < range.second;
    });
    const Read read = read_on(reader, from + 1);
    if (within == lost.end()) {
        REQUIRE_FALSE(read.sequences.empty());
        CHECK(read.sequences.front() == from);
        return;
    }
    CHECK(read.sequences.empty());
    CHECK(read.last == bus::PollState::failed);
    CHECK(reader.error().code == ErrorCode::corrupt);
}

// `count`: as far as anybody knows that it was durable.
void check_every_position(const RecordedStream& recorded,
                          const Lost& lost,
                          Sequence count,
                          const std::vector<std::uint64_t>& times) {
    std::vector<Sequence> places = {0, count - 1};
    for (const auto& [first, end] : lost) {
        for (const Sequence place : {first - 1, first, first + 3, end - 1, end, end + 1, end + 40})
            if (place < count) places.push_back(place);
    }
    for (const Sequence place : places) {
        CAPTURE(place);
        auto at = open(recorded, OnDamage::skip, Position::at(place));
        CHECK(at.next_sequence() == place);
        check_rest(at, place, lost, count);
        auto before_end = open(recorded, OnDamage::skip, Position::before_end(count - place));
        CHECK(before_end.next_sequence() == place);
        check_rest(before_end, place, lost, count);
        check_stops(recorded, place, lost);
    }
    auto end = open(recorded, OnDamage::skip, Position::end());
    CHECK(end.next_sequence() == count);
    check_rest(end, count, lost, count);
    const auto ahead = StreamReader::open_journal(recorded.journal_directory(),
                                                  reading(OnDamage::skip, Position::at(count + 1)));
    REQUIRE_FALSE(ahead);
    CHECK(ahead.error().code == ErrorCode::sequence_ahead);

    // By time: of one that is there exactly it; of one that is lost all of the loss is told.
    for (const auto& [first, end_of_it] : lost) {
        CAPTURE(first);
        if (end_of_it + 40 >= count) continue;
        REQUIRE(times[end_of_it + 39] < times[end_of_it + 40]);
        auto behind = open(recorded, OnDamage::skip, Position::at_time(times[end_of_it + 40]));
        check_rest(behind, end_of_it + 40, lost, count);
        auto within = open(recorded, OnDamage::skip, Position::at_time(times[first + 50]));
        check_rest(within, first, lost, count);
    }
}

}  // namespace

TEST_CASE("damaged journal: every position behind damage is the right one, where it is written too",
          "[stream][stream_reader]") {
    const Watchdog watchdog("positions behind damage");
    enum class Journal : std::uint8_t { sealed, unsealed, of_several_segments };
    for (const Journal kind : {Journal::sealed, Journal::unsealed, Journal::of_several_segments}) {
        for (const bool in_header : {true, false}) {
            const RecordedStream recorded;
            const Sequence count = kind == Journal::of_several_segments ? 15'000 : 1'200;
            if (kind == Journal::unsealed) {
                record_unsealed(recorded, count);
            } else {
                record_numbered(recorded, count);
            }
            INFO("journal " << static_cast<int>(kind) << (in_header ? ", header" : ", body"));
            const std::string directory = recorded.journal_directory();
            CHECK((segments_of(directory).size() > 1) == (kind == Journal::of_several_segments));
            const auto times = times_of(directory);
            REQUIRE(times.size() == count);
            const auto batches = batches_of(directory);
            Lost lost;
            // Two batches side by side, and one that stands alone.
            for (const Sequence sequence : {Sequence{250}, Sequence{350}, Sequence{850}}) {
                const Batch batch = batch_with(batches, sequence);
                flip_byte(batch.path, in_header ? batch.body_offset - 1 : batch.body_offset + 20);
                if (!lost.empty() && lost.back().second == batch.first) {
                    lost.back().second = batch.end;
                } else {
                    lost.emplace_back(batch.first, batch.end);
                }
            }
            check_every_position(recorded, lost, count, times);
        }
    }
}

TEST_CASE("damaged journal: what nobody knows to have been durable is not there yet",
          "[stream][stream_reader]") {
    const Watchdog watchdog("positions in a torn end");
    const RecordedStream recorded;
    record_unsealed(recorded, 1000);
    const Batch batch = batch_with(batches_of(recorded.journal_directory()), 999);
    flip_byte(batch.path, batch.body_offset - 1);
    for (const Sequence place : {batch.first + 1, Sequence{999}, Sequence{1000}}) {
        const auto reader = StreamReader::open_journal(
            recorded.journal_directory(), reading(OnDamage::stop, Position::at(place)));
        REQUIRE_FALSE(reader);
        CHECK(reader.error().code == ErrorCode::sequence_ahead);
        CHECK(reader.error().hint.find(std::to_string(batch.first)) != std::string::npos);
    }
    auto last = open(recorded, OnDamage::stop, Position::before_end(1));
    CHECK(last.next_sequence() == batch.first - 1);
}

TEST_CASE("damaged journal: a position that has left the ring is found behind damage",
          "[stream][stream_reader]") {
    const Watchdog watchdog("positions behind damage, beside a ring");
    constexpr std::uint64_t kEvents = 5000;  // ten times what the small ring holds
    const RecordedStream recorded;
    record_unsealed(recorded, kEvents);
    const auto batches = batches_of(recorded.journal_directory());
    const Batch damaged = batch_with(batches, 450);
    REQUIRE(damaged.path == segments_of(recorded.journal_directory()).back());
    flip_byte(damaged.path, damaged.body_offset - 1);
    for (const bus::SlowPolicy policy : {bus::SlowPolicy::observe, bus::SlowPolicy::spill}) {
        for (const OnDamage on_damage : {OnDamage::stop, OnDamage::skip}) {
            StreamReaderOptions options = reading(on_damage, Position::at(damaged.end + 7));
            options.policy = policy;
            options.without_recorder = true;
            options.bus_directory = recorded.stream().directory();
            options.journal_directory = recorded.journal_directory();
            auto reader = expect(StreamReader::attach(recorded.stream().name(), options), "attach");
            const Read read = read_on(reader, kEvents);
            CHECK(read.wrong == 0);
            CHECK(read.gaps.empty());
            REQUIRE(read.sequences.size() == kEvents - damaged.end - 7);
            CHECK(read.sequences.front() == damaged.end + 7);
        }
    }
}

}  // namespace damaged_journal_test
