// A peer's server, started for one run in a directory of its own and killed behind it.
#pragma once

#include <tailrace/base/result.hpp>

#include <functional>
#include <machine.hpp>
#include <string>
#include <vector>

namespace tailrace::bench {

// The program by its name in $PATH, on core 1 as Tailrace's recorder is, its output dropped.
[[nodiscard]] BenchChild start_server(const std::vector<std::string>& command);

// Asks until it answers. An error when the server has ended, or after ten seconds.
[[nodiscard]] Result<void> await_server(BenchChild& server, const std::function<bool()>& answers);

// A port of the loopback that nobody had a moment ago.
[[nodiscard]] int free_port();

}  // namespace tailrace::bench
