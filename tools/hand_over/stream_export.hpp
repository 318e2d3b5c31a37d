// StreamExport: reads a range of a stream and hands it over to a directory, part by part. One
// thread.
//
// A part ends where it has enough bytes of events, or too many files, and never inside an atomic
// batch. What is in memory is bounded: rows that wait, whatever the number of tables.
#pragma once

#include "hand_over/event_tables.hpp"
#include "hand_over/export_directory.hpp"
#include "hand_over/manifest.hpp"
#include "hand_over/row_writer.hpp"

#include <tailrace/base/event.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/bus/event_filter.hpp>
#include <tailrace/schema/condition.hpp>
#include <tailrace/stream/stream_reader.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tailrace::tool {

struct ExportLimits {
    std::uint64_t part_bytes = std::uint64_t{256} << 20U;  // of events, as the log has them
    std::uint64_t held_bytes = std::uint64_t{64} << 20U;   // rows that wait, of all tables
    std::size_t part_tables = 128;                         // files that are open at a time
};

// Which events become rows; the others are left out, and counted.
struct WantedEvents {
    bus::EventFilter filter;
    std::optional<schema::Condition> condition;

    [[nodiscard]] bool accept(const Event& event) const noexcept {
        return filter.accepts(event) && (!condition || condition->holds(event));
    }
};

// What was handed over in this run.
struct ExportTotals {
    std::uint64_t rows = 0;
    std::uint64_t left_out = 0;
    std::uint64_t missing = 0;
    std::uint64_t files = 0;
    std::uint64_t file_bytes = 0;
    std::uint64_t event_bytes = 0;  // payloads of rows
    std::uint64_t mended_texts = 0;
    std::vector<ExportedGap> gaps;
};

// A number by which an event is known again.
[[nodiscard]] std::string fingerprint_of(const Event& event);

class StreamExport {
public:
    // Requires: the directory has a manifest, and it outlives this, as tables do.
    StreamExport(ExportDirectory& directory,
                 EventTables& tables,
                 RowOptions rows,
                 WantedEvents wanted,
                 ExportLimits limits);
    ~StreamExport();
    StreamExport(const StreamExport&) = delete;
    StreamExport& operator=(const StreamExport&) = delete;

    // Sequences that the log doesn't have any more, before anything is read. Requires: they go on
    // where the manifest ends.
    void add_retired(Sequence first, Sequence end);
    // Reads on to `end`, or as far as there is something; what was read is handed over also when it
    // ends by an error, unless writing failed. `on_turn` is told how far it is, and says whether to
    // go on.
    [[nodiscard]] Result<void> run(stream::StreamReader& reader,
                                   Sequence end,
                                   const std::function<bool(Sequence)>& on_turn);

    // A part was handed over; the sequence behind it.
    std::function<Result<void>(Sequence)> on_part;

    [[nodiscard]] const ExportTotals& totals() const noexcept { return totals_; }

private:
    struct OpenFile;

    [[nodiscard]] Result<void> read(stream::StreamReader& reader,
                                    Sequence end,
                                    const std::function<bool(Sequence)>& on_turn);
    [[nodiscard]] Result<bool> take_state(stream::StreamReader& reader,
                                          bus::PollResult result,
                                          Sequence end);
    void take(const Event& event);
    [[nodiscard]] Result<void> add_row(const Event& event);
    [[nodiscard]] Result<OpenFile*> open_file(std::size_t table);
    [[nodiscard]] Result<void> bound_memory();
    void add_gap(Sequence first, Sequence end, const char* kind);
    [[nodiscard]] bool is_part_full() const noexcept;
    [[nodiscard]] Result<void> hand_over(Sequence end);
    [[nodiscard]] Result<ExportedFile> finish_file(OpenFile& file, const ExportedPart& part);
    void count(const ExportedPart& part);

    ExportDirectory& directory_;
    EventTables& tables_;
    RowOptions rows_;
    WantedEvents wanted_;
    ExportLimits limits_;
    ExportTotals totals_;

    ExportedPart part_;                             // at hand
    Sequence end_ = 0;                              // of what is to be read
    std::vector<std::unique_ptr<OpenFile>> files_;  // by table; null: not in this part
    std::size_t open_files_ = 0;
    std::uint64_t part_bytes_ = 0;
    std::uint64_t unbounded_bytes_ = 0;  // since memory was looked at
    bool is_inside_batch_ = false;
    bool wants_witness_ = false;
    bool has_failed_writing_ = false;
    std::optional<Error> failure_;  // of a handler
};

}  // namespace tailrace::tool
