// Distances that keep two writers apart.
//
// A cache line is what moves between cores. The adjacent-line prefetcher of x86 moves pairs of
// them, so words with different writers stand a pair apart: one line apart still costs a miss now
// and then.
#pragma once

#include <cstddef>

namespace tailrace {

inline constexpr std::size_t kCacheLineBytes = 64;
inline constexpr std::size_t kWriterDistanceBytes = 2 * kCacheLineBytes;

}  // namespace tailrace
