#include "observed_json.hpp"

#include "figure_json.hpp"

#include <tailrace/observe/disk_room.hpp>
#include <tailrace/observe/holder.hpp>
#include <tailrace/observe/reader_health.hpp>

#include <optional>
#include <utility>

namespace tailrace::tool {

namespace {

void add_totals(Json& document, const bus::StreamStatus& status) {
    document["all_publishers"] =
        figures_json(observe::publisher_count_figures(), status.all_publishers);
    document["all_readers"] =
        figures_json(observe::subscriber_count_figures(), status.all_subscribers);
}

void add_journal(Json& document, const observe::StreamPicture& picture) {
    document["journal"] =
        picture.status.journal ? figures_json(observe::ring_journal_figures(), picture) : Json();
}

Json disk_json(const std::optional<observe::DiskRoom>& disk) {
    return disk ? figures_json(observe::disk_room_figures(), *disk) : Json();
}

Json holder_json(const observe::StreamHealth& health) {
    Json holder = figures_json(observe::holder_figures(), *health.holder);
    holder["held_up"] = Json::array();
    for (const observe::HeldPublisher& publisher : health.held_up)
        holder["held_up"].push_back(figures_json(observe::held_publisher_figures(), publisher));
    return holder;
}

}  // namespace

Json empty_lag_json(std::uint64_t time_ns) {
    Json document;
    document["time_ns"] = ns_string(time_ns);
    document["readers"] = Json::array();
    document["groups"] = Json::array();
    document["holders"] = Json::array();
    document["clocks"] = Json::array();
    return document;
}

void add_health(Json& document, const observe::StreamHealth& health) {
    for (const observe::ReaderHealth& reader : health.readers)
        document["readers"].push_back(figures_json(observe::reader_figures(), reader));
    for (const observe::GroupHealth& group : health.groups)
        document["groups"].push_back(group_json(group));
    if (health.holder) document["holders"].push_back(holder_json(health));
    if (!health.clock) return;
    Json clock;
    clock["stream"] = health.stream;
    clock["trouble"] = health.clock->what;
    clock["hint"] = health.clock->hint;
    document["clocks"].push_back(std::move(clock));
}

Json group_json(const observe::GroupHealth& group) {
    Json json = figures_json(observe::group_figures(), group);
    json["losses"] = Json::array();
    for (const bus::Gap& loss : group.status.losses)
        json["losses"].push_back({{"first_seq", loss.first}, {"events", loss.count}});
    json["members"] = Json::array();
    for (const stream::GroupMemberStatus& member : group.status.members)
        json["members"].push_back(figures_json(observe::group_member_figures(), member));
    return json;
}

Json listing_json(std::span<const observe::ListedStream> streams) {
    Json document;
    document["streams"] = Json::array();
    for (const observe::ListedStream& row : streams)
        document["streams"].push_back(figures_json(observe::listing_figures(), row));
    return document;
}

Json stream_json(const observe::StreamPicture& picture) {
    const bus::StreamStatus& status = picture.status;
    Json document;
    document["kind"] = "stream";
    document.update(figures_json(observe::stream_figures(), picture));
    add_totals(document, status);
    document["publishers"] = Json::array();
    for (const bus::PublisherStatus& publisher : status.publishers) {
        Json entry = figures_json(observe::publisher_figures(), publisher);
        entry["counts"] = figures_json(observe::publisher_count_figures(), publisher.counts);
        document["publishers"].push_back(std::move(entry));
    }
    document["readers"] = Json::array();
    for (const bus::SubscriberStatus& subscriber : status.subscribers) {
        Json entry = figures_json(observe::subscriber_figures(), subscriber);
        entry["counts"] = figures_json(observe::subscriber_count_figures(), subscriber.counts);
        document["readers"].push_back(std::move(entry));
    }
    add_journal(document, picture);
    return document;
}

Json look_json(const observe::Look& look) {
    Json document = empty_lag_json(look.time_ns);
    document["look_ns"] = ns_string(look.duration_ns);
    document["streams"] = Json::array();
    document["problems"] = Json::array();
    for (const observe::StreamLook& stream : look.streams) {
        Json row = figures_json(observe::stream_figures(), stream.picture);
        add_totals(row, stream.picture.status);
        add_journal(row, stream.picture);
        row["disk"] = disk_json(stream.disk);
        document["streams"].push_back(std::move(row));
        add_health(document, stream.health);
    }
    for (const observe::StreamProblem& problem : look.problems)
        document["problems"].push_back({{"stream", problem.stream}, {"problem", problem.problem}});
    document["rings"] = disk_json(look.rings);
    return document;
}

}  // namespace tailrace::tool
