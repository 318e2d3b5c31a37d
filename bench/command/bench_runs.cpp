#include "bench_runs.hpp"

#include <tailrace/bus/region.hpp>

#include <unistd.h>

namespace tailrace::bench {

Result<BenchStreams> BenchStreams::create(std::uint32_t count,
                                          const bus::StreamOptions& options,
                                          const std::string& directory) {
    BenchStreams streams;
    streams.directory_ = directory;
    for (std::uint32_t index = 0; index < count; ++index) {
        std::string name = "bench-" + std::to_string(::getpid()) + "-" + std::to_string(index);
        // What an earlier run of the same pid left behind, if it was killed.
        static_cast<void>(bus::Region::unlink(name, true, directory));
        if (auto created = bus::Region::create(name, options, directory); !created)
            return created.error();
        streams.names_.push_back(std::move(name));
    }
    return streams;
}

BenchStreams::~BenchStreams() {
    for (const std::string& name : names_) {
        static_cast<void>(bus::Region::unlink(name, true, directory_));
    }
}

Error bench_broken(const std::string& what) {
    return make_error(ErrorCode::io_failure, "the benchmark failed: " + what, "tailrace doctor");
}

#if defined(__x86_64__)

namespace {

[[gnu::target("avx2")]] void fill_words_avx2(std::span<std::byte> payload,
                                             std::uint64_t number) noexcept {
    fill_words_inline(payload, number);
}

[[gnu::target("avx2")]] bool words_match_avx2(std::span<const std::byte> payload,
                                              std::uint64_t number) noexcept {
    return words_match_inline(payload, number);
}

const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;

}  // namespace

void fill_words_wide(std::span<std::byte> payload, std::uint64_t number) noexcept {
    has_avx2 ? fill_words_avx2(payload, number) : fill_words_inline(payload, number);
}

bool words_match_wide(std::span<const std::byte> payload, std::uint64_t number) noexcept {
    return has_avx2 ? words_match_avx2(payload, number) : words_match_inline(payload, number);
}

#else

void fill_words_wide(std::span<std::byte> payload, std::uint64_t number) noexcept {
    fill_words_inline(payload, number);
}

bool words_match_wide(std::span<const std::byte> payload, std::uint64_t number) noexcept {
    return words_match_inline(payload, number);
}

#endif

}  // namespace tailrace::bench
