#include "crash_story.hpp"

#include "support/numbered_event.hpp"

#include <vector>

namespace tailrace::test {

using bus::Deadline;
using bus::PollState;
using bus::Publisher;
using bus::PublishStatus;
using bus::Subscriber;

PublishStatus publish_next(Publisher& publisher,
                           Life& life,
                           std::uint32_t life_number,
                           Deadline deadline) noexcept {
    const std::uint64_t number = life.committed.load();
    life.attempted.store(number + 1);
    bus::Claim claim;
    const PublishStatus status =
        publisher.claim(claim, numbered_size_bytes(life_number, number), 0, deadline);
    if (status != PublishStatus::ok) return status;
    fill_numbered(claim.payload, life_number, number);
    publisher.commit(claim);
    life.committed.store(number + 1);
    return status;
}

PublishStatus publish_next_batch(Publisher& publisher,
                                 Life& life,
                                 std::uint32_t life_number,
                                 std::uint32_t count) noexcept {
    const std::uint64_t number = life.committed.load();
    life.attempted.store(number + count);
    std::vector<std::uint32_t> sizes_bytes;
    for (std::uint32_t index = 0; index < count; ++index) {
        sizes_bytes.push_back(numbered_size_bytes(life_number, number + index));
    }
    bus::BatchClaim batch;
    PublishStatus status = PublishStatus::would_block;
    while (status == PublishStatus::would_block)
        status = publisher.try_claim_batch(batch, sizes_bytes);
    if (status != PublishStatus::ok) return status;
    for (std::uint32_t index = 0; index < count; ++index) {
        fill_numbered(batch.next(), life_number, number + index);
    }
    publisher.commit(batch);
    life.committed.store(number + count);
    return status;
}

int run_publisher(const TestStream& stream,
                  CrashStory& story,
                  std::uint32_t life_number,
                  std::uint32_t batch_count,
                  std::uint64_t most) {
    Publisher publisher = stream.publisher("life " + std::to_string(life_number));
    Life& life = story.lives[life_number];
    while (!story.stop_publishing.load() && life.committed.load() < most) {
        const PublishStatus status =
            batch_count == 1 ? publish_next(publisher, life, life_number)
                             : publish_next_batch(publisher, life, life_number, batch_count);
        if (status != PublishStatus::ok) return 2;
    }
    return 0;
}

int run_subscriber(const TestStream& stream,
                   CrashStory& story,
                   std::size_t reader,
                   bus::Start start,
                   bus::SlowPolicy policy) {
    Subscriber subscriber = stream.subscriber(policy, start, "reader " + std::to_string(reader));
    auto& log = story.logs[reader];
    log.attached.fetch_add(1);
    constexpr std::uint64_t kMostPerPoll = 20;
    while (!story.stop_reading.load()) {
        const bus::PollResult result = subscriber.poll_until(
            [&](const Event& event) { log.add(event); }, kMostPerPoll, Deadline::in_ms(20));
        if (result.state != PollState::ok && result.state != PollState::idle) return 3;
        log.next_sequence.store(subscriber.next_sequence());
    }
    return 0;
}

namespace {

std::string at(std::size_t reader, std::uint64_t index) {
    return "reader " + std::to_string(reader) + ", arrival " + std::to_string(index);
}

void judge_log(const CrashStory& story, std::size_t reader, StoryFacts& facts) {
    const auto& log = story.logs[reader];
    if (log.torn.load() != 0)
        facts.faults.push_back("torn events, reader " + std::to_string(reader));
    if (log.overflow.load() != 0) facts.faults.push_back("too many events for the log");
    std::vector<std::uint64_t> next_number(kMostLives, 0);
    for (std::uint64_t index = 0; index < log.count.load(); ++index) {
        const Arrival& arrival = log.arrivals[index];
        if (index > 0 && arrival.sequence <= log.arrivals[index - 1].sequence) {
            facts.faults.push_back(at(reader, index) + ": the sequence doesn't grow");
        }
        if (arrival.publisher >= kMostLives || arrival.number != next_number[arrival.publisher]) {
            facts.faults.push_back(at(reader, index) + ": not the next event of life " +
                                   std::to_string(arrival.publisher));
            return;
        }
        ++next_number[arrival.publisher];
    }
    if (reader == 0) facts.received = next_number;
}

}  // namespace

StoryFacts judge_story(const CrashStory& story,
                       std::size_t readers,
                       const std::vector<std::uint32_t>& batch_counts) {
    StoryFacts facts;
    facts.arrivals = story.logs[0].count.load();
    for (std::size_t reader = 0; reader < readers; ++reader) {
        judge_log(story, reader, facts);
        const auto& log = story.logs[reader];
        if (log.count.load() != facts.arrivals) {
            facts.faults.push_back("reader " + std::to_string(reader) + " saw " +
                                   std::to_string(log.count.load()) + " events, reader 0 " +
                                   std::to_string(facts.arrivals));
            continue;
        }
        for (std::uint64_t index = 0; index < facts.arrivals; ++index) {
            if (log.arrivals[index] == story.logs[0].arrivals[index]) continue;
            facts.faults.push_back(at(reader, index) + ": not what reader 0 saw");
            break;
        }
    }
    for (std::size_t life = 0; life < batch_counts.size() && !facts.received.empty(); ++life) {
        const std::string who = "life " + std::to_string(life);
        const std::uint64_t received = facts.received[life];
        if (received < story.lives[life].committed.load()) {
            facts.faults.push_back(who + ": committed events are missing");
        }
        if (received > story.lives[life].attempted.load()) {
            facts.faults.push_back(who + ": events that it never published");
        }
        if (received % batch_counts[life] != 0) facts.faults.push_back(who + ": half a batch");
    }
    return facts;
}

}  // namespace tailrace::test
