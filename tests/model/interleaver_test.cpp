// The explorer itself: it finds what it must find, and counts what there is.

#include "model/interleaver.hpp"

#include <catch2/catch.hpp>

#include <set>
#include <string>

namespace interleaver_test {

using namespace tailrace::test;

TEST_CASE("interleaver: two actors of three pieces have twenty schedules", "[model][interleaver]") {
    std::map<std::string, int> orders;
    const Exploration seen = explore({.preemptions = 99}, [&](Interleaver& run) {
        std::string order;
        for (const char* const name : {"a", "b"}) {
            run.actor(name, [&run, &order, name] {
                for (int piece = 0; piece < 3; ++piece) {
                    order += name;
                    if (piece < 2) run.step("piece");
                }
            });
        }
        CHECK(run.play());
        ++orders[order];
    });

    CHECK(seen.is_complete);
    CHECK(seen.schedules == 20);
    CHECK(orders.size() == 20);
}

TEST_CASE("interleaver: without preemptions actors run one after the other",
          "[model][interleaver]") {
    const Exploration seen = explore({.preemptions = 0}, [&](Interleaver& run) {
        std::string order;
        for (const char* const name : {"a", "b"}) {
            run.actor(name, [&run, &order, name] {
                order += name;
                run.step("piece");
                order += name;
            });
        }
        CHECK(run.play());
        run.outcome(order);
    });

    CHECK(seen.is_complete);
    CHECK(seen.count("aabb") == 1);
    CHECK(seen.count("bbaa") == 1);
    CHECK(seen.schedules == 2);
}

TEST_CASE("interleaver: an update that isn't atomic is lost in some schedules",
          "[model][interleaver]") {
    const Exploration seen = explore({.preemptions = 1}, [&](Interleaver& run) {
        int counter = 0;
        for (const char* const name : {"a", "b"}) {
            run.actor(name, [&] {
                const int read = counter;
                run.step("read");
                counter = read + 1;
            });
        }
        run.play();
        run.outcome(counter == 2 ? "both" : "one lost");
    });

    CHECK(seen.count("both") > 0);
    CHECK(seen.count("one lost") > 0);
    CHECK(seen.example({"one lost"}).find("read") != std::string::npos);
}

TEST_CASE("interleaver: actors that wait for each other are found out", "[model][interleaver]") {
    const Exploration seen = explore({.preemptions = 1}, [&](Interleaver& run) {
        bool a = false;
        bool b = false;
        run.actor("a", [&] {
            run.block_until([&] { return b; });
            a = true;
        });
        run.actor("b", [&] {
            run.block_until([&] { return a; });
            b = true;
        });
        run.outcome(run.play() ? "ended" : "stuck");
    });

    CHECK(seen.count("stuck") == seen.schedules);
}

TEST_CASE("interleaver: the samples of a stride are together all schedules, none of them twice",
          "[model][interleaver]") {
    const auto schedules = [](const Limits& limits) {
        std::set<std::string> orders;
        const Exploration seen = explore(limits, [&](Interleaver& run) {
            std::string order;
            for (const char* const name : {"a", "b"}) {
                run.actor(name, [&run, &order, name] {
                    for (int piece = 0; piece < 3; ++piece) {
                        order += name;
                        run.step("piece");
                        order += name;
                    }
                });
            }
            CHECK(run.play());
            orders.insert(order);
        });
        CHECK(orders.size() == seen.schedules);
        return orders;
    };
    const std::set<std::string> unhurried = schedules({.preemptions = 0});
    const std::set<std::string> all = schedules({.preemptions = 2});

    std::set<std::string> together = unhurried;
    for (std::uint64_t offset = 0; offset < 3; ++offset) {
        const auto sample =
            schedules({.preemptions = 2, .first_stride = 3, .first_offset = offset});
        CHECK(sample.size() < all.size());
        for (const std::string& order : sample) {
            if (unhurried.count(order) == 0) CHECK(together.insert(order).second);
        }
    }
    CHECK(together == all);
}

TEST_CASE("interleaver: a mortal actor dies at each of its steps", "[model][interleaver]") {
    const Exploration seen = explore({.preemptions = 0}, [&](Interleaver& run) {
        int done = 0;
        int deaths = 0;
        run.actor(
            "mortal",
            [&] {
                for (; done < 3; ++done)
                    run.step("piece");
            },
            [&] { ++deaths; });
        CHECK(run.play());
        CHECK(run.has_died("mortal") == (deaths == 1));
        run.outcome(deaths == 0 ? "lived" : "died after " + std::to_string(done));
    });

    CHECK(seen.is_complete);
    CHECK(seen.schedules == 4);
    CHECK(seen.count("lived") == 1);
    CHECK(seen.count("died after 0") == 1);
    CHECK(seen.count("died after 2") == 1);
}

}  // namespace interleaver_test
