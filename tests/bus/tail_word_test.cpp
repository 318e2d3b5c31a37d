#include "support/seeded_random.hpp"

#include <tailrace/bus/tail_word.hpp>

#include <catch2/catch.hpp>

namespace tail_word_test {

using namespace tailrace;
using namespace tailrace::bus;

namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;

}  // namespace

TEST_CASE("tail word: a place near the reference decodes in full", "[bus][tail_word]") {
    const Place place{7, 1024};

    CHECK(unpack_tail(pack_tail(place), {0, 0}) == place);
    CHECK(unpack_tail(pack_tail(place), place) == place);
    CHECK(unpack_tail(pack_tail(place), {100, 64 * 1024}) == place);
}

TEST_CASE("tail word: a claim adds its count and its size", "[bus][tail_word]") {
    const Place place{41, 4096};

    const std::uint64_t word = pack_tail(place) + tail_step(3, 192);

    CHECK(unpack_tail(word, place) == Place{44, 4096 + 192});
}

TEST_CASE("tail word: positions beyond 64 GiB carry and still decode", "[bus][tail_word]") {
    const Place below{1'000'000, 64 * kGiB - 32};

    const std::uint64_t word = pack_tail(below) + tail_step(1, 64);

    CHECK(unpack_tail(word, below) == Place{1'000'001, 64 * kGiB + 32});
    CHECK(unpack_tail(word, {1'000'001, 64 * kGiB + kGiB}) == Place{1'000'001, 64 * kGiB + 32});
}

TEST_CASE("tail word: sequences beyond 2^32 and positions beyond many laps decode",
          "[bus][tail_word]") {
    const Place places[] = {
        {(std::uint64_t{1} << 32U) - 1, 100 * kGiB},
        {std::uint64_t{1} << 32U, 1000 * kGiB - 16},
        {std::uint64_t{1} << 45U, 4'000'000 * kGiB + 48},
        {(std::uint64_t{1} << 62U) + 12345, (std::uint64_t{1} << 60U) + 16},
    };

    for (const Place& place : places) {
        CHECK(unpack_tail(pack_tail(place), place) == place);
        CHECK(unpack_tail(pack_tail(place), {place.sequence - 1000, place.position - kGiB}) ==
              place);
        CHECK(unpack_tail(pack_tail(place), {place.sequence + 1000, place.position + kGiB}) ==
              place);
    }
}

TEST_CASE("tail word: both halves decode to within half their range, and no further",
          "[bus][tail_word]") {
    constexpr std::uint64_t kHalfEvents = std::uint64_t{1} << 31U;
    const Place place{std::uint64_t{1} << 40U, 5000 * kGiB};
    const std::uint64_t word = pack_tail(place);

    CHECK(unpack_tail(word, {place.sequence - kHalfEvents + 1, place.position}) == place);
    CHECK(unpack_tail(word, {place.sequence + kHalfEvents, place.position}) == place);
    CHECK(unpack_tail(word, {place.sequence, place.position - 32 * kGiB + 16}) == place);
    CHECK(unpack_tail(word, {place.sequence, place.position + 32 * kGiB}) == place);

    CHECK_FALSE(unpack_tail(word, {place.sequence - kHalfEvents - 1, place.position}) == place);
    CHECK_FALSE(unpack_tail(word, {place.sequence, place.position + 33 * kGiB}) == place);
}

TEST_CASE("tail word: a long walk by random claims never loses its place", "[bus][tail_word]") {
    test::SeededRandom random("tail word walk");
    Place place{0, 0};
    std::uint64_t word = pack_tail(place);
    Place reference = place;

    std::uint64_t wrong = 0;
    for (int claim = 0; claim < 200'000; ++claim) {
        const std::uint64_t count = 1 + random.below(5000);
        const std::uint64_t size_bytes = 16 * (count + random.below(std::uint64_t{1} << 24U));
        word += tail_step(count, size_bytes);
        place = {place.sequence + count, place.position + size_bytes};
        if (random.one_in(8)) reference = place;
        if (unpack_tail(word, reference) != place) ++wrong;
    }

    CHECK(wrong == 0);
    CHECK(place.position > 10'000 * kGiB);
    CHECK(place.sequence > 100'000'000);
}

}  // namespace tail_word_test
