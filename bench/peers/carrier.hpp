// Carrier: one way to bring messages from one process of this host to another, as one peer does it.
//
// A carrier is a type with these members; measure_one_way and measure_round_trip (carrier_run.hpp)
// do the rest, so that every peer is measured by the same loops, inlined:
//
//     static Result<Carrier> make(const CarrierRun&, channels)   before the forks: names, queues
//     Result<Sender> open_sender(channel)                        in the process that sends
//     Result<Receiver> open_receiver(channel)                    in the process that receives
//     Sender::send(size_bytes, fill(span)) -> bool               waits for room; false: it broke
//     Receiver::receive(handler(span)) -> std::ptrdiff_t         messages handed over, 0: none is
//                                                                there, negative: it broke
//
// Receivers look, and look again: whoever has a core of its own for each process is served fastest
// so, whatever the peer.
#pragma once

#include <tailrace/base/result.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tailrace::bench {

struct CarrierRun {
    std::string directory;  // for sockets and streams; it exists
    std::uint32_t size_bytes = 64;
    std::uint64_t warm_ns = 200'000'000;
    std::uint64_t run_ns = 1'000'000'000;
};

struct TripTimes {
    double p50_ns;
    double p99_ns;
    double mean_ns;
};

// A peer that carries: what the table says of it, and how it is measured.
struct CarrierPeer {
    std::string name;
    std::string version;
    std::string setting;
    std::uint32_t most_bytes;                                  // it carries no larger message
    std::function<Result<double>(const CarrierRun&)> one_way;  // messages a second
    std::function<Result<TripTimes>(const CarrierRun&)> round_trip;
};

// Each in its own file. Those whose library isn't there at configure time are absent.
[[nodiscard]] std::vector<CarrierPeer> ring_carriers();
[[nodiscard]] CarrierPeer message_queue_carrier();
[[nodiscard]] CarrierPeer pipe_carrier();
[[nodiscard]] CarrierPeer seqpacket_carrier();
[[nodiscard]] CarrierPeer zeromq_carrier();
[[nodiscard]] CarrierPeer nng_carrier();
[[nodiscard]] CarrierPeer iceoryx_carrier();

// Of the kernel that runs: what pipes, sockets and files are as new as.
[[nodiscard]] std::string kernel_release();

}  // namespace tailrace::bench
