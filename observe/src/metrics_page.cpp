#include <tailrace/observe/metrics_page.hpp>

namespace tailrace::observe {

namespace {

template <typename Row>
using Rows = std::vector<MetricRow<Row>>;

template <typename Row>
std::span<const MetricRow<Row>> all_of(const Rows<Row>& rows) {
    return rows;
}

void add_streams(MetricsText& text, const Look& look) {
    Rows<StreamPicture> streams;
    Rows<StreamPicture> journals;
    Rows<bus::PublisherCounts> publishers;
    Rows<bus::SubscriberCounts> readers;
    Rows<DiskRoom> disks;
    for (const StreamLook& stream : look.streams) {
        const StreamPicture& picture = stream.picture;
        const MetricLabels labels{{"stream", picture.stream}};
        streams.push_back({labels, &picture});
        publishers.push_back({labels, &picture.status.all_publishers});
        readers.push_back({labels, &picture.status.all_subscribers});
        if (picture.status.journal) journals.push_back({labels, &picture});
        if (stream.disk) disks.push_back({labels, &*stream.disk});
    }
    text.add("tailrace_stream", stream_figures(), all_of(streams));
    text.add("tailrace_publishers", publisher_count_figures(), all_of(publishers));
    text.add("tailrace_readers", subscriber_count_figures(), all_of(readers));
    text.add("tailrace_journal", ring_journal_figures(), all_of(journals));
    text.add("tailrace_journal_disk", disk_room_figures(), all_of(disks));
}

void add_publishers(MetricsText& text, const Look& look) {
    Rows<bus::PublisherCounts> counts;
    Rows<HeldPublisher> held;
    for (const StreamLook& stream : look.streams) {
        for (const bus::PublisherStatus& publisher : stream.picture.status.publishers) {
            counts.push_back({{{"stream", stream.picture.stream}, {"publisher", publisher.name}},
                              &publisher.counts});
        }
        for (const HeldPublisher& publisher : stream.health.held_up) {
            held.push_back({{{"stream", stream.picture.stream}, {"publisher", publisher.publisher}},
                            &publisher});
        }
    }
    tell_twins_apart(counts);
    tell_twins_apart(held);
    text.add("tailrace_publisher", publisher_count_figures(), all_of(counts));
    text.add("tailrace_publisher", held_publisher_figures(), all_of(held));
}

void add_readers(MetricsText& text, const Look& look) {
    Rows<ReaderHealth> readers;
    for (const StreamLook& stream : look.streams) {
        for (const ReaderHealth& reader : stream.health.readers)
            readers.push_back({{{"stream", reader.stream}, {"reader", reader.reader}}, &reader});
    }
    tell_twins_apart(readers);
    text.add("tailrace_reader", reader_figures(), all_of(readers));
    for (const std::string_view word : {"state", "urgency"}) {
        text.add_words("tailrace_reader", figure_named(reader_figures(), word), all_of(readers));
    }
}

void add_groups(MetricsText& text, const Look& look) {
    Rows<GroupHealth> groups;
    Rows<stream::GroupMemberStatus> members;
    for (const StreamLook& stream : look.streams) {
        for (const GroupHealth& group : stream.health.groups) {
            const MetricLabels labels{{"stream", group.stream}, {"group", group.status.group}};
            groups.push_back({labels, &group});
            for (const stream::GroupMemberStatus& member : group.status.members) {
                MetricLabels own = labels;
                own.add("seat", std::to_string(member.seat));
                members.push_back({std::move(own), &member});
            }
        }
    }
    text.add("tailrace_group", group_figures(), all_of(groups));
    text.add_words("tailrace_group", figure_named(group_figures(), "state"), all_of(groups));
    text.add("tailrace_group_member", group_member_figures(), all_of(members));
}

void add_host(MetricsText& text, const Look& look, std::string_view version) {
    Rows<DiskRoom> rings;
    if (look.rings) rings.push_back({{}, &*look.rings});
    text.add("tailrace_rings", disk_room_figures(), all_of(rings));
    text.add_gauge("tailrace_unreadable_streams",
                   "streams that are there and can't be read; tailrace ls says why",
                   static_cast<double>(look.problems.size()));
    text.add_gauge("tailrace_look_duration_seconds",
                   "how long the look took that this page shows",
                   static_cast<double>(look.duration_ns) / 1e9);
    text.add_info("tailrace_build", "what made this page", {{"version", version}});
}

}  // namespace

std::string metrics_page(const Look& look, MetricsFormat format, std::string_view version) {
    MetricsText text(format);
    add_streams(text, look);
    add_publishers(text, look);
    add_readers(text, look);
    add_groups(text, look);
    add_host(text, look, version);
    return text.finish();
}

}  // namespace tailrace::observe
