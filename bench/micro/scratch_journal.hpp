// ScratchJournal: a closed journal in memory, in batches of 1024 events of 64 bytes, that begin
// with their numbers; a few sealed segments of 1 MiB. Removed at the end.
#pragma once

#include "event_bytes.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_stream.hpp"

#include <tailrace/journal/writer.hpp>

#include <cstdlib>
#include <string>

namespace tailrace::micro {

class ScratchJournal {
public:
    static constexpr std::uint64_t kBatches = 48;
    static constexpr std::uint64_t kEventsPerBatch = 1024;
    static constexpr std::uint64_t kEvents = kBatches * kEventsPerBatch;

    ScratchJournal() {
        journal::JournalOptions options;
        options.directory = directory();
        options.segment_size_bytes = std::uint64_t{1} << 20U;
        auto writer = test::expect(journal::Writer::open(options), "open the journal");
        for (std::uint64_t batch = 0; batch < kBatches; ++batch)
            write(writer, batch);
        if (!writer.close()) std::abort();
    }

    [[nodiscard]] std::string directory() const { return temporary_.path() + "/journal"; }
    // When the events of that batch were published.
    [[nodiscard]] static std::uint64_t time_ns(std::uint64_t batch) noexcept {
        constexpr std::uint64_t kFirstNs = 1'700'000'000'000'000'000;
        constexpr std::uint64_t kStepNs = 1'000'000;
        return kFirstNs + batch * kStepNs;
    }

private:
    static void write(journal::Writer& writer, std::uint64_t batch) {
        constexpr std::uint32_t kPayloadBytes = 64;
        constexpr std::uint64_t kLongestNs = 10'000'000'000;
        const Sequence first = batch * kEventsPerBatch;
        const EventBytes events(kEventsPerBatch, kPayloadBytes, first);
        journal::Run run;
        run.first_sequence = first;
        run.record_salt = EventBytes::kSalt;
        run.event_count = events.count();
        run.bytes = events.bytes();
        run.first_publish_time_ns = time_ns(batch);
        run.max_publish_time_ns = time_ns(batch);
        if (writer.append(run).status != journal::AppendStatus::taken) std::abort();
        if (!writer.sync(kLongestNs)) std::abort();
    }

    test::TemporaryDirectory temporary_;
};

}  // namespace tailrace::micro
