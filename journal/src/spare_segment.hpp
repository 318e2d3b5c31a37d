// SpareSegment: the file that becomes the next segment, allocated and filled with zeroes ahead of
// time by a thread of its own, so that the writer never waits for it while the disk keeps up.
//
// An allocated file reads as zeroes before it is filled; filling only spares each later first write
// of a block an update of the file system's metadata. A segment that retention gave up needs
// neither: it becomes the spare as it is (retired_segments.hpp), and what is left of those is
// removed here too, behind that. So a file may be taken half filled: take() then stops the filling,
// which ends within one write. The journal thread calls everything; the filling thread only sees
// the state under the mutex. "spare.partial" is allocated, "spare" is filled: a restart goes on
// from there.
#pragma once

#include "retired_segments.hpp"
#include "storage.hpp"

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace tailrace::journal {

struct SpareOptions {
    std::string directory;
    std::uint64_t size_bytes = 0;
    bool fill = true;
    bool unbuffered = true;
    bool background = true;  // false: prepare() does it all before it returns
};

class SpareSegment {
public:
    static constexpr std::uint64_t kNoFillLimit = ~std::uint64_t{0};

    SpareSegment(FileStore& files, RetiredSegments& retired, SpareOptions options);
    SpareSegment(const SpareSegment&) = delete;
    SpareSegment& operator=(const SpareSegment&) = delete;
    // Stops filling. The file stays for the next writer.
    ~SpareSegment();

    // Begins to make one, unless one is there or under way. After an error it tries again.
    void prepare(std::uint64_t fill_limit_bytes = kNoFillLimit) noexcept;
    // Zeroes are written no further than this for now: acknowledgements come first.
    void limit_fill(std::uint64_t size_bytes) noexcept;
    // Segments were retired, and no spare may be wanted: has them removed.
    void remove_retired() noexcept;

    enum class State : std::uint8_t { none, making, allocated, filled, error };

    // The path of a file to use, which is no spare any more then; empty while there is none:
    // state() and os_errno() say why.
    [[nodiscard]] std::string take() noexcept;
    // Whether the file that was taken last held an earlier segment.
    [[nodiscard]] bool took_recycled() const noexcept { return took_recycled_; }
    // Waits until take() may give another answer, at most so long.
    void wait(std::uint64_t timeout_ns) noexcept;

    [[nodiscard]] State state() noexcept;
    [[nodiscard]] int os_errno() noexcept;

private:
    void wake_thread() noexcept;
    void run_thread() noexcept;
    void make() noexcept;
    [[nodiscard]] bool find_earlier(bool& filled) noexcept;
    [[nodiscard]] int allocate() noexcept;
    [[nodiscard]] int fill_with_zeroes(const std::string& path) noexcept;
    [[nodiscard]] std::uint64_t next_fill_bytes(std::uint64_t at) noexcept;
    [[nodiscard]] bool gains_by_filling() noexcept;
    void set_state(State state, int os_errno, bool fills = false) noexcept;

    FileStore& files_;
    RetiredSegments& retired_;
    const SpareOptions options_;
    const std::string filled_path_;
    const std::string partial_path_;

    std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    State state_ = State::none;
    int os_errno_ = 0;
    bool wanted_ = false;  // stop filling: the file is needed
    bool requested_ = false;
    bool removal_requested_ = false;
    bool recycled_ = false;       // the spare held an earlier segment
    bool took_recycled_ = false;  // the journal thread's
    bool filling_ = false;
    std::uint64_t fill_limit_bytes_ = 0;
    bool ending_ = false;
    std::thread thread_;
};

}  // namespace tailrace::journal
