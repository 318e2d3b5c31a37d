#include <tailrace/journal/background_compressor.hpp>
#include <tailrace/journal/background_thread.hpp>

#include <sys/resource.h>
#include <unistd.h>

#include <exception>
#include <utility>

namespace tailrace::journal {

namespace {

constexpr int kLeastNice = 19;

void be_modest() noexcept {
    leave_real_time();
    // Linux keeps it for each thread. More than it has is always allowed.
    (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kLeastNice);
}

}  // namespace

BackgroundCompressor::BackgroundCompressor(std::string directory,
                                           int level,
                                           std::uint64_t spared_bytes)
    : directory_(std::move(directory)),
      level_(level),
      spared_bytes_(spared_bytes),
      thread_([this] { run(); }) {}

BackgroundCompressor::~BackgroundCompressor() {
    {
        const std::lock_guard guard(mutex_);
        // Relaxed: under the mutex for the thread that sleeps, a flag alone for the one that works.
        stop_.store(true, std::memory_order_relaxed);
    }
    woken_.notify_one();
    thread_.join();
}

void BackgroundCompressor::wake() noexcept {
    {
        const std::lock_guard guard(mutex_);
        wanted_ = true;
    }
    woken_.notify_one();
}

void BackgroundCompressor::run() noexcept {
    be_modest();
    for (;;) {
        {
            std::unique_lock lock(mutex_);
            // Relaxed: changed under the mutex.
            woken_.wait(lock, [this] { return wanted_ || stop_.load(std::memory_order_relaxed); });
            if (stop_.load(std::memory_order_relaxed)) return;
            wanted_ = false;
        }
        try {
            compress_what_is_there();
        } catch (const std::exception& failure) {  // no memory
            tell_trouble(make_error(ErrorCode::io_failure,
                                    "compressing '" + directory_ + "' failed: " + failure.what(),
                                    "'free -m' shows what is left"));
        }
    }
}

void BackgroundCompressor::compress_what_is_there() {
    CompressOptions options;
    options.level = level_;
    options.first_segment_number = next_segment_number_;
    options.spared_bytes = spared_bytes_;
    options.stop = &stop_;
    options.compressed = [this](const CompressedSegment& segment) {
        const std::lock_guard guard(mutex_);
        news_.segments.push_back(segment);
        ++figures_.compressed_segments;
        figures_.raw_bytes += segment.raw_bytes;
        figures_.stored_bytes += segment.stored_bytes;
        // Relaxed: whoever sees it takes the mutex.
        has_news_.store(true, std::memory_order_relaxed);
    };
    auto report = compress(directory_, options);
    if (!report) return tell_trouble(report.error());
    next_segment_number_ = report->next_segment_number;
    if (report->damage) return tell_trouble(*report->damage);
    const std::lock_guard guard(mutex_);
    last_trouble_.clear();
}

// The same trouble is told once, until it is over.
void BackgroundCompressor::tell_trouble(Error trouble) {
    const std::lock_guard guard(mutex_);
    if (trouble.message == last_trouble_) return;
    last_trouble_ = trouble.message;
    news_.trouble = std::move(trouble);
    has_news_.store(true, std::memory_order_relaxed);
}

BackgroundCompressor::News BackgroundCompressor::take_news() {
    // Relaxed: whoever sees it takes the mutex.
    if (!has_news_.load(std::memory_order_relaxed)) return {};
    const std::lock_guard guard(mutex_);
    has_news_.store(false, std::memory_order_relaxed);
    return std::exchange(news_, {});
}

CompressionFigures BackgroundCompressor::figures() const {
    const std::lock_guard guard(mutex_);
    return figures_;
}

}  // namespace tailrace::journal
