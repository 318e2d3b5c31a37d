#include "support/child_process.hpp"

#include <tailrace/base/home_process.hpp>
#include <tailrace/base/wiped_cell.hpp>

#include <catch2/catch.hpp>

#include <cstring>

namespace home_process_test {

using namespace tailrace;
using namespace tailrace::test;

TEST_CASE("home process: a child is another one, and so is each child's child",
          "[base][home_process]") {
    const HomeProcess parent;
    CHECK(parent.is_here());
    const auto body = [&] {
        if (parent.is_here()) return 1;
        const HomeProcess child;
        if (!child.is_here() || parent.is_here()) return 2;
        return raw_clone([&] {
            const HomeProcess grandchild;
            return parent.is_here() || child.is_here() || !grandchild.is_here() ? 3 : 0;
        });
    };
    CHECK(ChildProcess(body).wait().exit_code == 0);
    CHECK(raw_clone(body) == 0);
    CHECK(parent.is_here());
}

TEST_CASE("wiped cell: it is zero in a child, and the child's own are others",
          "[base][home_process]") {
    void* const cell = take_wiped_cell();
    REQUIRE(cell != nullptr);
    std::memset(cell, 7, kWipedCellBytes);
    const auto body = [&] {
        static constexpr char kZeroes[kWipedCellBytes] = {};
        if (std::memcmp(cell, kZeroes, kWipedCellBytes) != 0) return 1;
        void* const own = take_wiped_cell();
        return own != nullptr && own != cell ? 0 : 2;
    };
    CHECK(ChildProcess(body).wait().exit_code == 0);
    CHECK(raw_clone(body) == 0);
    CHECK(static_cast<const char*>(cell)[kWipedCellBytes - 1] == 7);
    give_back_wiped_cell(cell);
    CHECK(take_wiped_cell() == cell);
    CHECK(static_cast<const char*>(cell)[0] == 0);
    give_back_wiped_cell(cell);
}

}  // namespace home_process_test
