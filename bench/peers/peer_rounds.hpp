// The rounds: every row by every peer, one after the other, and then all of them again, so that a
// slow minute of the machine hits each of them.
#pragma once

#include "carrier.hpp"
#include "store.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace tailrace::bench {

struct PeerOptions {
    std::string directory;           // on the device to measure
    std::vector<std::string> peers;  // parts of names; empty: all
    std::vector<std::uint32_t> carried_bytes = {32, 256, 4096, 65536};
    std::vector<std::uint32_t> stored_bytes = {64, 256};
    std::uint32_t rounds = 5;
    bool quick = false;  // shows that it runs; the figures mean nothing
};

// All that were there at configure time.
[[nodiscard]] std::vector<CarrierPeer> carrier_peers();
[[nodiscard]] std::vector<StorePeer> store_peers();

// {"bench": "peers", "machine", "rounds", "carriers": [{"peer", "version", "setting", "size_bytes",
// "messages_per_s", "round_trip_p50_ns", "round_trip_p99_ns", "round_trip_mean_ns", "floor_rtt_ns",
// "error"}], "stores": [{…, "ack_p50_ns", "ack_p99_ns", "events_per_s"}]}; figures are {"min",
// "median", "max"} over the rounds. `error` is null, or why a peer has no figures.
[[nodiscard]] nlohmann::json run_peers(const PeerOptions& options);

// The same as text for people; the best of each column is marked.
[[nodiscard]] std::string peers_table(const nlohmann::json& report);

}  // namespace tailrace::bench
