#include "journal_rows.hpp"
#include "machine.hpp"
#include "scratch_directory.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/journal/inspect.hpp>
#include <tailrace/journal/reader.hpp>
#include <tailrace/journal/verify.hpp>
#include <tailrace/journal/writer.hpp>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

namespace tailrace::bench {

namespace {

constexpr std::uint32_t kReadPayloadBytes = 64;  // payload

// Events as they stand in a ring, `count` of them from `first`.
void make_events(std::vector<std::byte>& bytes, Sequence first, std::uint64_t count) {
    constexpr std::uint64_t kEvent = sizeof(EventHeader) + kReadPayloadBytes;
    bytes.resize(count * kEvent);
    for (std::uint64_t nth = 0; nth < count; ++nth) {
        std::byte* const at = bytes.data() + nth * kEvent;
        const EventHeader header{stamp_of(first + nth, 1), kReadPayloadBytes, 0, 0, 0};
        std::memcpy(at, &header, sizeof(header));
        fill_words({at + sizeof(header), kReadPayloadBytes}, first + nth);
    }
}

// Writes about `bytes` of events into a journal of one segment, durable.
Result<Sequence> fill_journal(journal::Writer& writer, std::uint64_t bytes) {
    constexpr std::uint64_t kRunEvents = 8192;
    std::vector<std::byte> events;
    Sequence next = writer.next_sequence();
    for (std::uint64_t done = 0; done < bytes; done += events.size()) {
        make_events(events, next, kRunEvents);
        journal::Run run{next, kRunEvents, events, 1, 1, 1};
        while (run.event_count > 0) {
            const auto taken = writer.append(run);
            run.first_sequence += taken.event_count;
            run.event_count -= taken.event_count;
            run.bytes = run.bytes.subspan(taken.size_bytes);
            if (taken.status == journal::AppendStatus::full) {
                writer.drive(1'000'000);
            } else if (taken.status != journal::AppendStatus::taken) {
                return bench_broken("the writer refused an event");
            }
        }
        writer.drive(0);
        next += kRunEvents;
    }
    if (auto durable = writer.sync(kStallMs * 1'000'000); !durable) return durable.error();
    return next;
}

Result<journal::Writer> open_journal(const std::string& directory, std::uint64_t segment_bytes) {
    journal::JournalOptions options;
    options.directory = directory;
    options.segment_size_bytes = segment_bytes;
    return journal::Writer::open(options);
}

void drop_cache(const std::string& directory) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
        const UniqueFd fd(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
        if (fd.is_open()) ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
    }
}

std::vector<std::string> segment_paths(const std::string& directory) {
    std::vector<std::string> paths;
    auto summary = journal::inspect(directory);
    if (!summary) return paths;
    for (const journal::SegmentSummary& segment : summary->segments)
        paths.push_back(segment.path);
    return paths;
}

// A writer that is killed when its segment is nearly full.
Result<void> die_writing(const std::string& directory, std::uint64_t segment_bytes) {
    BenchChild child([&] {
        auto writer = open_journal(directory, segment_bytes);
        if (!writer) return 1;
        if (auto filled = fill_journal(*writer, segment_bytes / 100 * 96); !filled) return 1;
        return ::kill(::getpid(), SIGKILL);
    });
    if (child.join()) return bench_broken("the writer was not killed");
    return {};
}

// A replay of a fast device goes past the cache: something else has read the files before.
Result<void> fill_cache(const std::vector<std::string>& paths) {
    std::vector<char> block(std::size_t{1} << 20U);
    for (const std::string& path : paths) {
        const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        if (!fd.is_open()) return os_error(errno, "cannot open '" + path + "'");
        while (::read(fd.get(), block.data(), block.size()) > 0) {
        }
    }
    return {};
}

struct ReadPass {
    double seconds = 0;
    std::uint64_t events = 0;
    std::uint64_t bytes = 0;  // of batches' bodies
};

Result<ReadPass> replay(const std::string& directory) {
    ReadPass pass;
    const std::uint64_t begin_ns = monotonic_ns();
    auto reader = journal::Reader::open(directory);
    if (!reader) return reader.error();
    for (;;) {
        auto step = reader->next_batch();
        if (!step) return step.error();
        if (step->kind != journal::ReadKind::event) break;
        for (const Event& event : step->batch) {
            if (!words_match(event.payload(), event.sequence()))
                return bench_broken("the journal holds other bytes");
        }
        pass.events += step->batch.event_count;
        pass.bytes += step->batch.bytes.size();
    }
    pass.seconds = static_cast<double>(monotonic_ns() - begin_ns) / 1e9;
    return pass;
}

// Seconds. As many threads as `tailrace verify` takes, but never more than segments.
Result<double> verify(const std::string& directory) {
    const std::uint64_t begin_ns = monotonic_ns();
    unpin();
    auto report = journal::verify(directory);
    pin_to_core(0);
    if (!report) return report.error();
    if (!report->findings.empty()) return bench_broken("the journal is damaged");
    return static_cast<double>(monotonic_ns() - begin_ns) / 1e9;
}

}  // namespace

