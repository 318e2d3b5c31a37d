// The row `many`: what a journal of a hundred thousand segments costs who opens it, asks where it
// ends, and seeks in it.

#include "journal_rows.hpp"
#include "sparse_journal.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/journal/reader.hpp>

#include <unistd.h>

#include <array>
#include <functional>
#include <string_view>

namespace tailrace::bench {

namespace {

constexpr std::uint64_t kOpenedSegments = 100'000;
constexpr std::uint64_t kQuicklyOpenedSegments = 2'000;
constexpr std::uint64_t kQuickRunBelowBytes = std::uint64_t{1} << 28U;
// So many of them hold something, evenly spread.
constexpr std::uint64_t kFilledSegments = 100;
constexpr std::uint64_t kOpenRounds = 32;

struct Deed {
    std::string_view name;
    std::function<Result<void>(journal::Reader&, const SparseJournal::Place&)> act;
};

// Each by a reader that was just opened; the opening is part of it.
Result<std::uint64_t> do_once(const SparseJournal& journal,
                              const Deed& deed,
                              const SparseJournal::Place& place) {
    const std::uint64_t begin_ns = monotonic_ns();
    auto reader = journal::Reader::open(journal.directory());
    if (!reader) return reader.error();
    if (auto done = deed.act(*reader, place); !done) return done.error();
    return monotonic_ns() - begin_ns;
}

Result<void> expect_event_at(journal::Reader& reader, const SparseJournal::Place& place) {
    auto step = reader.next();
    if (!step) return step.error();
    const bool is_it = step->kind == journal::ReadKind::event &&
                       step->event->sequence() == place.sequence &&
                       words_match(step->event->payload(), place.sequence);
    if (!is_it) return bench_broken("a seek found another event");
    return {};
}

const std::array<Deed, 4>& deeds() {
    static const std::array<Deed, 4> all = {{
        {"open_and_end",
         [](journal::Reader& reader, const SparseJournal::Place& /*place*/) -> Result<void> {
             auto end = reader.end_sequence();
             if (!end) return end.error();
             return {};
         }},
        {"open_and_seek_end",
         [](journal::Reader& reader, const SparseJournal::Place& /*place*/) {
             return reader.seek_end();
         }},
        {"open_and_seek_sequence",
         [](journal::Reader& reader, const SparseJournal::Place& place) -> Result<void> {
             if (auto sought = reader.seek_sequence(place.sequence); !sought) return sought;
             return expect_event_at(reader, place);
         }},
        {"open_and_seek_time",
         [](journal::Reader& reader, const SparseJournal::Place& place) -> Result<void> {
             if (auto sought = reader.seek_time(place.time_ns); !sought) return sought;
             return expect_event_at(reader, place);
         }},
    }};
    return all;
}

}  // namespace

Result<nlohmann::json> measure_many(const JournalRowContext& context) {
    const std::uint64_t segments =
        context.options.bytes < kQuickRunBelowBytes ? kQuicklyOpenedSegments : kOpenedSegments;
    const std::uint64_t step = segments / kFilledSegments;
    auto journal = SparseJournal::make(
        context.options.journal_directory + "/bench-many-" + std::to_string(::getpid()),
        segments,
        step);
    if (!journal) return journal.error();
    nlohmann::json row = {{"segments", segments}, {"catalogue_bytes", journal->catalogue_bytes()}};
    for (const Deed& deed : deeds()) {
        PercentileRuns figures;
        for (std::uint32_t run = 0; run < context.options.runs; ++run) {
            Samples samples;
            for (std::uint64_t round = 0; round < kOpenRounds; ++round) {
                const auto place =
                    journal->place((run + round * 37) % kFilledSegments * step, run + round);
                auto took_ns = do_once(*journal, deed, place);
                if (!took_ns) return took_ns.error();
                samples.add(*took_ns);
            }
            figures.add_ns(samples);
        }
        row[std::string(deed.name) + "_ns"] = figures.json();
    }
    return row;
}

}  // namespace tailrace::bench
