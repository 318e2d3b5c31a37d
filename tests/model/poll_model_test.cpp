// Arming a poll descriptor and telling it, in all orders: nobody stays armed beside an event.

#include "model/interleaver.hpp"
#include "model/model_ring.hpp"
#include "support/watchdog.hpp"

#include <catch2/catch.hpp>

#include <string_view>

namespace poll_model_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;

namespace {

bool is_about_polling(std::string_view step) {
    return step.starts_with("arm.") || step.starts_with("wake.") || step == "sleep.announced" ||
           step == "publisher.stamped" || step == "publisher.tail_stored" ||
           step == "publisher.swap_won";
}

// An event loop of the model. Its wait has no end of its own: it ends when somebody has written a
// byte since it began to listen, which is what makes the real descriptor readable.
class ModelLoop {
public:
    ModelLoop(Interleaver& run, std::string_view actor, Subscriber& reader)
        : run_(run),
          actor_(actor),
          reader_(reader) {}

    void at(std::string_view step) {
        if (step == "wake.told") is_told_ = true;
        if (step == "arm.listens" && run_.running() == actor_) is_told_ = false;
    }
    void read(std::uint64_t events) {
        std::uint64_t got = 0;
        while (got < events) {
            if (!reader_.arm()) {
                waited = true;
                run_.block_until([this] { return is_told_; });
            }
            got += reader_.poll([](const Event&) {}, 1).events;
        }
    }

    bool waited = false;

private:
    Interleaver& run_;
    std::string_view actor_;
    Subscriber& reader_;
    bool is_told_ = false;
};

}  // namespace

TEST_CASE("model: an event loop isn't left waiting beside an event", "[model][poll]") {
    const Watchdog watchdog("model: an event loop isn't left waiting", 500);
    ModelRing ring(model_stream(GENERATE(Publishing::multi, Publishing::single)));
    Publisher& publisher = ring.keep_publisher();
    Subscriber& reader = ring.keep_subscriber();
    REQUIRE(reader.poll_fd());
    ring.remember();

    const Exploration seen = explore({.preemptions = preemptions(4)}, [&](Interleaver& run) {
        ring.reset();
        ModelLoop loop(run, "reader", reader);
        run.switch_at(is_about_polling);
        run.at_step([&](std::string_view step) { loop.at(step); });
        run.actor("publisher", [&] {
            static_cast<void>(publish_even(publisher, 8, 0));
            static_cast<void>(publish_even(publisher, 8, 1));
        });
        run.actor("reader", [&] { loop.read(2); });
        if (!run.play()) run.outcome("waits beside an event");
        run.outcome(loop.waited ? "waited" : "never waited");
    });

    INFO(seen.example({"waits beside an event"}));
    CHECK(seen.count("waits beside an event") == 0);
    CHECK(seen.count("waited") > 0);
    CHECK(seen.count("never waited") > 0);
    CHECK(seen.is_complete);
}

TEST_CASE("model: two event loops are both told, by two publishers", "[model][poll]") {
    const Watchdog watchdog("model: two event loops are both told", 500);
    ModelRing ring;
    Publisher& first_publisher = ring.keep_publisher();
    Publisher& second_publisher = ring.keep_publisher();
    Subscriber& first = ring.keep_subscriber();
    Subscriber& second = ring.keep_subscriber();
    REQUIRE(first.poll_fd());
    REQUIRE(second.poll_fd());
    ring.remember();

    const Exploration seen = explore({.preemptions = preemptions(2)}, [&](Interleaver& run) {
        ring.reset();
        ModelLoop first_loop(run, "first", first);
        ModelLoop second_loop(run, "second", second);
        run.switch_at(is_about_polling);
        run.at_step([&](std::string_view step) {
            first_loop.at(step);
            second_loop.at(step);
        });
        run.actor("publisher 1", [&] { static_cast<void>(publish_even(first_publisher, 8, 0)); });
        run.actor("publisher 2", [&] { static_cast<void>(publish_even(second_publisher, 8, 1)); });
        run.actor("first", [&] { first_loop.read(2); });
        run.actor("second", [&] { second_loop.read(2); });
        if (!run.play()) run.outcome("waits beside an event");
        if (first_loop.waited && second_loop.waited) run.outcome("both waited");
    });

    INFO(seen.example({"waits beside an event"}));
    CHECK(seen.count("waits beside an event") == 0);
    CHECK(seen.count("both waited") > 0);
    CHECK(seen.is_complete);
}

}  // namespace poll_model_test
