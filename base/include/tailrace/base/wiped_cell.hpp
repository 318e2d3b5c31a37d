// WipedCell: a little memory that a forked child finds zeroed.
//
// A handle of its parent's (a lock, a place in a ring) must not go on in a child. What the handle
// looks at anyway lies in such a cell, so that the child's first look already says that it is dead,
// and nobody pays for it. The kernel wipes the pages (MADV_WIPEONFORK), also for a raw clone();
// where it can't, a pthread_atfork handler does, and then a raw clone() goes unnoticed. Cells are
// never unmapped: a look at one that was given back is a look at zeroes, or at the next owner's.
// Any thread.
#pragma once

#include <cstddef>

namespace tailrace {

inline constexpr std::size_t kWipedCellBytes = 64;

// Zeroed, at a cache line's begin. Null: no memory left. A system call for every 64th.
[[nodiscard]] void* take_wiped_cell() noexcept;
// In a forked child too.
void give_back_wiped_cell(void* cell) noexcept;

}  // namespace tailrace
