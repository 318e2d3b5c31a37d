#include "figure_help.hpp"

#include "text_flow.hpp"

#include <tailrace/observe/disk_room.hpp>
#include <tailrace/observe/group_health.hpp>
#include <tailrace/observe/holder.hpp>
#include <tailrace/observe/journal_figures.hpp>
#include <tailrace/observe/listing.hpp>
#include <tailrace/observe/machine_check.hpp>
#include <tailrace/observe/reader_health.hpp>
#include <tailrace/observe/stream_picture.hpp>

#include <fmt/format.h>
#include <span>
#include <string_view>

namespace tailrace::tool {

namespace {

template <typename Row>
std::string list_text(std::string_view where, std::span<const observe::Figure<Row>> figures) {
    constexpr std::size_t kColumn = 26;
    std::string text = fmt::format("{}:\n", where);
    for (const observe::Figure<Row>& figure : figures) {
        text += fmt::format("  {:<{}}", figure.name, kColumn - 2);
        text += wrapped(fmt::format("{} ({}{})",
                                    figure.help,
                                    observe::unit_name(figure.unit),
                                    figure.kind == observe::Kind::counter ? ", only grows" : ""),
                        kColumn,
                        kColumn);
    }
    return text + "\n";
}

}  // namespace

std::string figures_text() {
    return wrapped(
               "Keys of --json. Durations and times are in nanoseconds and strings, since they "
               "grow beyond 2^53. Bytes say whose they are: of payload, of the ring (payload, "
               "header and padding), or on disk. In the metrics of tailrace serve the same figures "
               "are named after their row: lag_ns of a reader is tailrace_reader_lag_seconds, and "
               "what only grows ends with _total.",
               0,
               0) +
           "\n" + list_text("lag, readers", observe::reader_figures()) +
           list_text("lag, groups; and group ls, group show", observe::group_figures()) +
           list_text("lag, groups, members", observe::group_member_figures()) +
           list_text("lag, holders", observe::holder_figures()) +
           list_text("lag, holders, held_up", observe::held_publisher_figures()) +
           list_text("ls, streams", observe::listing_figures()) +
           list_text("inspect NAME", observe::stream_figures()) +
           list_text("inspect NAME, publishers", observe::publisher_figures()) +
           list_text("inspect NAME, publishers, counts; and all_publishers",
                     observe::publisher_count_figures()) +
           list_text("inspect NAME, readers", observe::subscriber_figures()) +
           list_text("inspect NAME, readers, counts; and all_readers",
                     observe::subscriber_count_figures()) +
           list_text("inspect NAME, journal", observe::ring_journal_figures()) +
           list_text("inspect DIRECTORY", observe::journal_figures()) +
           list_text("inspect DIRECTORY, missing", observe::missing_segments_figures()) +
           list_text("inspect DIRECTORY --segments, segments", observe::segment_figures()) +
           list_text("serve, disk and rings", observe::disk_room_figures()) +
           list_text("doctor, checks", observe::check_figures());
}

}  // namespace tailrace::tool
