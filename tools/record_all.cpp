#include "record_all.hpp"

#include "command.hpp"
#include "journal_flags.hpp"
#include "journal_place.hpp"
#include "stop_signal.hpp"
#include "units.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/region.hpp>

#include <sys/resource.h>
#include <system_error>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fmt/format.h>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace tailrace::tool {

namespace {

constexpr std::uint64_t kTurnNs = 250 * kNsPerMs;
constexpr std::uint64_t kLookEveryNs = 500 * kNsPerMs;
constexpr std::uint64_t kFirstRetryNs = kNsPerSecond;
constexpr std::uint64_t kLongestRetryNs = 60 * kNsPerSecond;

// What a writer's thread tells the main thread, which alone prints.
struct WriterNews {
    bool started = false;
    bool ended = false;
    std::string ending;  // of the stream, if it is gone
    std::optional<Error> failure;
    std::optional<Error> trouble;  // not told yet
    stream::RecorderStatus status;
    std::string backend;
    std::string priority;                   // in use
    std::optional<Error> priority_refusal;  // why it isn't the one that was wanted
};

// The journal writer of one stream, on a thread of its own.
class StreamWriter {
public:
    StreamWriter(std::string stream, stream::RecorderOptions options, journal::JournalSettings said)
        : stream_(std::move(stream)),
          options_(std::move(options)),
          said_(said),
          thread_([this] { run(); }) {}
    StreamWriter(const StreamWriter&) = delete;
    StreamWriter& operator=(const StreamWriter&) = delete;
    ~StreamWriter() { thread_.join(); }

    [[nodiscard]] WriterNews news() {
        const std::lock_guard lock(mutex_);
        WriterNews news = news_;
        news_.trouble.reset();
        return news;
    }

private:
    template <typename Change>
    void tell(const Change& change) {
        const std::lock_guard lock(mutex_);
        change(news_);
    }

    void run() {
        auto failure = record();
        tell([&](WriterNews& news) {
            news.failure = std::move(failure);
            news.ended = true;
        });
    }

    std::optional<Error> record() {
        if (auto applied = apply_settings(options_, said_); !applied) return applied.error();
        auto recorder = stream::Recorder::attach(stream_, options_);
        if (!recorder) return recorder.error();
        tell([&](WriterNews& news) {
            news.started = true;
            news.status = recorder->status();
            news.backend = recorder->writer().io_backend_name();
            news.priority = stream::priority_in_use();
            news.priority_refusal = recorder->priority_refusal();
        });
        std::uint64_t last_told_ns = monotonic_ns();
        while (!stop_requested() && !recorder->stream_was_removed()) {
            if (auto stepped = recorder->step(kTurnNs); !stepped) return stepped.error();
            const std::uint64_t now_ns = monotonic_ns();
            if (now_ns - last_told_ns < kTurnNs) continue;
            last_told_ns = now_ns;
            tell([&](WriterNews& news) {
                news.status = recorder->status();
                if (auto trouble = recorder->take_trouble(); trouble)
                    news.trouble = std::move(trouble);
            });
        }
        auto closed = recorder->close();
        tell([&](WriterNews& news) {
            news.status = recorder->status();
            news.ending = recorder->stream_ending();
        });
        if (!closed) return closed.error();
        return std::nullopt;
    }