Result<nlohmann::json> measure_recovery(const JournalRowContext& context) {
    // What is promised is promised for such a segment, whatever the others are.
    constexpr std::uint64_t kSegmentBytes = std::uint64_t{256} << 20U;
    const std::uint64_t segment_bytes = kSegmentBytes;
    std::vector<double> device_ms;
    std::vector<double> recovery_ms;
    std::vector<double> beyond_ms;
    std::vector<double> clean_ms;
    for (std::uint32_t run = 0; run < context.options.runs; ++run) {
        const ScratchDirectory directory(context.options.journal_directory, "read");
        if (auto died = die_writing(directory.path(), segment_bytes); !died) return died.error();
        auto read =
            context.device.read_files(segment_paths(directory.path()), RawDevice::Pages::huge);
        if (!read) return read.error();
        device_ms.push_back(static_cast<double>(segment_bytes) * 1e3 / *read);
        drop_cache(directory.path());
        for (auto* const times : {&recovery_ms, &clean_ms}) {
            const std::uint64_t begin_ns = monotonic_ns();
            auto writer = open_journal(directory.path(), segment_bytes);
            if (!writer) return writer.error();
            times->push_back(static_cast<double>(monotonic_ns() - begin_ns) / 1e6);
            if (auto closed = writer->close(); !closed) return closed.error();
        }
        beyond_ms.push_back(recovery_ms.back() - device_ms.back());
        auto events = read_back(directory.path());
        if (!events) return events.error();
        if (*events < segment_bytes / 100 * 90 / (sizeof(EventHeader) + kReadPayloadBytes))
            return bench_broken("recovery lost events");
    }
    return nlohmann::json{{"segment_size_bytes", segment_bytes},
                          {"recovery_ms", spread_json(recovery_ms)},
                          {"device_read_ms", spread_json(device_ms)},
                          {"beyond_device_ms", spread_json(beyond_ms)},
                          {"clean_open_ms", spread_json(clean_ms)}};
}

Result<nlohmann::json> measure_replay(const JournalRowContext& context) {
    const ScratchDirectory directory(context.options.journal_directory, "read");
    {
        auto writer = open_journal(directory.path(), context.options.segment_size_bytes);
        if (!writer) return writer.error();
        if (auto filled = fill_journal(*writer, context.options.bytes / 2); !filled)
            return filled.error();
        if (auto closed = writer->close(); !closed) return closed.error();
    }
    const std::vector<std::string> segments = segment_paths(directory.path());
    std::vector<double> device_rates;
    std::vector<double> device_huge_rates;
    std::vector<double> cold_rates;
    std::vector<double> verify_rates;
    std::vector<double> cached_events;
    for (std::uint32_t run = 0; run < context.options.runs; ++run) {
        auto device = context.device.read_files(segments);
        if (!device) return device.error();
        auto huge = context.device.read_files(segments, RawDevice::Pages::huge);
        if (!huge) return huge.error();
        device_huge_rates.push_back(*huge);
        drop_cache(directory.path());
        auto cold = replay(directory.path());
        if (!cold) return cold.error();
        drop_cache(directory.path());
        auto verified = verify(directory.path());
        if (!verified) return verified.error();
        if (auto filled = fill_cache(segments); !filled) return filled.error();
        auto cached = replay(directory.path());
        if (!cached) return cached.error();
        device_rates.push_back(*device);
        cold_rates.push_back(static_cast<double>(cold->bytes) / cold->seconds);
        verify_rates.push_back(static_cast<double>(cold->bytes) / *verified);
        cached_events.push_back(static_cast<double>(cached->events) / cached->seconds);
    }
    return nlohmann::json{{"size_bytes", kReadPayloadBytes},
                          {"cold_bytes_per_s", spread_json(cold_rates)},
                          {"verify_bytes_per_s", spread_json(verify_rates)},
                          {"device_read_bytes_per_s", spread_json(device_rates)},
                          {"device_huge_read_bytes_per_s", spread_json(device_huge_rates)},
                          {"ratio", ratio_json(cold_rates, device_rates)},
                          {"ratio_huge", ratio_json(cold_rates, device_huge_rates)},
                          {"verify_ratio_huge", ratio_json(verify_rates, device_huge_rates)},
                          {"cached_events_per_s", spread_json(cached_events)}};
}

}  // namespace tailrace::bench
