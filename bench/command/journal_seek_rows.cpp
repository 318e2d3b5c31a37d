// The row `seek`: finding a place in 100 GB of journal.

#include "journal_rows.hpp"
#include "sparse_journal.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/journal/reader.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

namespace tailrace::bench {

namespace {

constexpr std::uint64_t kManySegments = 400;
constexpr std::uint64_t kQuickSegments = 40;
constexpr std::uint64_t kQuickBelowBytes = std::uint64_t{1} << 28U;

enum class Cache : bool { cold, warm };

UniqueFd open_file(const std::string& path) {
    return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

void drop(const std::string& path) {
    const UniqueFd fd = open_file(path);
    if (fd.is_open()) ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
}

// Reads that this process has asked the kernel for so far, without the one that tells it.
std::optional<std::uint64_t> read_calls() {
    const UniqueFd fd = open_file("/proc/self/io");
    std::array<char, 512> text{};
    const ssize_t size = fd.is_open() ? ::read(fd.get(), text.data(), text.size()) : -1;
    if (size <= 0) return std::nullopt;
    const std::string_view whole(text.data(), static_cast<std::size_t>(size));
    constexpr std::string_view kName = "syscr: ";
    const std::size_t at = whole.find(kName);
    std::uint64_t count = 0;
    if (at == std::string_view::npos) return std::nullopt;
    std::from_chars(whole.data() + at + kName.size(), whole.data() + whole.size(), count);
    return count;
}

// One seek and the event behind it, checked. Nanoseconds.
Result<std::uint64_t> seek_once(journal::Reader& reader,
                                const SparseJournal::Place& place,
                                bool by_time) {
    const std::uint64_t begin_ns = monotonic_ns();
    const auto found =
        by_time ? reader.seek_time(place.time_ns) : reader.seek_sequence(place.sequence);
    if (!found) return found.error();
    auto step = reader.next();
    const std::uint64_t end_ns = monotonic_ns();
    if (!step) return step.error();
    const bool is_it = step->kind == journal::ReadKind::event &&
                       step->event->sequence() == place.sequence &&
                       words_match(step->event->payload(), place.sequence);
    if (!is_it) return bench_broken("a seek found another event");
    return end_ns - begin_ns;
}

struct SeekKind {
    bool by_time = false;
    Cache cache = Cache::warm;
    bool is_first = false;  // of its reader
};

struct SeekFigures {
    PercentileRuns journal_ns;
    PercentileRuns raw_ns;
};

class SeekBench {
public:
    explicit SeekBench(const SparseJournal& journal)
        : journal_(journal),
          memory_(std::max<std::uint64_t>(journal.index_bytes(), SparseJournal::kBatchBytes) +
                  journal.catalogue_bytes()) {}

    // One of each place in turns: a seek, and bare reads of the same sizes from open files.
    [[nodiscard]] Result<void> run(SeekKind kind, std::uint64_t round, SeekFigures& figures) {
        Samples journal_ns;
        Samples raw_ns;
        auto reader = journal::Reader::open(journal_.directory());
        if (!reader) return reader.error();
        if (!kind.is_first) {
            if (auto warmed = seek_once(*reader, journal_.place(0, 0), false); !warmed)
                return warmed.error();
        }
        for (std::uint64_t nth = 0; nth < journal_.segments(); ++nth) {
            const auto place = journal_.place(nth * 37 % journal_.segments(), round + nth);
            if (kind.is_first) {
                reader = journal::Reader::open(journal_.directory());
                if (!reader) return reader.error();
            }
            prepare(kind, place);
            auto took_ns = seek_once(*reader, place, kind.by_time);
            if (!took_ns) return took_ns.error();
            journal_ns.add(*took_ns);
            prepare(kind, place);
            auto raw = read_raw(place, kind.is_first);
            if (!raw) return raw.error();
            raw_ns.add(*raw);
        }
        figures.journal_ns.add_ns(journal_ns);
        figures.raw_ns.add_ns(raw_ns);
        return {};
    }

    // The most that any seek asks of the kernel.
    [[nodiscard]] Result<nlohmann::json> count_reads(bool is_first) {
        std::uint64_t most = 0;
        auto reader = journal::Reader::open(journal_.directory());
        for (std::uint64_t nth = 0; nth < 2 * journal_.segments(); ++nth) {
            if (is_first) reader = journal::Reader::open(journal_.directory());
            if (!reader) return reader.error();
            const auto place = journal_.place(nth * 37 % journal_.segments(), nth);
            const auto before = read_calls();
            if (auto found = seek_once(*reader, place, nth % 2 == 1); !found) return found.error();
            const auto after = read_calls();
            if (!before || !after) return nlohmann::json();
            const bool has_read_catalogue = is_first || nth > 0;
            if (has_read_catalogue) most = std::max(most, *after - *before - 1);
        }
        return nlohmann::json(most);
    }

private:
    void prepare(SeekKind kind, const SparseJournal::Place& place) const {
        if (kind.cache == Cache::warm) return;
        drop(place.segment_path);
        drop(place.index_path);
        if (kind.is_first) drop(journal_.catalogue_path());
    }

    [[nodiscard]] Result<std::uint64_t> read_raw(const SparseJournal::Place& place,
                                                 bool with_catalogue) {
        const UniqueFd catalogue = open_file(journal_.catalogue_path());
        const UniqueFd index = open_file(place.index_path);
        const UniqueFd segment = open_file(place.segment_path);
        const auto read = [this](const UniqueFd& fd, std::uint64_t offset, std::uint64_t size) {
            return ::pread(fd.get(), memory_.data(), size, static_cast<off_t>(offset)) ==
                   static_cast<ssize_t>(size);
        };
        const std::uint64_t begin_ns = monotonic_ns();
        const bool is_read = (!with_catalogue || read(catalogue, 0, journal_.catalogue_bytes())) &&
                             read(index, 0, journal_.index_bytes()) &&
                             read(segment, place.batch_offset, SparseJournal::kBatchBytes);
        const std::uint64_t end_ns = monotonic_ns();
        if (!is_read) return bench_broken("a bare read failed");
        return end_ns - begin_ns;
    }

    const SparseJournal& journal_;
    std::vector<std::byte> memory_;
};

}  // namespace

Result<nlohmann::json> measure_seek(const JournalRowContext& context) {
    const std::uint64_t segments =
        context.options.bytes < kQuickBelowBytes ? kQuickSegments : kManySegments;
    auto journal = SparseJournal::make(
        context.options.journal_directory + "/bench-seek-" + std::to_string(::getpid()), segments);
    if (!journal) return journal.error();
    SeekBench bench(*journal);
    nlohmann::json row = {{"segments", segments},
                          {"journal_bytes", segments * SparseJournal::kSegmentBytes},
                          {"catalogue_bytes", journal->catalogue_bytes()},
                          {"index_bytes", journal->index_bytes()},
                          {"batch_bytes", SparseJournal::kBatchBytes}};
    for (const bool is_first : {true, false}) {
        auto reads = bench.count_reads(is_first);
        if (!reads) return reads.error();
        row[is_first ? "reads_first" : "reads_later"] = *reads;
    }
    for (const Cache cache : {Cache::cold, Cache::warm}) {
        for (const bool is_first : {true, false}) {
            for (const bool by_time : {false, true}) {
                SeekFigures figures;
                for (std::uint32_t run = 0; run < context.options.runs; ++run) {
                    auto done = bench.run({by_time, cache, is_first}, run, figures);
                    if (!done) return done.error();
                }
                const std::string name = std::string(cache == Cache::cold ? "cold" : "cached") +
                                         (is_first ? "_first" : "_later") +
                                         (by_time ? "_time" : "_sequence");
                row[name + "_ns"] = figures.journal_ns.json();
                row[name + "_raw_ns"] = figures.raw_ns.json();
                row[name + "_ratio"] = {
                    {"p50", ratio_json(figures.journal_ns.p50_ns(), figures.raw_ns.p50_ns())},
                    {"p99", ratio_json(figures.journal_ns.p99_ns(), figures.raw_ns.p99_ns())}};
            }
        }
    }
    return row;
}

}  // namespace tailrace::bench
