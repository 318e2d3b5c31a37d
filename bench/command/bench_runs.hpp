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

namespace tailrace::bench {

struct LatencyRecord;

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
    std::uint64_t events = 0;                                 // per run; 0: about a second's worth
    std::uint64_t capacity_bytes = std::uint64_t{64} << 20U;  // as `create` makes it
    std::uint32_t runs = 5;
    bool multi = false;  // a multi-publisher stream even for one publisher
    bool publish_time = false;
    bus::WaitStrategy wait = bus::WaitStrategy::busy_spin;
};

// `tailrace bench latency`: an open loop at a rate.
struct LatencyOptions {
    std::string directory;
    std::uint32_t size_bytes = 64;
    double rate_per_s = 100'000;
    std::uint64_t duration_ns = 5'000'000'000;
    bool publish_time = false;
    bus::WaitStrategy wait = bus::WaitStrategy::busy_spin;
};
inline constexpr std::uint32_t kLeastStampedBytes = 24;

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
    std::string journal_directory;  // on the device to measure
    std::vector<std::string> rows;  // parts of names; empty: all
    std::uint32_t runs = 5;
    bool quick = false;  // a smoke test: the figures mean nothing
};

// The keys are documented in docs/benchmarking.md. Errors: the environment, or content that
// differed.
[[nodiscard]] Result<nlohmann::json> run_pingpong(const PingPongOptions& options);
// These fill the record with every latency.
[[nodiscard]] Result<nlohmann::json> run_pingpong(const PingPongOptions& options,
                                                  LatencyRecord& record);
[[nodiscard]] Result<nlohmann::json> run_latency(const LatencyOptions& options,
                                                 LatencyRecord& record);
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

// A crowd at one stream (crowd.cpp).
struct CrowdWake {
    double publish_ns;  // median
    double last_ms;     // median, from the publish to the last reader's handler
};
[[nodiscard]] Result<CrowdWake> run_crowd_wake(const std::string& directory,
                                               std::uint32_t sleepers,
                                               bool by_epoll,
                                               std::uint32_t rounds);
// Milliseconds until all have attached.
[[nodiscard]] Result<double> run_crowd_attach(const std::string& directory,
                                              std::uint32_t processes);
// Nanoseconds for each event, beside so many readers that do nothing.
[[nodiscard]] Result<double> run_crowd_publish(const std::string& directory, std::uint32_t readers);
// Cores that so many publishers use while they wait for room.
[[nodiscard]] Result<double> run_crowd_blocked(const std::string& directory,
                                               std::uint32_t publishers,
                                               std::uint64_t duration_ms);

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
[[gnu::always_inline]] inline void fill_words_inline(std::span<std::byte> payload,
                                                     std::uint64_t number) noexcept {
    const std::size_t words = payload.size() / sizeof(number);
    std::byte* const begin = payload.data();
    for (std::size_t word = 0; word < words; ++word) {
        const std::uint64_t value = number + word;
        std::memcpy(begin + word * sizeof(value), &value, sizeof(value));
    }
    const std::size_t rest = payload.size() % sizeof(number);
    const std::uint64_t last = number + words;
    if (rest != 0) std::memcpy(begin + words * sizeof(number), &last, rest);
}

// Reads every byte.
[[nodiscard, gnu::always_inline]] inline bool words_match_inline(std::span<const std::byte> payload,
                                                                 std::uint64_t number) noexcept {
    const std::size_t words = payload.size() / sizeof(number);
    const std::byte* const begin = payload.data();
    std::uint64_t differences = 0;
    for (std::size_t word = 0; word < words; ++word) {
        std::uint64_t value = 0;
        std::memcpy(&value, begin + word * sizeof(value), sizeof(value));
        differences |= value ^ (number + word);
    }
    const std::size_t rest = payload.size() % sizeof(number);
    const std::uint64_t last = number + words;
    return differences == 0 &&
           (rest == 0 || std::memcmp(begin + words * sizeof(number), &last, rest) == 0);
}

// From this size on the wide forms are used, where the processor has the instructions: 16 bytes a
// step keep up with no cache, and the benchmark would measure itself.
inline constexpr std::size_t kWideBytes = 256;
void fill_words_wide(std::span<std::byte> payload, std::uint64_t number) noexcept;
[[nodiscard]] bool words_match_wide(std::span<const std::byte> payload,
                                    std::uint64_t number) noexcept;

inline void fill_words(std::span<std::byte> payload, std::uint64_t number) noexcept {
    if (payload.size() >= kWideBytes) return fill_words_wide(payload, number);
    fill_words_inline(payload, number);
}

[[nodiscard]] inline bool words_match(std::span<const std::byte> payload,
                                      std::uint64_t number) noexcept {
    if (payload.size() >= kWideBytes) return words_match_wide(payload, number);
    return words_match_inline(payload, number);
}

}  // namespace tailrace::bench
