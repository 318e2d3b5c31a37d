#include "hand_over/stream_export.hpp"

#include <tailrace/base/checksum.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace tailrace::tool {

// A file of the part at hand.
struct StreamExport::OpenFile {
    const EventTable* table = nullptr;
    std::unique_ptr<PartFile> file;
    std::unique_ptr<RowWriter> rows;
    std::uint64_t row_count = 0;
    Sequence first = 0;
    Sequence last = 0;
    PublishTimes times;
};

std::string fingerprint_of(const Event& event) {
    const std::uint64_t place = event.sequence() ^ (event.publish_time_ns() << 8U) ^
                                (std::uint64_t{event.type()} << 48U) ^ event.key();
    return fmt::format("{:016x}", checksum64(event.payload(), place));
}

StreamExport::StreamExport(ExportDirectory& directory,
                           EventTables& tables,
                           RowOptions rows,
                           WantedEvents wanted,
                           ExportLimits limits)
    : directory_(directory),
      tables_(tables),
      rows_(std::move(rows)),
      wanted_(std::move(wanted)),
      limits_(limits) {
    part_.first = directory_.manifest()->end();
}

StreamExport::~StreamExport() = default;

void StreamExport::add_retired(Sequence first, Sequence end) {
    add_gap(first, end, "retired");
}

void StreamExport::add_gap(Sequence first, Sequence end, const char* kind) {
    if (first < end) part_.gaps.push_back({first, end, kind});
}

Result<void> StreamExport::run(stream::StreamReader& reader,
                               Sequence end,
                               const std::function<bool(Sequence)>& on_turn) {
    end_ = end;
    auto outcome = read(reader, end, on_turn);
    if (!has_failed_writing_) {
        auto handed = hand_over(std::min(reader.next_sequence(), end));
        if (!handed && outcome) outcome = handed.error();
    }
    if (!outcome) {
        files_.clear();
        directory_.drop_unfinished();
    }
    return outcome;
}

Result<void> StreamExport::read(stream::StreamReader& reader,
                                Sequence end,
                                const std::function<bool(Sequence)>& on_turn) {
    constexpr std::uint64_t kTurnEvents = 256;
    constexpr std::uint64_t kPatienceMs = 1000;
    while (reader.next_sequence() < end && on_turn(reader.next_sequence())) {
        // One by one to the end of a part, so that it ends at an event that may be its last one.
        const bool is_full = is_part_full();
        const std::uint64_t left = end - reader.next_sequence();
        wants_witness_ = is_full || left == 1;
        const bus::PollResult result =
            reader.poll_until([this](const Event& event) { take(event); },
                              wants_witness_ ? 1 : std::min(kTurnEvents, left - 1),
                              bus::Deadline::in_ms(kPatienceMs));
        if (failure_) {
            has_failed_writing_ = true;
            return *failure_;
        }
        auto goes_on = take_state(reader, result, end);
        if (!goes_on) return goes_on.error();
        if (!*goes_on) return {};
        if (is_full && result.events != 0 && !is_inside_batch_) {
            if (auto handed = hand_over(reader.next_sequence()); !handed) return handed;
        }
        if (auto bounded = bound_memory(); !bounded) {
            has_failed_writing_ = true;
            return bounded;
        }
    }
    return {};
}

// False: there is nothing more to come.
Result<bool> StreamExport::take_state(stream::StreamReader& reader,
                                      bus::PollResult result,
                                      Sequence end) {
    switch (result.state) {
        case bus::PollState::ok:
            return true;
        case bus::PollState::gap: {
            const bus::Gap gap = reader.last_gap();
            add_gap(gap.first,
                    std::min(gap.first + gap.count, end),
                    reader.is_last_gap_damage() ? "damaged" : "missing");
            return true;
        }
        case bus::PollState::idle:  // a publisher hasn't finished the next one: in the next run
        case bus::PollState::closed:
            return result.events != 0;
        default:
            return reader.error();
    }
}

void StreamExport::take(const Event& event) {
    if (failure_ || event.sequence() >= end_) return;
    is_inside_batch_ = event.continues_batch();
    if (wants_witness_) part_.witness = Witness{event.sequence(), fingerprint_of(event)};
    if (!wanted_.accept(event)) {
        ++part_.left_out;
        return;
    }
    if (auto added = add_row(event); !added) failure_ = added.error();
}

