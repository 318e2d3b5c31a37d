// SimulatedLab: a writer on a simulated disk, for tests that go through its steps one by one.
#pragma once

#include "journal_fixture.hpp"
#include "simulated_writer.hpp"

#include <memory>
#include <string>

namespace tailrace::journal {

struct SimulatedLab {
    explicit SimulatedLab(std::uint64_t seed)
        : disk(seed),
          around(simulated_environment(disk)),
          options(small_options("/sim")) {
        options.segment_fill = SegmentFill::allocated;
    }

    void open() {
        writer.reset();
        auto opened = WriterCore::open(options, around);
        TAILRACE_CHECK(opened.has_value());
        writer = std::move(*opened);
    }

    // Events of 60,000 bytes, 16 to a segment of 1 MiB; stops early when the machine does.
    void fill_segments(std::uint64_t segments) const { fill(segments * 16); }
    void fill_half_segment() const { fill(8); }
    void fill(std::uint64_t event_count) const {
        EventShape shape;
        shape.payload_bytes = 60'000;
        shape.tag = tag;
        const Sequence end = writer->next_sequence() + event_count;
        while (writer->next_sequence() < end && !disk.is_stopped()) {
            (void)writer->append(make_events(writer->next_sequence(), 1, shape).run());
            if (!writer->sync(kSecondNs)) break;
        }
    }

    void drive_idle() {
        for (int round = 0; round < 8; ++round) {
            disk.pass_ns(kSecondNs);
            (void)writer->drive(0);
        }
    }

    [[nodiscard]] std::uint64_t segment_count() const {
        std::uint64_t count = 0;
        for (const std::string& path : disk.paths())
            count += path.ends_with(".seg") ? 1U : 0U;
        return count;
    }

    SimulatedDisk disk;
    WriterEnvironment around;
    JournalOptions options;
    std::uint64_t tag = 0;
    std::unique_ptr<WriterCore> writer;
};

}  // namespace tailrace::journal
