#include "stream_report.hpp"

#include "command.hpp"
#include "figure_table.hpp"
#include "observed_json.hpp"
#include "table.hpp"
#include "text_flow.hpp"
#include "units.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/shortage.hpp>
#include <tailrace/observe/stream_picture.hpp>

#include <array>
#include <fmt/format.h>
#include <span>
#include <utility>
#include <variant>
#include <vector>

namespace tailrace::tool {

namespace {

using observe::StreamPicture;

void print_members(const bus::StreamStatus& status) {
    if (status.publishers.empty() && status.subscribers.empty()) return;
    const std::uint64_t now_ns = wall_clock_ns();
    Table table({"ROLE", "NAME", ">PID", "SINCE", ">NEXT", "STATE"});
    table.can_do_without({"SINCE", "PID"});
    table.may_shorten({"NAME"});
    for (const bus::PublisherStatus& publisher : status.publishers) {
        table.add({"publisher",
                   publisher.name,
                   std::to_string(publisher.pid),
                   clock_text(publisher.attached_ns, now_ns),
                   "",
                   !publisher.is_alive  ? "DEAD"
                   : publisher.in_claim ? "in a claim"
                                        : "alive"});
    }
    for (const bus::SubscriberStatus& subscriber : status.subscribers) {
        table.add({"reader",
                   subscriber.name,
                   std::to_string(subscriber.pid),
                   clock_text(subscriber.attached_ns, now_ns),
                   count_text(subscriber.sequence),
                   subscriber.is_alive ? "alive" : "DEAD"});
    }
    out().write(table.text());
}

constexpr auto kPublisherColumns = std::to_array<FigureColumn>({
    {">EVENTS", "events"},
    {">RING-BYTES", "bytes"},
    {">ABORTED", "aborted_events"},
    {">REFUSED", "refused_claims"},
    {">WAITS", "waits"},
    {">WAITED", "wait_ns"},
    {">LONGEST", "longest_wait_ns"},
    {">WAKES", "wakes"},
    {">RESCUED", "rescued_events"},
    {">EVICTED", "evicted_readers"},
});
constexpr auto kReaderColumns = std::to_array<FigureColumn>({
    {">EVENTS", "events"},
    {">RING-BYTES", "bytes"},
    {">LOST", "lost_events"},
    {">GAPS", "gaps"},
    {">FILTERED", "filtered_events"},
    {">TOMBSTONES", "tombstones"},
    {">SLEEPS", "sleeps"},
    {">SLEPT", "sleep_ns"},
    {">WAKES", "wakes"},
    {">EVICTIONS", "evictions"},
});

// What was counted, by slot and in all.
template <typename Counts>
class CountTable {
public:
    CountTable(const char* who,
               std::span<const FigureColumn> columns,
               std::span<const observe::Figure<Counts>> figures)
        : columns_(columns),
          figures_(figures),
          table_(with_first(who, headings_of(columns))) {
        table_.may_shorten({who});
    }

    [[nodiscard]] Table& table() noexcept { return table_; }

    void add(const std::string& name, const Counts& counts) {
        table_.add(with_first(name, cells_of(columns_, figures_, counts)));
    }

private:
    static std::vector<std::string> with_first(std::string first, std::vector<std::string> rest) {
        rest.insert(rest.begin(), std::move(first));
        return rest;
    }