    std::string stream_;
    stream::RecorderOptions options_;
    journal::JournalSettings said_;
    std::mutex mutex_;
    WriterNews news_;
    std::thread thread_;  // last: it uses all of the above
};

// What is known of one stream.
struct StreamEntry {
    std::unique_ptr<StreamWriter> writer;
    bool start_told = false;
    std::uint64_t next_try_ns = 0;
    std::uint64_t retry_ns = kFirstRetryNs;
    std::string last_failure;          // told once
    std::optional<ErrorCode> failure;  // the stream is not recorded because of it
    stream::RecorderStatus status;
    std::string priority;
    std::uint64_t shown_events = 0;
    std::uint64_t shown_bytes = 0;
};

bool is_short_of_descriptors(const Error& error) {
    return error.os_errno == EMFILE || error.os_errno == ENFILE;
}

// A stream takes a dozen, and nothing here minds numbers beyond what select() can do.
void raise_descriptor_limit() {
    struct rlimit limit {};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

class RecordAll {
public:
    RecordAll(const stream::RecorderOptions& options, const journal::JournalSettings& said)
        : options_(options),
          said_(said) {}

    Result<ExitCode> run();

private:
    void look_for_streams();
    void start(const std::string& stream, const std::string& directory, StreamEntry& entry);
    void listen();
    void tell_refusal(const WriterNews& news);
    void tell_shortage(const Error& error);
    void note_end(const std::string& stream, StreamEntry& entry, const WriterNews& news);
    void show_status();
    void print(const char* event, const std::string& stream, const StreamEntry& entry);
    [[nodiscard]] ExitCode finish();

    const stream::RecorderOptions& options_;
    const journal::JournalSettings& said_;
    std::map<std::string, StreamEntry> streams_;
    std::uint64_t last_shown_ns_ = monotonic_ns();
    std::uint64_t lost_events_ = 0;
    bool refusal_told_ = false;
    bool shortage_told_ = false;
};

// The same for all streams, so once.
void RecordAll::tell_refusal(const WriterNews& news) {
    if (!news.priority_refusal || refusal_told_) return;
    refusal_told_ = true;
    warn(news.priority_refusal->message + "; journals are written without");
    warn("  try: " + news.priority_refusal->hint);
}

// A matter of this process, whichever stream met it: once, until a stream can be begun again.
void RecordAll::tell_shortage(const Error& error) {
    if (shortage_told_) return;
    shortage_told_ = true;
    struct rlimit limit {};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    warn(
        fmt::format("this process may have {} descriptors and needs more: not every stream is "
                    "recorded ({}); it is tried again",
                    limit.rlim_cur,
                    error.message));
    warn("  try: a higher ulimit -n, or LimitNOFILE= in the unit");
}

void RecordAll::print(const char* event, const std::string& stream, const StreamEntry& entry) {
    Json document;
    document["event"] = event;
    document["stream"] = stream;
    document["journal"] = entry.status.journal_directory;
    document["durable_seq"] = entry.status.durable_sequence;
    document["unflushed_events"] = entry.status.next_sequence - entry.status.durable_sequence;
    document["lost_events"] = entry.status.lost_events;
    document["events"] = entry.status.writer.events;
    document["priority"] = entry.priority;
    document["compressed_segments"] = entry.status.compression.compressed_segments;
    document["compressed_raw_bytes"] = entry.status.compression.raw_bytes;
    document["compressed_stored_bytes"] = entry.status.compression.stored_bytes;
    out().write_json(document);
    out().flush();
}

void RecordAll::start(const std::string& stream, const std::string& directory, StreamEntry& entry) {
    stream::RecorderOptions options = options_;
    options.journal.directory = directory;
    try {
        entry.writer = std::make_unique<StreamWriter>(stream, options, said_);
        entry.start_told = false;
    } catch (const std::system_error& failure) {
        warn(fmt::format("'{}': no thread for its journal writer: {}", stream, failure.what()));
        entry.next_try_ns = monotonic_ns() + kLongestRetryNs;
    }
}

void RecordAll::look_for_streams() {
    auto names = bus::Region::list(settings().directory);
    if (!names) return;  // no directory yet: no stream yet
    const std::uint64_t now_ns = monotonic_ns();
    for (const std::string& name : *names) {
        StreamEntry& entry = streams_[name];
        if (entry.writer || now_ns < entry.next_try_ns) continue;
        auto header = bus::Region::peek(name, settings().directory);
        if (!header && is_short_of_descriptors(header.error())) tell_shortage(header.error());
        if (!header) continue;  // being made, of an earlier boot, or somebody else's
        const std::string directory = journal_directory_of(*header);
        if (!directory.empty()) start(name, directory, entry);
    }
}

void RecordAll::note_end(const std::string& stream, StreamEntry& entry, const WriterNews& news) {
    entry.writer.reset();
    lost_events_ += news.status.lost_events;
    if (!news.failure) {
        entry.failure.reset();
        if (settings().json()) print("ended", stream, entry);
        say(fmt::format("'{}': recorded {} events, durable below sequence {}; {}",
                        stream,
                        count_text(entry.status.writer.events),
                        entry.status.durable_sequence,
                        news.ending.empty() ? "the journal is closed" : news.ending));
        return;
    }
    entry.failure = news.failure->code;
    entry.next_try_ns = monotonic_ns() + entry.retry_ns;
    entry.retry_ns = std::min(entry.retry_ns * 2, kLongestRetryNs);
    if (news.failure->message == entry.last_failure) return;
    entry.last_failure = news.failure->message;
    if (settings().json()) print("failed", stream, entry);
    if (is_short_of_descriptors(*news.failure)) {
        tell_shortage(*news.failure);
        return;
    }
    warn(fmt::format("'{}': {}; it is tried again", stream, news.failure->message));
    if (!news.failure->hint.empty()) warn("  try: " + news.failure->hint);
}

void RecordAll::listen() {
    for (auto& [stream, entry] : streams_) {
        if (!entry.writer) continue;
        const WriterNews news = entry.writer->news();
        entry.status = news.status;
        if (news.started && !entry.start_told) {
            entry.start_told = true;
            entry.failure.reset();
            entry.last_failure.clear();
            entry.retry_ns = kFirstRetryNs;
            entry.shown_events = entry.shown_bytes = 0;
            entry.priority = news.priority;
            if (settings().json()) print("started", stream, entry);
            say(fmt::format("recording '{}' to {} from sequence {} ({}, priority {})",
                            stream,
                            entry.status.journal_directory,
                            entry.status.first_sequence,
                            news.backend,
                            news.priority));
            tell_refusal(news);
        }
        if (news.trouble) {
            warn(fmt::format("'{}': {}; recording goes on", stream, news.trouble->message));
            if (!news.trouble->hint.empty()) warn("  try: " + news.trouble->hint);
        }
        if (news.ended) note_end(stream, entry, news);
    }
}

// With --json one object for each stream; on a terminal the sum, and whoever is in trouble.
void RecordAll::show_status() {
    const std::uint64_t now_ns = monotonic_ns();
    if (now_ns - last_shown_ns_ < kNsPerSecond) return;
    const double seconds = static_cast<double>(now_ns - last_shown_ns_) / 1e9;
    last_shown_ns_ = now_ns;
    std::uint64_t events = 0;
    std::uint64_t bytes = 0;
    std::uint64_t behind = 0;
    std::size_t running = 0;
    std::string trouble;
    for (auto& [stream, entry] : streams_) {
        if (entry.failure) trouble += " " + stream;
        if (!entry.writer) continue;
        ++running;
        const auto& written = entry.status.writer;
        events += written.events - std::min(written.events, entry.shown_events);
        bytes += written.written_bytes - std::min(written.written_bytes, entry.shown_bytes);
        behind += entry.status.next_sequence - entry.status.durable_sequence;
        entry.shown_events = written.events;
        entry.shown_bytes = written.written_bytes;
        if (settings().json()) print("status", stream, entry);
    }
    if (settings().json()) return;
    show_status_line(
        fmt::format("{}  {}  {}/s on disk  {} not yet flushed{}",
                    counted(running, "stream"),
                    rate_text(static_cast<double>(events) / seconds),
                    size_text(static_cast<std::uint64_t>(static_cast<double>(bytes) / seconds)),
                    count_text(behind),
                    trouble.empty() ? "" : "  NOT RECORDED:" + trouble));
}

ExitCode RecordAll::finish() {
    bool all_ended = false;
    while (!all_ended) {  // ends: each writer closes its journal, or gives up at its deadline
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        listen();
        all_ended = std::none_of(streams_.begin(), streams_.end(), [](const auto& stream) {
            return stream.second.writer != nullptr;
        });
    }
    for (const auto& [stream, entry] : streams_) {
        if (entry.failure) return exit_code_of(*entry.failure);
    }
    return lost_events_ == 0 ? ExitCode::done : ExitCode::damage;
}

Result<ExitCode> RecordAll::run() {
    raise_descriptor_limit();
    say("recording every stream that has a journal");
    std::uint64_t next_look_ns = 0;
    while (!stop_requested()) {
        if (monotonic_ns() >= next_look_ns) {
            look_for_streams();
            next_look_ns = monotonic_ns() + kLookEveryNs;
        }
        listen();
        show_status();
        sleep_until_ns(monotonic_ns() + kTurnNs);
    }
    return finish();
}

}  // namespace

Result<ExitCode> record_all(const stream::RecorderOptions& options,
                            const journal::JournalSettings& said) {
    return RecordAll(options, said).run();
}

}  // namespace tailrace::tool
