// What the benchmarks share: their options, streams of their own, payloads that can be verified.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/bus/stream_options.hpp>
#include <tailrace/bus/wait.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

namespace tailrace::tool {

// Nothing moved for so long: the other side is gone.
inline constexpr std::uint64_t kStallMs = 10'000;

struct PingPongOptions {
    std::string directory;
    std::uint32_t size_bytes = 32;
    std::uint64_t round_trips = 1'000'000;
    std::uint32_t alignment_bytes =
        64;  // an event of up to 48 bytes is then one line, never half of two
    bool publish_time = false;
};

struct ThroughputOptions {
    std::string directory;
    std::uint32_t size_bytes = 8;
    std::uint32_t publishers = 1;
    std::uint32_t subscribers = 1;
    std::uint32_t batch = 1;
    std::uint64_t events = 0;  // per run; 0: about a second's worth
    std::uint64_t capacity_bytes = std::uint64_t{4} << 20U;
    std::uint32_t runs = 5;
    bool multi = false;  // a multi-publisher stream even for one publisher
    bool publish_time = false;
    bus::WaitStrategy wait = bus::WaitStrategy::busy_spin;
};

struct JournalBenchOptions {
    std::string directory;
    std::string journal_directory;  // on the device to measure
    std::vector<std::string> rows;  // which to measure; none: all
    std::uint32_t size_bytes = 1024;
    std::uint64_t bytes = std::uint64_t{1} << 30U;  // of events, per run
    std::uint64_t acknowledgements = 1000;          // per run
    std::uint64_t group_events = 1'000'000;         // per run
    std::uint64_t live_events = 100'000;            // per run
    std::uint32_t runs = 5;
    std::uint64_t segment_size_bytes = std::uint64_t{256} << 20U;
};

// `tailrace bench wait`: each strategy, and an epoll loop.
struct WaitBenchOptions {
    std::string directory;
    std::uint64_t phase_ms = 700;
    double low_rate_per_s = 1000;
    double high_rate_per_s = 100'000;
    // Set by the bench itself.
    bus::WaitStrategy wait = bus::WaitStrategy::adaptive;
    bool by_epoll = false;
};

struct SuiteOptions {
    std::string directory;
    std::vector<std::string> rows;  // parts of names; empty: all
    std::uint32_t runs = 5;
    bool quick = false;  // a smoke test: the figures mean nothing
};

// The keys are documented in docs/benchmarking.md. Errors: the environment, or content that
// differed.
[[nodiscard]] Result<nlohmann::json> run_pingpong(const PingPongOptions& options);
[[nodiscard]] Result<nlohmann::json> run_throughput(const ThroughputOptions& options);
[[nodiscard]] Result<nlohmann::json> run_journal(const JournalBenchOptions& options);
[[nodiscard]] std::vector<std::string> journal_row_names();
[[nodiscard]] Result<nlohmann::json> run_wait_bench(const WaitBenchOptions& options);
[[nodiscard]] Result<nlohmann::json> run_suite(const SuiteOptions& options);
// The names of its rows, and under which conditions each is measured.
[[nodiscard]] nlohmann::json list_suite(const SuiteOptions& options);

enum class DeathKind : std::uint8_t { publisher_in_claim, gating_subscriber };

// Milliseconds from each kill until the others went on.
[[nodiscard]] Result<std::vector<double>> run_deaths(DeathKind kind,
                                                     std::uint32_t count,
                                                     const std::string& directory);

struct PublishCost {
    double publish_ns;
    double look_ns;  // of these, for readers that may sleep
};
[[nodiscard]] Result<PublishCost> run_publish_cost(const std::string& directory,
                                                   std::uint32_t chunks);

// Streams for one benchmark, removed when this object goes.
class BenchStreams {
public:
    [[nodiscard]] static Result<BenchStreams> create(std::uint32_t count,
                                                     const bus::StreamOptions& options,
                                                     const std::string& directory);
    BenchStreams(BenchStreams&& other) noexcept = default;
    BenchStreams& operator=(BenchStreams&& other) noexcept = default;
    BenchStreams(const BenchStreams&) = delete;
    BenchStreams& operator=(const BenchStreams&) = delete;
    ~BenchStreams();

    [[nodiscard]] const std::string& name(std::uint32_t index) const noexcept {
        return names_[index];
    }
    [[nodiscard]] const std::string& directory() const noexcept { return directory_; }

private:
    BenchStreams() = default;

    std::vector<std::string> names_;
    std::string directory_;
};

[[nodiscard]] Error bench_broken(const std::string& what);

// Every byte of a payload follows from one number: word i is number + i, the rest of a word its low
// bytes.
inline void fill_words(std::span<std::byte> payload, std::uint64_t number) noexcept {
    std::size_t offset = 0;
    for (; offset + sizeof(number) <= payload.size(); offset += sizeof(number), ++number) {
        std::memcpy(payload.data() + offset, &number, sizeof(number));
    }
    if (offset < payload.size())
        std::memcpy(payload.data() + offset, &number, payload.size() - offset);
}

// Reads every byte.
[[nodiscard]] inline bool words_match(std::span<const std::byte> payload,
                                      std::uint64_t number) noexcept {
    std::uint64_t differences = 0;
    std::size_t offset = 0;
    for (; offset + sizeof(number) <= payload.size(); offset += sizeof(number), ++number) {
        std::uint64_t word = 0;
        std::memcpy(&word, payload.data() + offset, sizeof(word));
        differences |= word ^ number;
    }
    if (offset < payload.size()) {
        std::uint64_t expected = 0;
        std::uint64_t found = 0;
        std::memcpy(&expected, &number, payload.size() - offset);
        std::memcpy(&found, payload.data() + offset, payload.size() - offset);
        differences |= expected ^ found;
    }
    return differences == 0;
}

}  // namespace tailrace::tool
