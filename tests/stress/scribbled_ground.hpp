// ScribbledGround: the bytes of a stream as one process can reach and damage them, by a seed, and
// mend them again. One thread; whoever else uses the stream goes on meanwhile.
#pragma once

#include "support/seeded_random.hpp"

#include <tailrace/base/checksum.hpp>
#include <tailrace/bus/layout.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/bus/tail_word.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace tailrace::bus {

[[nodiscard]] inline std::uint64_t read_word(const std::byte* from) noexcept {
    const std::atomic_ref<std::uint64_t> word(
        *reinterpret_cast<std::uint64_t*>(const_cast<std::byte*>(from)));
    return word.load(std::memory_order_relaxed);  // anybody may be writing it
}

inline void write_word(std::byte* to, std::uint64_t value) noexcept {
    const std::atomic_ref<std::uint64_t> word(*reinterpret_cast<std::uint64_t*>(to));
    word.store(value, std::memory_order_relaxed);  // anybody may be reading it
}

// A number that may lead somebody astray: near what is true, near a power of two, or any.
[[nodiscard]] inline std::uint64_t bad_number(test::SeededRandom& random, std::uint64_t near) {
    switch (random.below(4)) {
        case 0:
            return near + random.below(256) * 16;
        case 1:
            return near - random.below(256) * 16;
        case 2:
            return (std::uint64_t{1} << random.below(64)) - random.below(3);
        default:
            return random.next();
    }
}

// The bytes of a stream, and what `control` held when nobody had used it yet.
class ScribbledGround {
public:
    explicit ScribbledGround(const Region& region) : region_(region) {
        for (std::uint64_t at = 0; at < region.header().control_size_bytes; at += 8)
            before_.push_back(read_word(control(at)));
    }

    [[nodiscard]] std::byte* control(std::uint64_t offset) const noexcept {
        return reinterpret_cast<std::byte*>(&region_.state()) - kStateOffset + offset;
    }

    // So that the next damage meets readers that read: most ends all reading.
    void mend() const noexcept {
        for (std::size_t word = 0; word < before_.size(); ++word)
            write_word(control(word * 8), before_[word]);
    }

    // What names no stream any more, or one with other fields: with a checksum that fits these.
    void scribble_on_header(test::SeededRandom& random) const {
        // A stream with a journal would have its readers look for what that has, for seconds.
        constexpr std::uint64_t kBegin = offsetof(StreamHeader, journal_directory) / 8;
        constexpr std::uint64_t kEnd = offsetof(StreamHeader, mode) / 8;
        const std::uint64_t nth = random.below(sizeof(StreamHeader) / 8 - (kEnd - kBegin));
        const std::uint64_t word = nth < kBegin ? nth : nth + kEnd - kBegin;
        write_word(control(word * 8), bad_number(random, before_[word]));
        if (random.one_in(3)) return;
        std::array<std::byte, sizeof(StreamHeader)> header{};
        for (std::size_t at = 0; at < header.size(); at += 8) {
            const std::uint64_t value = read_word(control(at));
            std::memcpy(header.data() + at, &value, sizeof(value));
        }
        constexpr std::size_t kFrom = offsetof(StreamHeader, control_size_bytes);
        write_word(control(offsetof(StreamHeader, header_checksum)),
                   checksum64(std::span(header).subspan(kFrom), 0));
    }

    // One piece of damage. The words that end a stream (`life`) and the journal's board stay as
    // they are: a removed stream or a durable sequence far away are no damage but orders.
    void scribble(test::SeededRandom& random) const {
        StreamState& state = region_.state();
        const std::uint64_t limit = state.write_limit.load();
        const std::uint64_t sequence = region_.tail().sequence;
        const auto number = [&] {
            return bad_number(random, random.one_in(2) ? limit : sequence);
        };
        const auto write_in = [&](void* table, std::uint64_t size_bytes) {
            write_word(static_cast<std::byte*>(table) + random.below(size_bytes / 8) * 8, number());
        };
        const auto slot = static_cast<std::uint32_t>(random.below(8));
        switch (random.below(10)) {
            case 0: {  // an event that counts, of any size
                const std::uint64_t position = bad_number(random, limit) / 16 * 16;
                std::byte* const record = region_.event_at(position);
                write_word(record + 8, random.next() >> random.below(64));
                write_word(record, bad_number(random, sequence) ^ region_.header().salt);
                break;
            }
            case 1:
                write_in(region_.event_at(0), region_.capacity_bytes());
                break;
            case 2:
                state.tail.store(random.one_in(2) ? random.next()
                                                  : pack_tail({bad_number(random, sequence),
                                                               bad_number(random, limit)}));
                break;
            case 3:
                (random.one_in(2) ? state.write_limit : state.reference_sequence).store(number());
                break;
            case 4:
                write_in(&region_.publisher_slot(slot), sizeof(PublisherSlot));
                break;
            case 5:
                state.checkpoints[random.below(kCheckpointCount)].store(
                    bad_number(random, sequence));
                break;
            case 6:
                write_in(&region_.subscriber_slot(slot), sizeof(SubscriberSlot));
                break;
            case 7:
                write_in(&region_.latency_histogram(slot), sizeof(LatencyHistogram));
                break;
            case 8:
                // Rarely: nobody can attach until it is mended.
                if (random.one_in(4)) scribble_on_header(random);
                break;
            default:
                if (random.one_in(2)) {
                    write_in(&state.subscribers_wait, 2 * sizeof(std::uint64_t));
                } else {
                    write_in(&state.registry, sizeof(RegistryStatistics));
                }
        }
    }

private:
    const Region& region_;
    std::vector<std::uint64_t> before_;
};

}  // namespace tailrace::bus
