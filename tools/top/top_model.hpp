// TopModel: the streams and readers that `tailrace top` shows, with how they moved lately: one row
// each, a stream's readers behind it. It is told each look of an observe::Watcher, and draws
// nothing. One thread.
#pragma once

#include <tailrace/observe/watcher.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tailrace::tool {

enum class TopSort : std::uint8_t { trouble, rate, lag, name };
[[nodiscard]] const char* sort_name(TopSort sort) noexcept;
[[nodiscard]] TopSort sort_after(TopSort sort) noexcept;

// Events a second at the last looks, the newest last.
using RateHistory = std::deque<double>;

struct TopRow {
    std::string stream;
    std::string reader;  // empty: the stream itself
    RateHistory rates;   // at which it publishes, or reads
    double bytes_per_s = 0;
    // Of a stream that can't be read.
    std::string problem;
    // Of the look that it belongs to.
    const observe::StreamLook* look = nullptr;
    const observe::ReaderHealth* health = nullptr;  // of a reader

    [[nodiscard]] bool is_stream() const noexcept { return reader.empty(); }
    [[nodiscard]] double rate() const noexcept { return rates.empty() ? 0 : rates.back(); }
    [[nodiscard]] bool is_same(const TopRow& other) const noexcept {
        return stream == other.stream && reader == other.reader;
    }
};

// What is drawn: of one moment. Its rows point into its look, so it isn't copied.
struct TopPicture {
    observe::Look look;
    std::vector<TopRow> rows;

    // The reader that is worst off, of a stream's row; null without one.
    [[nodiscard]] static const observe::ReaderHealth* worst_of(const TopRow& row) noexcept;
    [[nodiscard]] double events_per_s() const noexcept;
    [[nodiscard]] std::size_t readers() const noexcept;
};

// Whole streams by the order, each with its readers behind it; the worst or the fastest first.
void sort_rows(TopPicture& picture, TopSort sort);

class TopModel {
public:
    // As many rates as a history keeps.
    static constexpr std::size_t kHistory = 120;

    // Of the next look, by name. `now_ns`: of the monotonic clock.
    [[nodiscard]] std::unique_ptr<TopPicture> take(observe::Look look, std::uint64_t now_ns);

private:
    struct Track {
        Sequence sequence = 0;
        std::uint64_t bytes = 0;
        std::uint64_t at_ns = 0;
        double bytes_per_s = 0;
        RateHistory rates;
        bool is_there = false;  // at the last look
    };

    const Track& follow(const std::string& key,
                        Sequence sequence,
                        std::uint64_t bytes,
                        std::uint64_t now_ns);

    std::map<std::string, Track> tracks_;
};

}  // namespace tailrace::tool
