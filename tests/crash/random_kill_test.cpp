// Two publishers and two subscribers run; one of the four is killed at a random instant and started
// anew, many times. A witness in this process reads everything, and holds the ring so that a
// restarted subscriber finds what it hasn't read: all three must have seen the same events, each
// once.

#include "crash_story.hpp"
#include "support/child_process.hpp"
#include "support/pause.hpp"
#include "support/seeded_random.hpp"
#include "support/test_length.hpp"
#include "support/watchdog.hpp"

#include <tailrace/base/step.hpp>

#include <catch2/catch.hpp>

#include <sched.h>

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace random_kill_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

constexpr std::size_t kWitness = 2;
constexpr std::uint32_t kBatch = 3;
constexpr std::uint64_t kMostLooks = 100'000;
constexpr std::uint64_t kMostPauseNs = 50'000'000;

std::uint64_t kills_wanted() {
    return test_length(60, 240, "TAILRACE_KILLS");
}

// Tarries at steps of the protocol now and then, so that a death at a random instant is often one
// within a claim.
void tarry(const char* /*step*/, void* random) noexcept {
    auto& chance = *static_cast<SeededRandom*>(random);
    if (!chance.one_in(64)) return;
    for (std::uint64_t spin = chance.below(4000); spin > 0; --spin)
        cpu_relax();
}

class Arena {
public:
    Arena(Publishing publishing, SeededRandom& random)
        : publishing_(publishing),
          random_(random),
          stream_(make_options(publishing)),
          witness_(stream_.subscriber()) {
        for (std::size_t reader = 0; reader < 2; ++reader)
            start_subscriber(reader, Start::oldest());
        for (std::size_t slot = 0; slot < publisher_count(); ++slot)
            start_publisher(slot);
    }

    [[nodiscard]] std::size_t publisher_count() const {
        return publishing_ == Publishing::multi ? 2 : 1;
    }

