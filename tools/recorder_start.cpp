#include "recorder_start.hpp"

#include "stop_signal.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/deadline.hpp>
#include <tailrace/bus/journal_board.hpp>

namespace tailrace::tool {

Result<void> await_recorder(const bus::Region& region, std::uint64_t patience_ns) {
    constexpr std::uint64_t kLookNs = 5'000'000;
    const bus::Deadline deadline = bus::Deadline::in_ns(patience_ns);
    for (;;) {
        auto checked = bus::check_durable(region);
        if (checked) return {};
        Error error = checked.error();
        if (error.code != ErrorCode::no_writer || deadline.has_passed() ||
            !sleep_until_ns(monotonic_ns() + kLookNs)) {
            error.message += "; nothing was published";
            return error;
        }
    }
}

}  // namespace tailrace::tool