    std::span<const FigureColumn> columns_;
    std::span<const observe::Figure<Counts>> figures_;
    Table table_;
};

void print_counts(const bus::StreamStatus& status) {
    if (status.publisher_attaches == 0 && status.subscriber_attaches == 0) return;
    CountTable publishers("PUBLISHER", kPublisherColumns, observe::publisher_count_figures());
    publishers.table().can_do_without(
        {"RESCUED", "EVICTED", "WAKES", "ABORTED", "LONGEST", "REFUSED", "RING-BYTES", "WAITS"});
    for (const bus::PublisherStatus& publisher : status.publishers)
        publishers.add(publisher.name, publisher.counts);
    publishers.add(fmt::format("all {}", status.publisher_attaches), status.all_publishers);
    out().write(publishers.table().text());
    CountTable readers("READER", kReaderColumns, observe::subscriber_count_figures());
    readers.table().can_do_without(
        {"TOMBSTONES", "EVICTIONS", "WAKES", "SLEPT", "SLEEPS", "FILTERED", "RING-BYTES", "GAPS"});
    for (const bus::SubscriberStatus& subscriber : status.subscribers)
        readers.add(subscriber.name, subscriber.counts);
    readers.add(fmt::format("all {}", status.subscriber_attaches), status.all_subscribers);
    out().write(readers.table().text());
}

std::string writer_text(const StreamPicture& picture) {
    const bus::JournalStatus& journal = *picture.status.journal;
    if (journal.state == bus::JournalState::failed)
        return fmt::format(" ({})", errno_text(journal.os_errno));
    if (!journal.is_alive) return {};
    const observe::Value priority =
        observe::figure_named(observe::ring_journal_figures(), "priority").get(picture);
    const auto* const text = std::get_if<std::string>(&priority);
    return text == nullptr ? fmt::format(" (pid {})", journal.pid)
                           : fmt::format(" (pid {}, priority {})", journal.pid, *text);
}

std::string journal_field(const StreamPicture& picture) {
    if (!picture.status.journal) return field_text("journal", {"off"});
    const bus::JournalStatus& journal = *picture.status.journal;
    const std::string directory = picture.header.journal_directory.data();
    return field_text(
        "journal",
        {directory.empty() ? "(not named by the stream)" : directory,
         fmt::format("{}{}", observe::journal_state_name(journal), writer_text(picture)),
         fmt::format("durable below {}", journal.durable_sequence),
         journal.holds ? "publishers wait while nobody records" : ""});
}

void print_fields(const StreamPicture& picture) {
    const bus::StreamHeader& header = picture.header;
    const bus::StreamStatus& status = picture.status;
    const auto figure = [&](std::string_view name) {
        return observe::text_of(observe::figure_named(observe::stream_figures(), name), picture);
    };
    out().write(
        field_text("stream", {picture.stream, "id " + figure("id"), "layout " + figure("layout")}));
    out().write(field_text("ring",
                           {size_text(header.capacity_bytes),
                            picture.path,
                            fmt::format("payload up to {}", size_text(header.max_payload_bytes)),
                            fmt::format("align {}", header.alignment_bytes),
                            header.publishing == bus::Publishing::single
                                ? "one publisher"
                                : fmt::format("{} publisher slots", header.publisher_slots),
                            "publish time " + figure("publish_time")}));
    out().write(field_text(
        "pages",
        {figure("pages"),
         "mode " + figure("mode"),
         header.group_id == bus::kNoGroup ? "" : fmt::format("group {}", header.group_id)}));
    out().write(field_text("created", {time_text(header.created_ns)}));
    out().write(field_text("events",
                           {fmt::format("next sequence {}, readable from {}, this ring began at {}",
                                        status.end_sequence,
                                        status.oldest_sequence,
                                        status.first_sequence)}));
    if (status.rescued_events != 0 || status.reclaimed_subscribers != 0) {
        out().write(
            field_text("deaths",
                       {fmt::format("{} for claims of dead publishers, {} released",
                                    counted(status.rescued_events, "tombstone"),
                                    counted(status.reclaimed_subscribers, "dead reader"))}));
    }
    out().write(journal_field(picture));
}

}  // namespace

Result<ExitCode> inspect_stream(const std::shared_ptr<bus::Region>& region) {
    const StreamPicture picture = observe::picture_of(region);
    if (settings().json()) {
        out().write_json(stream_json(picture));
        return ExitCode::done;
    }
    print_fields(picture);
    print_members(picture.status);
    print_counts(picture.status);
    return ExitCode::done;
}

}  // namespace tailrace::tool
