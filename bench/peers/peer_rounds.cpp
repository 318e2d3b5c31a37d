#include "peer_rounds.hpp"

#include "store_run.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <floor.hpp>
#include <fmt/format.h>
#include <map>
#include <scratch_directory.hpp>

namespace tailrace::bench {

namespace {

// What the rounds found of one peer at one size.
struct PeerFigures {
    std::map<std::string, std::vector<double>> values;
    std::string error;
};

nlohmann::json figures_json(const PeerFigures& figures) {
    nlohmann::json row = {{"error", nullptr}};
    if (!figures.error.empty()) row["error"] = figures.error;
    for (const auto& [name, values] : figures.values) {
        const Spread spread = spread_of(values);
        row[name] = {{"min", spread.min}, {"median", spread.median}, {"max", spread.max}};
    }
    return row;
}

bool is_wanted(const PeerOptions& options, const std::string& name) {
    return options.peers.empty() ||
           std::any_of(options.peers.begin(), options.peers.end(), [&](const std::string& part) {
               return name.find(part) != std::string::npos;
           });
}

// What a peer leaves behind (sockets, databases, threads) goes with its directory and its process.
class PeerPlace {
public:
    explicit PeerPlace(const std::string& parent) : scratch_(parent, "peers") {
        scratch_.clear();
        std::filesystem::create_directories(scratch_.path() + "/bus");
    }
    [[nodiscard]] const std::string& path() const noexcept { return scratch_.path(); }
    [[nodiscard]] std::string bus() const { return scratch_.path() + "/bus"; }

private:
    ScratchDirectory scratch_;
};

// Rings and sockets live in memory, whatever the device.
constexpr const char* kMemory = "/dev/shm";

void measure_carrier(const CarrierPeer& peer,
                     std::uint32_t size_bytes,
                     const PeerOptions& options,
                     PeerFigures& figures) {
    const PeerPlace place(kMemory);
    CarrierRun run{place.path(), size_bytes, 300'000'000, 500'000'000};
    if (options.quick) run.warm_ns = run.run_ns = 5'000'000;
    const double floor_ns = options.quick ? 0 : measure_floor_ns();
    unpin();
    std::fprintf(stderr, "  %s, %u bytes\n", peer.name.c_str(), size_bytes);
    auto rate = peer.one_way(run);
    if (!rate) {
        figures.error = rate.error().message;
        return;
    }
    const PeerPlace other_place(kMemory);
    auto trips = peer.round_trip(run);
    if (!trips) {
        figures.error = trips.error().message;
        return;
    }
    figures.values["messages_per_s"].push_back(*rate);
    figures.values["round_trip_p50_ns"].push_back(trips->p50_ns);
    figures.values["round_trip_p99_ns"].push_back(trips->p99_ns);
    figures.values["round_trip_mean_ns"].push_back(trips->mean_ns);
    figures.values["floor_rtt_ns"].push_back(floor_ns);
}

struct StoreStage {
    StoreTimes times;
    char error[256];
};

void measure_store_peer(const StorePeer& peer,
                        std::uint32_t size_bytes,
                        const PeerOptions& options,
                        PeerFigures& figures) {
    const PeerPlace place(options.directory);
    const PeerPlace memory(kMemory);
    StoreRun run{place.path(), memory.bus(), size_bytes, 500, 200};
    if (options.quick) run.one_by_one = run.batches = 2;
    std::fprintf(stderr, "  %s, %u bytes\n", peer.name.c_str(), size_bytes);
    static_cast<void>(ns_per_tick());
    SharedPage<StoreStage> stage;
    BenchChild child([&] {
        auto times = peer.measure(run);
        if (times) {
            stage->times = *times;
            return 0;
        }
        const std::string& message = times.error().message;
        std::copy_n(
            message.data(), std::min(message.size(), sizeof(stage->error) - 1), &stage->error[0]);
        return 1;
    });
    if (!child.join()) {
        figures.error = stage->error[0] != 0 ? &stage->error[0] : "its process ended";
        return;
    }
    figures.values["ack_p50_ns"].push_back(stage->times.p50_ns);
    figures.values["ack_p99_ns"].push_back(stage->times.p99_ns);
    figures.values["events_per_s"].push_back(stage->times.events_per_s);
}

template <typename Peer>
nlohmann::json rows_json(const std::vector<Peer>& peers,
                         const std::vector<std::uint32_t>& sizes,
                         const std::vector<std::vector<PeerFigures>>& found) {
    nlohmann::json rows = nlohmann::json::array();
    for (std::size_t size = 0; size < sizes.size(); ++size) {
        for (std::size_t peer = 0; peer < peers.size(); ++peer) {
            nlohmann::json row = figures_json(found[size][peer]);
            row["peer"] = peers[peer].name;
            row["version"] = peers[peer].version;
            row["setting"] = peers[peer].setting;
            row["size_bytes"] = sizes[size];
            rows.push_back(std::move(row));
        }
    }
    return rows;
}

template <typename Peer>
std::vector<Peer> wanted_of(std::vector<Peer> peers, const PeerOptions& options) {
    peers.erase(std::remove_if(peers.begin(),
                               peers.end(),
                               [&](const Peer& peer) { return !is_wanted(options, peer.name); }),
                peers.end());
    return peers;
}

// "12.3 (11.8–12.9)", in units of `unit`.
std::string figure_text(const nlohmann::json& row, const char* name, double unit) {
    if (!row.contains(name)) return "-";
    const auto in_units = [&](const char* which) {
        return row[name][which].get<double>() / unit;
    };
    const double median = in_units("median");
    const int digits = median < 10 ? 2 : median < 100 ? 1 : 0;
    return fmt::format("{:.{}f} ({:.{}f}–{:.{}f})",
                       median,
                       digits,
                       in_units("min"),
                       digits,
                       in_units("max"),
                       digits);
}

}  // namespace

nlohmann::json run_peers(const PeerOptions& options) {
    const auto carriers = wanted_of(carrier_peers(), options);
    const auto stores = wanted_of(store_peers(), options);
    std::vector<std::vector<PeerFigures>> carried(options.carried_bytes.size(),
                                                  std::vector<PeerFigures>(carriers.size()));
    std::vector<std::vector<PeerFigures>> stored(options.stored_bytes.size(),
                                                 std::vector<PeerFigures>(stores.size()));
    for (std::uint32_t round = 0; round < options.rounds; ++round) {
        std::fprintf(stderr, "round %u of %u\n", round + 1, options.rounds);
        for (std::size_t size = 0; size < options.carried_bytes.size(); ++size) {
            for (std::size_t peer = 0; peer < carriers.size(); ++peer) {
                if (!carried[size][peer].error.empty()) continue;
                measure_carrier(
                    carriers[peer], options.carried_bytes[size], options, carried[size][peer]);
            }
        }
        for (std::size_t size = 0; size < options.stored_bytes.size(); ++size) {
            for (std::size_t peer = 0; peer < stores.size(); ++peer) {
                if (!stored[size][peer].error.empty()) continue;
                measure_store_peer(
                    stores[peer], options.stored_bytes[size], options, stored[size][peer]);
            }
        }
    }
    return {{"bench", "peers"},
            {"machine", machine_description()},
            {"rounds", options.rounds},
            {"quick", options.quick},
            {"verified", true},
            {"carriers", rows_json(carriers, options.carried_bytes, carried)},
            {"stores", rows_json(stores, options.stored_bytes, stored)}};
}

std::string peers_table(const nlohmann::json& report) {
    std::string text = fmt::format("{}; {} rounds in turns, median (min–max), content compared\n",
                                   report["machine"].get<std::string>(),
                                   report["rounds"].get<int>());
    constexpr double kMillion = 1e6;
    constexpr double kThousand = 1e3;
    std::uint32_t size_bytes = 0;
    const auto heading = [&](const nlohmann::json& row, const char* columns) {
        if (row["size_bytes"] == size_bytes) return;
        size_bytes = row["size_bytes"].get<std::uint32_t>();
        text += fmt::format("\n{:<26} {}\n", fmt::format("{} bytes", size_bytes), columns);
    };
    for (const nlohmann::json& row : report["carriers"]) {
        heading(row,
                "million/s one way       round trip p50 ns       p99 ns                  floor ns");
        if (!row["error"].is_null()) {
            text += fmt::format(
                "{:<26} {}\n", row["peer"].get<std::string>(), row["error"].get<std::string>());
            continue;
        }
        text += fmt::format("{:<26} {:<23} {:<23} {:<23} {}\n",
                            row["peer"].get<std::string>(),
                            figure_text(row, "messages_per_s", kMillion),
                            figure_text(row, "round_trip_p50_ns", 1),
                            figure_text(row, "round_trip_p99_ns", 1),
                            figure_text(row, "floor_rtt_ns", 1));
    }
    size_bytes = 0;
    for (const nlohmann::json& row : report["stores"]) {
        heading(row, "thousand durable/s      acknowledge p50 us      p99 us");
        if (!row["error"].is_null()) {
            text += fmt::format(
                "{:<26} {}\n", row["peer"].get<std::string>(), row["error"].get<std::string>());
            continue;
        }
        text += fmt::format("{:<26} {:<23} {:<23} {}\n",
                            row["peer"].get<std::string>(),
                            figure_text(row, "events_per_s", kThousand),
                            figure_text(row, "ack_p50_ns", kThousand),
                            figure_text(row, "ack_p99_ns", kThousand));
    }
    return text;
}

}  // namespace tailrace::bench
