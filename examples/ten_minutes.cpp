// docs/cpp_in_ten_minutes.md as one program. Usage: ten_minutes DIRECTORY (for rings and a journal)
#include <tailrace/bus/publisher.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/bus/subscriber.hpp>
#include <tailrace/journal/reader.hpp>
#include <tailrace/observe/stream_health.hpp>
#include <tailrace/stream/recorder.hpp>
#include <tailrace/stream/replayer.hpp>
#include <tailrace/stream/stream_reader.hpp>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

namespace bus = tailrace::bus;
namespace stream = tailrace::stream;
namespace journal = tailrace::journal;
namespace observe = tailrace::observe;

namespace {

struct Quote {
    double bid;
    double ask;
};
struct Trade {
    double price;
    std::int64_t quantity;
};
constexpr tailrace::EventType kQuote = 1;
constexpr tailrace::EventType kTrade = 2;

[[noreturn]] void fail(const tailrace::Error& error) {
    std::fprintf(stderr, "%s\n  try: %s\n", error.message.c_str(), error.hint.c_str());
    std::exit(static_cast<int>(error.code) + 1);
}

void create(const std::string& rings, const std::string& journals) {
    bus::StreamOptions options;
    options.capacity_bytes = std::uint64_t{1} << 20U;  // a power of two
    options.publishing = bus::Publishing::multi;       // single: one publisher, cheaper claims
    options.journal_directory = journals + "/market";  // where its recorder writes
    const auto created = bus::Region::create("market", options, rings);
    if (!created && created.error().code != tailrace::ErrorCode::already_exists)
        fail(created.error());
}

void publish(bus::Publisher& publisher) {
    // Waits for room when a gating reader is a whole ring behind; publish() with a deadline, or
    // try_publish(), doesn't.
    (void)publisher.publish(Quote{101.0, 101.5}, kQuote);
    (void)publisher.publish(Trade{101.25, 10}, kTrade, bus::Deadline::in_ms(100));

    // With a key, and a time of its own.
    bus::EventFields fields;
    fields.type = kTrade;
    fields.key = 7;
    fields.has_key = true;
    fields.event_time_ns = 1'796'002'160'000'000'000;
    const Trade trade{101.5, 5};
    (void)publisher.publish(std::as_bytes(std::span(&trade, 1)), fields);

    // Several at once: readers see all of them or none.
    bus::BatchClaim batch;
    if (publisher.try_claim_batch(batch, 3, sizeof(Trade), kTrade) == bus::PublishStatus::ok) {
        for (std::int64_t quantity = 1; quantity <= 3; ++quantity)
            new (batch.next().data()) Trade{102.0, quantity};
        publisher.commit(batch);
    }
}

void read_trades(const std::string& rings) {
    bus::SubscriberOptions options;
    options.name = "trades";
    options.directory = rings;
    options.start = bus::Start::oldest();
    options.policy = bus::SlowPolicy::skip;  // when it is slow it loses events, and is told which
    options.filter.add_type(kTrade);         // payloads of other types aren't touched
    auto reader = bus::Subscriber::attach("market", options).value();

    std::int64_t quantity = 0;
    const auto take = [&](const tailrace::Event& event) {
        if (event.is<Trade>(kTrade)) quantity += event.as<Trade>().quantity;
    };
    for (;;) {
        const bus::PollResult result = reader.poll(take, 256);
        if (result.state == bus::PollState::gap) {
            const bus::Gap gap = reader.last_gap();
            std::printf("lost %llu events\n", static_cast<unsigned long long>(gap.count));
        } else if (result.state != bus::PollState::ok) {
            break;  // idle: all is read; closed, corrupt: the stream is gone
        }
    }
    std::printf("traded %lld\n", static_cast<long long>(quantity));
}

void publish_durably(const std::string& rings) {
    // What `tailrace record market` does, as a thread of this process.
    stream::RecorderOptions options;
    options.bus_directory = rings;
    auto recorder = stream::Recorder::attach("market", options).value();
    std::atomic<bool> stop{false};
    std::thread recording([&] {
        if (const auto recorded = recorder.run(stop); !recorded) fail(recorded.error());
    });

    auto publisher = bus::Publisher::attach("market", {.directory = rings}).value();
    publish(publisher);
    const auto durable =
        publisher.wait_durable(publisher.next_own_sequence(), bus::Deadline::in_ms(10'000));
    if (!durable) fail(durable.error());
    std::printf("durable up to %llu\n",
                static_cast<unsigned long long>(publisher.next_own_sequence()));

    stop = true;
    recording.join();
}

void read_journal(const std::string& journals) {
    auto reader = journal::Reader::open(journals + "/market").value();
    if (const auto found = reader.seek_sequence(reader.first_sequence()); !found)
        fail(found.error());  // or seek_time(), seek_end()
    std::uint64_t events = 0;
    for (;;) {
        const auto step = reader.next_batch();
        if (!step) fail(step.error());  // corrupt: names the exact range
        if (step->kind == journal::ReadKind::end) break;
        if (step->kind == journal::ReadKind::gap) continue;
        for (const tailrace::Event& event : step->batch)
            events += event.is_tombstone() ? 0U : 1U;
    }
    std::printf("journaled %llu\n", static_cast<unsigned long long>(events));
}

void read_all_of_it(const std::string& rings) {
    stream::StreamReaderOptions options;
    options.from = tailrace::Position::start();  // or ago(ns), at(sequence), before_end(n)
    options.policy = bus::SlowPolicy::observe;   // spill: shown by `tailrace lag`
    options.bus_directory = rings;
    auto reader = stream::StreamReader::attach("market", options).value();
    std::uint64_t events = 0;
    for (;;) {
        const auto result = reader.poll([&](const tailrace::Event&) { ++events; }, 256);
        if (result.state == bus::PollState::gap) continue;  // last_gap(): nobody has these
        if (result.state != bus::PollState::ok) break;      // idle: all is read
    }
    std::printf("read %llu\n", static_cast<unsigned long long>(events));
}

void resume_by_cursor(const std::string& rings) {
    stream::StreamReaderOptions options;
    options.cursor = "risk";
    options.new_cursor_at = tailrace::Position::start();  // where it begins the first time
    options.policy = bus::SlowPolicy::gate;               // or spill, while somebody records
    options.bus_directory = rings;
    auto reader = stream::StreamReader::attach("market", options).value();
    std::uint64_t events = 0;
    while (reader.poll([&](const tailrace::Event&) { ++events; }, 256).events != 0) {
        // Behind the last handler of a poll the cursor has moved: what was handled is done.
    }
    std::printf("resumed by cursor: %llu\n", static_cast<unsigned long long>(events));
}

void replay_into_another_stream(const std::string& rings, const std::string& journals) {
    const auto created = bus::Region::create("again", {}, rings);
    if (!created && created.error().code != tailrace::ErrorCode::already_exists)
        fail(created.error());
    auto reader = journal::Reader::open(journals + "/market").value();
    stream::StreamSink sink(bus::Publisher::attach("again", {.directory = rings}).value());
    stream::ReplayOptions options;
    options.speed = 0;  // 1: at its own pace
    const std::atomic<bool> stop{false};
    const auto report = stream::replay(reader, sink, options, stop);
    if (!report) fail(report.error());
    std::printf("replayed %llu\n", static_cast<unsigned long long>(report->events));
}

void watch(const std::string& rings) {
    const auto health = observe::read_health("market", rings);
    if (!health) fail(health.error());
    for (const observe::ReaderHealth& reader : health->readers) {
        const std::string state(observe::reader_state_name(reader.state));
        std::printf("%s is %s, %llu events behind\n",
                    reader.reader.c_str(),
                    state.c_str(),
                    static_cast<unsigned long long>(reader.picture.lag.events));
        if (const auto trouble = observe::trouble_of(reader))
            std::printf("%s; %s\n", trouble->what.c_str(), trouble->hint.c_str());
    }
}

}  // namespace

int main(int argc, char** argv) {
    const std::string directory = argc > 1 ? argv[1] : "/tmp/ten-minutes";
    create(directory + "/rings", directory);
    publish_durably(directory + "/rings");
    read_trades(directory + "/rings");
    read_journal(directory);
    read_all_of_it(directory + "/rings");
    resume_by_cursor(directory + "/rings");
    replay_into_another_stream(directory + "/rings", directory);
    watch(directory + "/rings");
}
