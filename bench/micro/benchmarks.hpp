// What each micro benchmark program has: a file of its own defines it, and main.cpp calls it.
//
// Every benchmark looks once, outside the timed part, whether its calls did what they are for: one
// that fails, or that the compiler has taken out, is an error and no figure.
#pragma once

namespace tailrace::micro {

// Names all benchmarks of this program to Google Benchmark.
void register_benchmarks();

}  // namespace tailrace::micro