    void run() {
        for (std::uint64_t kill = 0; kill < kills_wanted(); ++kill) {
            const std::uint64_t progress = seen() + 1 + random_.below(400);
            // A subscriber that was just started may hold everybody up until it is attached; that
            // is no reason to wait for progress that can't come.
            Pause pause(kMostLooks, kMostPauseNs);
            do {
                look();
            } while (seen() < progress && pause.goes_on());
            for (std::uint64_t spin = random_.below(20'000); spin > 0; --spin)
                cpu_relax();
            if (random_.one_in(3) && has_let_go_) {
                kill_subscriber(random_.below(2));
            } else {
                kill_publisher(random_.below(publisher_count()));
            }
        }
    }

    void finish() {
        story_->stop_publishing.store(true);
        for (std::size_t slot = 0; slot < publisher_count(); ++slot) {
            while (!publishers_[slot].has_ended())
                look();
            exit_codes_ += publishers_[slot].wait().exit_code;
        }
        // A fresh publisher clears up after the last ones, and its event closes the story.
        {
            Publisher last = stream_.publisher("last");
            while (publish_next(last, story_->lives[next_life_], next_life_, Deadline::at_once()) !=
                   PublishStatus::ok) {
                look();
            }
            batch_counts_.push_back(1);
        }
        const Sequence end = witness_.region().tail().sequence;
        wait_until([&] {
            look();
            return story_->logs[0].next_sequence.load() == end &&
                   story_->logs[1].next_sequence.load() == end &&
                   story_->logs[kWitness].next_sequence.load() == end;
        });
        story_->stop_reading.store(true);
        for (ChildProcess& subscriber : subscribers_)
            exit_codes_ += subscriber.wait().exit_code;
    }

    // Fewer sequences may be missing than one open claim for each kill of a publisher.
    void judge() const {
        const StoryFacts facts = judge_story(*story_, kReaders, batch_counts_);
        CHECK(facts.faults == std::vector<std::string>{});
        CHECK(exit_codes_ == 0);
        CHECK(publisher_kills_ + subscriber_kills_ == kills_wanted());
        CHECK(publisher_kills_ > kills_wanted() / 4);
        CHECK(subscriber_kills_ > kills_wanted() / 16);
        const std::uint64_t end = witness_.region().tail().sequence;
        const std::uint64_t missing = end - facts.arrivals;
        CHECK(missing <= publisher_kills_ * kBatch);
        if (publishing_ == Publishing::single) CHECK(missing == 0);
        CHECK(witness_.region().tail().position > 10 * witness_.region().capacity_bytes());
        WARN("kills of publishers " << publisher_kills_ << ", of subscribers " << subscriber_kills_
                                    << ", events seen by all " << facts.arrivals
                                    << ", sequences taken by the dead " << missing);
    }

private:
    static StreamOptions make_options(Publishing publishing) {
        StreamOptions options = small_stream(publishing);
        options.capacity_bytes *= 2;
        return options;
    }

    void start_publisher(std::size_t slot) {
        const std::uint32_t life = next_life_++;
        const std::uint32_t batch = life % 3 == 2 ? kBatch : 1;
        const std::uint64_t seed = random_.next();
        batch_counts_.push_back(batch);
        publishers_[slot] = ChildProcess([this, life, batch, seed] {
            SeededRandom chance(seed);
            set_step_hook(tarry, &chance);
            return run_publisher(stream_, *story_, life, batch);
        });
    }

    void start_subscriber(std::size_t reader, Start start) {
        const std::uint64_t before = story_->logs[reader].attached.load();
        const std::uint64_t seed = random_.next();
        subscribers_[reader] = ChildProcess([this, reader, start, seed] {
            SeededRandom chance(seed);
            set_step_hook(tarry, &chance);
            return run_subscriber(stream_, *story_, reader, start);
        });
        if (before == 0) wait_until([&] { return story_->logs[reader].attached.load() > before; });
    }

    void kill_publisher(std::size_t slot) {
        if (!publishers_[slot].kill().was_killed()) ++exit_codes_;
        ++publisher_kills_;
        start_publisher(slot);
    }

    void kill_subscriber(std::size_t reader) {
        if (!subscribers_[reader].kill().was_killed()) ++exit_codes_;
        ++subscriber_kills_;
        start_subscriber(reader, Start::at(next_unread(reader)));
    }

    // What the reader has to read next, by what it has left behind: a killed one may have logged
    // more than its last word about itself.
    [[nodiscard]] Sequence next_unread(std::size_t reader) const {
        const auto& log = story_->logs[reader];
        const std::uint64_t count = log.count.load();
        const Sequence logged = count == 0 ? 0 : log.arrivals[count - 1].sequence + 1;
        return std::max(logged, log.next_sequence.load());
    }

    [[nodiscard]] std::uint64_t seen() const { return story_->logs[kWitness].count.load(); }

    // The witness reads what is there, and lets go of what both subscribers have read, but for a
    // quarter of the ring: a subscriber that starts anew begins at the checkpoint before the
    // sequence that it wants.
    void look() {
        const Run run = witness_.next_run(16 * 1024);
        if (run.count == 0) {
            ::sched_yield();
        } else {
            std::uint64_t offset = 0;
            for (std::uint64_t index = 0; index < run.count && !run.bytes.empty(); ++index) {
                const std::byte* const record = run.bytes.data() + offset;
                const EventHeader header = load_header(record);
                const Event event(run.first_sequence + index, header, record);
                if (!event.is_tombstone()) story_->logs[kWitness].add(event);
                offset += event_size_bytes(header.payload_size_bytes, header.extension_words, 16);
            }
            story_->logs[kWitness].next_sequence.store(witness_.next_sequence());
            marks_.push_back(witness_.mark());
        }
        const Sequence slowest = std::min(next_unread(0), next_unread(1));
        while (!marks_.empty() && marks_.front().sequence <= slowest) {
            kept_.push_back(marks_.front());
            marks_.pop_front();
        }
        const std::uint64_t kept_bytes = witness_.region().capacity_bytes() / 4;
        while (kept_.size() > 1 && kept_.front().position + kept_bytes < kept_.back().position) {
            witness_.release(kept_.front());
            kept_.pop_front();
            has_let_go_ = true;
        }
    }

    Publishing publishing_;
    SeededRandom& random_;
    TestStream stream_;
    SharedObject<CrashStory> story_;
    Subscriber witness_;
    std::deque<Place> marks_;  // ends of runs that somebody hasn't read yet
    std::deque<Place> kept_;   // ends of runs that all have read, still held
    std::array<ChildProcess, 2> publishers_;
    std::array<ChildProcess, 2> subscribers_;
    std::vector<std::uint32_t> batch_counts_;
    std::uint32_t next_life_ = 0;
    std::uint64_t publisher_kills_ = 0;
    std::uint64_t subscriber_kills_ = 0;
    bool has_let_go_ =
        false;  // before that, a subscriber's next event may be at the very end of the ring
    int exit_codes_ = 0;
};

}  // namespace

TEST_CASE("crash: kills at random instants lose nothing and repeat nothing", "[crash][random]") {
    const Publishing publishing = GENERATE(Publishing::multi, Publishing::single);
    const Watchdog watchdog("crash: kills at random instants", 280);
    SeededRandom random("random kills");
    Arena arena(publishing, random);

    arena.run();
    arena.finish();

    arena.judge();
}

}  // namespace random_kill_test
