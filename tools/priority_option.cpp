#include "priority_option.hpp"

#include "command.hpp"
#include "units.hpp"

#include <fmt/format.h>
#include <optional>

namespace tailrace::tool {

Result<stream::Priority> parse_priority(std::string_view text) {
    constexpr std::string_view kNice = "nice=";
    constexpr std::string_view kFifo = "fifo=";
    using stream::PriorityKind;
    if (text == "normal") return stream::Priority{};
    if (text == "fifo") return stream::Priority{PriorityKind::fifo, stream::kDefaultFifoLevel};
    if (text.starts_with(kNice)) {
        const auto level = whole_number<int>(text.substr(kNice.size()));
        if (level && *level >= -20 && *level <= 19)
            return stream::Priority{PriorityKind::nice, *level};
    } else if (text.starts_with(kFifo)) {
        const auto level = whole_number<int>(text.substr(kFifo.size()));
        if (level && *level >= 1 && *level <= 99)
            return stream::Priority{PriorityKind::fifo, *level};
    }
    return make_error(ErrorCode::invalid_argument,
                      fmt::format("'{}' is not a priority", text),
                      "normal, nice=-20 to nice=19, fifo=1 to fifo=99 (fifo: 10)");
}

CLI::Option* add_priority_option(CLI::App& command, stream::Priority& priority) {
    return add_parsed(
               command,
               "--priority",
               priority,
               parse_priority,
               "How the writer is scheduled: normal (as it was started), nice=N, or fifo[=P] "
               "(in real time: it never waits for a core behind busy programs)")
        ->default_str("normal");
}

}  // namespace tailrace::tool
