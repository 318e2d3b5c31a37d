// BackgroundCompressor: compresses the segments of a journal as its writer seals them.
//
//     BackgroundCompressor compressor(directory, 3);
//     compressor.wake();                  // whenever a segment has begun
//     auto news = compressor.take_news();  // now and then
//
// A thread of its own, with the least nice value (19) and never in real time: what it does can
// wait, and the cores belong to whoever publishes, reads and writes. It begins with what an earlier
// process left uncompressed. When it can't go on (no room, a compressor that runs already) it says
// so and tries again with the next wake(). Destroying it ends within a frame of 1 MiB; the segment
// at hand stays as it was, for the next time. Any thread may make the calls, one at a time.
#pragma once

#include <tailrace/journal/compress.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace tailrace::journal {

struct CompressionFigures {
    std::uint64_t compressed_segments = 0;
    std::uint64_t raw_bytes = 0;
    std::uint64_t stored_bytes = 0;
};

class BackgroundCompressor {
public:
    // `spared_bytes`: the room that the writer may need next (CompressOptions).
    BackgroundCompressor(std::string directory, int level, std::uint64_t spared_bytes);
    BackgroundCompressor(const BackgroundCompressor&) = delete;
    BackgroundCompressor& operator=(const BackgroundCompressor&) = delete;
    ~BackgroundCompressor();

    // Something may be there to be compressed. Doesn't wait.
    void wake() noexcept;

    struct News {
        std::vector<CompressedSegment> segments;  // since the last time
        std::optional<Error> trouble;  // why it doesn't go on, or which segment it left; once
    };
    // Empty news cost one look at an atomic.
    [[nodiscard]] News take_news();

    [[nodiscard]] CompressionFigures figures() const;  // since it began

private:
    void run() noexcept;
    void compress_what_is_there();
    void tell_trouble(Error trouble);

    const std::string directory_;
    const int level_;
    const std::uint64_t spared_bytes_;
    std::uint64_t next_segment_number_ = 0;  // the thread's
    std::atomic<bool> stop_{false};
    std::atomic<bool> has_news_{false};

    mutable std::mutex mutex_;  // guards what follows
    std::condition_variable woken_;
    bool wanted_ = true;
    News news_;
    std::string last_trouble_;  // told, and not over
    CompressionFigures figures_;

    std::thread thread_;  // last: it uses all of the above
};

}  // namespace tailrace::journal