Result<void> StreamExport::add_row(const Event& event) {
    const EventTables::Place place = tables_.place_of(event);
    auto file = open_file(place.table);
    if (!file) return file.error();
    if (auto added = (*file)->rows->add(event, place.known_bytes); !added) return added;
    if ((*file)->row_count++ == 0) (*file)->first = event.sequence();
    (*file)->last = event.sequence();
    (*file)->times.add(event.publish_time_ns());
    part_bytes_ += event.size_bytes();
    unbounded_bytes_ += event.size_bytes();
    return {};
}

Result<StreamExport::OpenFile*> StreamExport::open_file(std::size_t table) {
    if (table >= files_.size()) files_.resize(table + 1);
    if (files_[table]) return files_[table].get();
    auto made = std::make_unique<OpenFile>();
    made->table = &tables_.table(table);
    auto file = directory_.new_file(made->table->name);
    if (!file) return file.error();
    made->file = std::move(*file);
    made->rows = make_row_writer(*made->table, rows_, *made->file);
    ++open_files_;
    files_[table] = std::move(made);
    return files_[table].get();
}

// The table that holds the most lets go first.
Result<void> StreamExport::bound_memory() {
    constexpr std::uint64_t kLookBytes = std::uint64_t{1} << 20U;
    if (unbounded_bytes_ < kLookBytes) return {};
    unbounded_bytes_ = 0;
    for (;;) {
        std::uint64_t held = 0;
        OpenFile* largest = nullptr;
        for (const auto& file : files_) {
            if (!file) continue;
            held += file->rows->held_bytes();
            if (largest == nullptr || file->rows->held_bytes() > largest->rows->held_bytes())
                largest = file.get();
        }
        if (held <= limits_.held_bytes) return {};
        if (auto let_go = largest->rows->let_go(); !let_go) return let_go;
    }
}

bool StreamExport::is_part_full() const noexcept {
    return part_bytes_ >= limits_.part_bytes || open_files_ >= limits_.part_tables;
}

Result<ExportedFile> StreamExport::finish_file(OpenFile& file, const ExportedPart& part) {
    if (auto finished = file.rows->finish(); !finished) return finished.error();
    if (auto finished = file.file->finish(); !finished) return finished.error();
    ExportedFile done;
    done.name = fmt::format(
        "{}-{:016}-{:016}{}", file.table->name, part.first, part.end, rows_.file_ending());
    done.table = file.table->name;
    done.type = file.table->type;
    done.rows = file.row_count;
    done.bytes = file.file->size_bytes();
    done.xxh3 = file.file->xxh3();
    done.first = file.first;
    done.end = file.last + 1;
    done.times = file.times;
    done.mended_texts = file.rows->mended_texts();
    return done;
}

Result<void> StreamExport::hand_over(Sequence end) {
    if (end <= part_.first) return {};
    part_.end = end;
    // Whatever fails from here on: the part isn't handed over, or the next run goes on with it.
    has_failed_writing_ = true;
    for (const auto& file : files_) {
        if (!file) continue;
        auto finished = finish_file(*file, part_);
        if (!finished) return finished.error();
        part_.files.push_back(std::move(*finished));
    }
    if (auto committed = directory_.commit(part_); !committed) return committed;
    has_failed_writing_ = false;
    count(part_);
    files_.clear();
    open_files_ = 0;
    totals_.event_bytes += part_bytes_;
    part_bytes_ = 0;
    part_ = {};
    part_.first = end;
    return on_part ? on_part(end) : Result<void>();
}

void StreamExport::count(const ExportedPart& part) {
    totals_.rows += part.rows();
    totals_.left_out += part.left_out;
    totals_.missing += part.missing();
    totals_.files += part.files.size();
    for (const ExportedFile& file : part.files) {
        totals_.file_bytes += file.bytes;
        totals_.mended_texts += file.mended_texts;
    }
    totals_.gaps.insert(totals_.gaps.end(), part.gaps.begin(), part.gaps.end());
}

}  // namespace tailrace::tool
