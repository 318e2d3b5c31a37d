#include "durable_choice.hpp"

#include <catch2/catch.hpp>

namespace tailrace::journal::durable_choice_test {

namespace {

// Each write takes what its kind takes at the moment; returns how many of `count` used `kind`.
int count_of(DurableChooser& chooser,
             int count,
             DurableWrite kind,
             std::uint64_t call_ns,
             std::uint64_t linked_ns) {
    int used = 0;
    for (int i = 0; i < count; ++i) {
        const DurableWrite next = chooser.next();
        if (next == kind) ++used;
        chooser.note(next, next == DurableWrite::linked_flush ? linked_ns : call_ns);
    }
    return used;
}

}  // namespace

TEST_CASE("durable choice: the fastest is taken, the others hardly ever", "[journal][durable]") {
    DurableChooser chooser;
    chooser.add(DurableWrite::dsync_call, 95'000);
    chooser.add(DurableWrite::linked_flush, 106'000);
    const int linked = count_of(chooser, 10'000, DurableWrite::linked_flush, 95'000, 106'000);
    CHECK(linked > 0);
    CHECK(linked < 100);
    CHECK(chooser.fastest() == DurableWrite::dsync_call);
}

TEST_CASE("durable choice: one that gets slow is left at once, and taken again when it is fast",
          "[journal][durable]") {
    DurableChooser chooser;
    chooser.add(DurableWrite::dsync_call, 95'000);
    chooser.add(DurableWrite::linked_flush, 106'000);
    // The cores are busy: a call waits for the scheduler's tick.
    CHECK(count_of(chooser, 200, DurableWrite::linked_flush, 4'000'000, 170'000) > 190);
    CHECK(chooser.fastest() == DurableWrite::linked_flush);
    // They are idle again.
    static_cast<void>(count_of(chooser, 20'000, DurableWrite::linked_flush, 95'000, 106'000));
    CHECK(chooser.fastest() == DurableWrite::dsync_call);
}

TEST_CASE("durable choice: a single kind is for good, none is none", "[journal][durable]") {
    DurableChooser one(DurableWrite::flushed_call);
    for (int i = 0; i < 1000; ++i) {
        REQUIRE(one.next() == DurableWrite::flushed_call);
        one.note(DurableWrite::flushed_call, 1'000'000'000);
    }
    CHECK_FALSE(DurableChooser(DurableWrite::separate).has_any());
    CHECK(DurableChooser().fastest() == DurableWrite::separate);
}

}  // namespace tailrace::journal::durable_choice_test
