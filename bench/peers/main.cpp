// peers: Tailrace beside what its users use today, in one run, in turns, contents compared.
#include "peer_rounds.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>

int main(int argc, char** argv) {
    using namespace tailrace::bench;
    PeerOptions options;
    std::string json_path;
    bool list = false;
    CLI::App app("Tailrace beside its peers: one way, round trips, durable acknowledges.", "peers");
    app.add_option("directory", options.directory, "on the device to measure; it is left as it was")
        ->required();
    app.add_option("--peers", options.peers, "parts of names, by commas; default: all")
        ->delimiter(',');
    app.add_option("--size", options.carried_bytes, "bytes of messages, by commas")->delimiter(',');
    app.add_option("--rounds", options.rounds, "of all peers")->check(CLI::Range(1, 1000));
    app.add_flag("--quick", options.quick, "only show that it runs");
    app.add_flag("--list", list, "say which peers were built in, and end");
    app.add_option("--json", json_path, "write the figures there too");
    CLI11_PARSE(app, argc, argv);

    if (list) {
        for (const CarrierPeer& peer : carrier_peers())
            fmt::print("{} {}: {}\n", peer.name, peer.version, peer.setting);
        for (const StorePeer& peer : store_peers())
            fmt::print("{} {}: {}\n", peer.name, peer.version, peer.setting);
        return 0;
    }
    // Servers change their directory.
    options.directory = std::filesystem::absolute(options.directory);
    if (options.quick) {
        options.rounds = 1;
        options.carried_bytes = {64};
        options.stored_bytes = {64};
    }
    const nlohmann::json report = run_peers(options);
    std::fputs(peers_table(report).c_str(), stdout);
    if (!json_path.empty()) {
        std::ofstream file(json_path);
        file << report.dump(2) << '\n';
        if (!file.flush()) {
            std::fprintf(stderr, "peers: can't write %s\n", json_path.c_str());
            return 1;
        }
    }
    const auto failed = [](const nlohmann::json& row) {
        return !row["error"].is_null();
    };
    const bool whole = std::none_of(report["carriers"].begin(), report["carriers"].end(), failed) &&
                       std::none_of(report["stores"].begin(), report["stores"].end(), failed);
    return whole ? 0 : 1;
}
