#include <tailrace/base/position.hpp>

#include <catch2/catch.hpp>

namespace position_test {

using namespace tailrace;
using Kind = Position::Kind;

TEST_CASE("position: relative ones stay within the range, absolute ones are left alone.") {
    const auto sequence_at = [](Position position) {
        return resolve(position, 100, 200, 5'000).sequence.value();
    };
    CHECK(sequence_at({Kind::start, 0}) == 100);
    CHECK(sequence_at({Kind::end, 0}) == 200);
    CHECK(sequence_at({Kind::after_start, 30}) == 130);
    CHECK(sequence_at({Kind::after_start, 300}) == 200);
    CHECK(sequence_at({Kind::before_end, 30}) == 170);
    CHECK(sequence_at({Kind::before_end, 300}) == 100);
    CHECK(sequence_at({Kind::sequence, 7}) == 7);
    CHECK(sequence_at({Kind::sequence, 700}) == 700);
    CHECK(resolve({Kind::time, 42}, 100, 200, 5'000).time_ns == 42U);
    CHECK(resolve({Kind::before_now, 1'000}, 100, 200, 5'000).time_ns == 4'000U);
    CHECK(resolve({Kind::before_now, 9'000}, 100, 200, 5'000).time_ns == 0U);
    CHECK_FALSE(resolve({Kind::time, 42}, 100, 200, 5'000).sequence.has_value());
    CHECK(resolve({Kind::before_end, 3}, 100, 100, 5'000).sequence == 100U);
}

}  // namespace position_test
