// One carrier between two processes on two cores: messages a second one way, and round trips.
//
//     one way:     sender (core 0) ---> receiver (core 1)
//     round trip:  asker  (core 0) ---> echo (core 1) ---> asker
//
// Every byte is written from the message's number, and compared. A run lasts a given time, then the
// sender sends a last message with the number kLastNumber. The rate counts the messages sent after
// the warm-up, from the first of them to the receipt of the last message of all.
#pragma once

#include "carrier.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/wait.hpp>

#include <atomic>
#include <bench_runs.hpp>
#include <cstring>
#include <machine.hpp>
#include <samples.hpp>
#include <span>

namespace tailrace::bench {

inline constexpr std::uint64_t kLastNumber = ~std::uint64_t{0} >> 1U;

struct CarrierStage {
    std::atomic<std::uint32_t> sides;  // that have come to the place where they meet
    std::uint64_t begin_ns;            // of what counts
    std::uint64_t end_ns;
    std::uint64_t counted;
    std::uint64_t sent;
    std::uint64_t received;
    std::uint64_t differing;
    TripTimes trips;
};

// Says that one side has come, and waits until `sides` have. Both come when the receivers are open,
// when the senders are, and behind the last message: what one side sent may go with its process.
void meet(CarrierStage& stage, std::uint32_t sides);
// What an error says goes to stderr; 1, for the child's exit code.
[[nodiscard]] int say_why(const Error& error);
// Waits until both have ended well. An error when one failed, or when they take far longer than the
// run should; they are killed then.
[[nodiscard]] Result<void> join_both(BenchChild& one, BenchChild& other, const CarrierRun& run);

template <typename Sender>
int send_for_a_while(Sender& sender, CarrierStage& stage, const CarrierRun& run) {
    constexpr std::uint64_t kPerLook = 64;
    std::uint64_t number = 0;
    const auto send_until = [&](std::uint64_t end_ns) {
        do {
            for (std::uint64_t k = 0; k < kPerLook; ++k, ++number) {
                const bool sent = sender.send(run.size_bytes, [&](std::span<std::byte> payload) {
                    fill_words(payload, number);
                });
                if (!sent) return false;
            }
        } while (monotonic_ns() < end_ns);
        return true;
    };
    if (!send_until(monotonic_ns() + run.warm_ns)) return 1;
    const std::uint64_t warm = number;
    stage.begin_ns = monotonic_ns();
    if (!send_until(stage.begin_ns + run.run_ns)) return 1;
    stage.counted = number - warm;
    stage.sent = number;
    const bool said = sender.send(
        run.size_bytes, [](std::span<std::byte> payload) { fill_words(payload, kLastNumber); });
    return said ? 0 : 1;
}

template <typename Receiver>
int receive_to_the_last(Receiver& receiver, CarrierStage& stage, const CarrierRun& run) {
    std::uint64_t next = 0;
    std::uint64_t differing = 0;
    bool last = false;
    while (!last) {
        const std::ptrdiff_t got = receiver.receive([&](std::span<const std::byte> payload) {
            if (payload.size() == run.size_bytes && words_match(payload, next)) {
                ++next;
                return;
            }
            last = payload.size() == run.size_bytes && words_match(payload, kLastNumber);
            if (last) return;
            ++differing;
            ++next;
        });
        if (got < 0) return 1;
        if (got == 0) bus::cpu_relax();
    }
    stage.end_ns = monotonic_ns();
    stage.received = next;
    stage.differing = differing;
    return 0;
}

template <typename Carrier>
[[nodiscard]] Result<double> measure_one_way(const CarrierRun& run) {
    auto carrier = Carrier::make(run, 1);
    if (!carrier) return carrier.error();
    SharedPage<CarrierStage> stage;
    BenchChild receiving([&] {
        pin_to_core(1);
        auto receiver = carrier->open_receiver(0);
        if (!receiver) return say_why(receiver.error());
        meet(*stage, 2);
        meet(*stage, 4);
        if (const int status = receive_to_the_last(*receiver, *stage, run); status != 0)
            return status;
        meet(*stage, 6);
        return 0;
    });
    BenchChild sending([&] {
        pin_to_core(0);
        // It finds the receiver there: some peers refuse to send to nobody.
        meet(*stage, 2);
        auto sender = carrier->open_sender(0);
        if (!sender) return say_why(sender.error());
        meet(*stage, 4);
        if (const int status = send_for_a_while(*sender, *stage, run); status != 0) return status;
        meet(*stage, 6);
        return 0;
    });
    if (auto ended = join_both(sending, receiving, run); !ended) return ended.error();
    if (stage->differing != 0) return bench_broken("a message arrived changed or out of order");
    if (stage->received != stage->sent) return bench_broken("messages are missing");
    return static_cast<double>(stage->counted) * 1e9 /
           static_cast<double>(stage->end_ns - stage->begin_ns);
}

// Waits for messages, looking: how many were handed over, negative: it broke.
template <typename Receiver, typename Handler>
[[nodiscard]] std::ptrdiff_t receive_some(Receiver& receiver, Handler&& handler) {
    for (;;) {
        const std::ptrdiff_t got = receiver.receive(handler);
        if (got != 0) return got;
        bus::cpu_relax();
    }
}

template <typename Sender, typename Receiver>
int ask(Sender& sender, Receiver& receiver, CarrierStage& stage, const CarrierRun& run) {
    Samples samples;
    std::uint64_t number = 0;
    std::uint64_t sum = 0;
    const std::uint64_t begin_ns = monotonic_ns() + run.warm_ns;
    const std::uint64_t end_ns = begin_ns + run.run_ns;
    std::uint64_t before = read_ticks();
    std::uint64_t now_ns = 0;
    for (bool last = false; !last; ++number) {
        if (number % 64 == 0) now_ns = monotonic_ns();
        last = now_ns >= end_ns;
        const std::uint64_t asked = last ? kLastNumber : number;
        bool same = false;
        const bool sent = sender.send(
            run.size_bytes, [&](std::span<std::byte> payload) { fill_words(payload, asked); });
        if (!sent) return 1;
        const std::ptrdiff_t back = receive_some(receiver, [&](std::span<const std::byte> payload) {
            same = payload.size() == run.size_bytes && words_match(payload, asked);
        });
        if (back != 1) return 1;
        if (!same) ++stage.differing;
        const std::uint64_t now = read_ticks();
        if (now_ns >= begin_ns) {
            samples.add(now - before);
            sum += now - before;
        }
        before = now;
    }
    samples.sort();
    const double tick_ns = ns_per_tick();
    stage.trips = {samples.percentile_ns(0.5, tick_ns),
                   samples.percentile_ns(0.99, tick_ns),
                   static_cast<double>(sum) * tick_ns / static_cast<double>(samples.count())};
    return 0;
}

template <typename Sender, typename Receiver>
int answer(Sender& sender, Receiver& receiver, const CarrierRun& run) {
    bool last = false;
    bool sent = true;
    while (!last && sent) {
        // It may be more than one: the next question can follow an answer before receive() returns.
        const std::ptrdiff_t got = receive_some(receiver, [&](std::span<const std::byte> asked) {
            last = words_match(asked, kLastNumber);
            sent = sent && sender.send(run.size_bytes, [&](std::span<std::byte> payload) {
                std::memcpy(payload.data(), asked.data(), asked.size());
            });
        });
        if (got < 0) return 1;
    }
    if (!sent) return 1;
    return 0;
}

template <typename Carrier>
[[nodiscard]] Result<TripTimes> measure_round_trip(const CarrierRun& run) {
    auto carrier = Carrier::make(run, 2);
    if (!carrier) return carrier.error();
    static_cast<void>(ns_per_tick());
    SharedPage<CarrierStage> stage;
    // Each opens what it reads from first: the other one's sender finds it there.
    const auto side = [&](int core, std::uint32_t reads, std::uint32_t writes, auto&& work) {
        pin_to_core(core);
        auto receiver = carrier->open_receiver(reads);
        if (!receiver) return say_why(receiver.error());
        meet(*stage, 2);
        auto sender = carrier->open_sender(writes);
        if (!sender) return say_why(sender.error());
        meet(*stage, 4);
        if (const int status = work(*sender, *receiver); status != 0) return status;
        meet(*stage, 6);
        return 0;
    };
    BenchChild answering([&] {
        return side(
            1, 0, 1, [&](auto& sender, auto& receiver) { return answer(sender, receiver, run); });
    });
    BenchChild asking([&] {
        return side(0, 1, 0, [&](auto& sender, auto& receiver) {
            return ask(sender, receiver, *stage, run);
        });
    });
    if (auto ended = join_both(asking, answering, run); !ended) return ended.error();
    if (stage->differing != 0) return bench_broken("a message came back changed");
    return stage->trips;
}

}  // namespace tailrace::bench
