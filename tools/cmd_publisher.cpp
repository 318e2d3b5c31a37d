// tailrace publisher: publishers that number their events under a name: list, set, remove.

#include "command.hpp"
#include "commands.hpp"
#include "misspelling.hpp"
#include "table.hpp"
#include "text_flow.hpp"
#include "units.hpp"

#include <tailrace/stream/identity_place.hpp>

#include <fmt/format.h>
#include <memory>
#include <vector>

namespace tailrace::tool {

namespace {

struct PublisherFlags {
    std::string stream;
    std::string name;
    OwnSequence to = 0;
};

// What the ring has is worth showing without the ledger.
std::vector<stream::PublisherName> publishers_of(const stream::IdentityPlace& place) {
    std::vector<stream::PublisherName> known;
    if (auto listed = place.list(known); !listed)
        warn(listed.error().message + "; " + listed.error().hint);
    return known;
}

// One that nobody has published under since the ring was made, and whose name never came to disk.
std::string publisher_text(const bus::IdentityStatus& status) {
    return status.name.empty() ? fmt::format("({:016x})", status.id) : tame(status.name);
}

Json publisher_json(const stream::PublisherName& publisher) {
    const bus::IdentityStatus& status = publisher.status;
    Json json;
    json["publisher"] = status.name.empty() ? Json() : Json(status.name);
    json["id"] = fmt::format("{:016x}", status.id);
    json["last_own_seq"] = status.last_own;
    json["kept_own_seq"] = publisher.kept_own ? Json(*publisher.kept_own) : Json();
    json["duplicates"] = status.duplicates;
    json["pid"] = status.is_owned ? Json(status.pid) : Json();
    return json;
}

Result<ExitCode> run_publisher_ls(const PublisherFlags& flags) {
    if (auto allowed = allow_only_text_and_json("publisher ls"); !allowed) return allowed.error();
    auto place = stream::IdentityPlace::of_stream(
        flags.stream, bus::RegionAccess::observe, settings().directory);
    if (!place) return place.error();
    const auto publishers = publishers_of(*place);
    if (settings().json()) {
        Json document;
        document["publishers"] = Json::array();
        for (const stream::PublisherName& publisher : publishers)
            document["publishers"].push_back(publisher_json(publisher));
        out().write_json(document);
        return ExitCode::done;
    }
    if (publishers.empty()) {
        say(fmt::format(
            "nobody publishes into '{0}' under a name; tailrace pub {0} --identity NAME does",
            flags.stream));
        return ExitCode::done;
    }
    Table table({"PUBLISHER", ">LAST", ">ON-DISK", ">DUPLICATES", ">PROCESS"});
    table.can_do_without({"ON-DISK", "DUPLICATES"});
    table.may_shorten({"PUBLISHER"});
    for (const stream::PublisherName& publisher : publishers) {
        const bus::IdentityStatus& status = publisher.status;
        table.add({publisher_text(status),
                   count_text(status.last_own),
                   publisher.kept_own ? count_text(*publisher.kept_own) : "-",
                   count_text(status.duplicates),
                   status.is_owned ? fmt::format("pid {}", status.pid) : "away"});
    }
    out().write(table.text());
    return ExitCode::done;
}

// The place, if it has the publisher; else the error with the name that was meant.
Result<void> find_publisher(const stream::IdentityPlace& place, const PublisherFlags& flags) {
    std::vector<std::string> names;
    for (const stream::PublisherName& publisher : publishers_of(place)) {
        if (publisher.status.id == bus::identity_id(flags.name)) return {};
        names.push_back(publisher.status.name);
    }
    const std::string near = nearest_name(flags.name, names);
    return make_error(ErrorCode::not_found,
                      fmt::format("'{}' has no publisher '{}'{}",
                                  flags.stream,
                                  flags.name,
                                  near.empty() ? "" : fmt::format("; did you mean '{}'?", near)),
                      fmt::format("tailrace publisher ls {}", flags.stream));
}

Result<stream::IdentityPlace> open_to_set(const PublisherFlags& flags) {
    return stream::IdentityPlace::of_stream(
        flags.stream, bus::RegionAccess::publish, settings().directory);
}

Result<ExitCode> run_publisher_set(const PublisherFlags& flags) {
    if (auto allowed = allow_only_text_and_json("publisher set"); !allowed) return allowed.error();
    auto place = open_to_set(flags);
    if (!place) return place.error();
    if (auto set = place->set(flags.name, flags.to); !set) return set.error();
    if (settings().json()) {
        Json json;
        json["publisher"] = flags.name;
        json["last_own_seq"] = flags.to;
        out().write_json(json);
    } else {
        report_done(fmt::format(
            "publisher {} has published up to {}", tame(flags.name), count_text(flags.to)));
    }
    return ExitCode::done;
}

Result<ExitCode> run_publisher_rm(const PublisherFlags& flags) {
    if (auto allowed = allow_only_text_and_json("publisher rm"); !allowed) return allowed.error();
    auto place = open_to_set(flags);
    if (!place) return place.error();
    if (auto found = find_publisher(*place, flags); !found) return found.error();
    if (auto removed = place->remove(flags.name); !removed) return removed.error();
    if (settings().json()) {
        Json json;
        json["removed"] = flags.name;
        out().write_json(json);
    } else {
        report_done(fmt::format("publisher {} is forgotten", tame(flags.name)));
    }
    return ExitCode::done;
}

CLI::App* add_publisher_verb(CLI::App& parent,
                             const std::string& verb,
                             const std::string& summary,
                             const std::shared_ptr<PublisherFlags>& flags,
                             Result<ExitCode> (*run)(const PublisherFlags&)) {
    CLI::App* const command =
        add_command(parent, verb, summary, [flags, run] { return run(*flags); });
    command->add_option("STREAM", flags->stream, "A stream")->required();
    return command;
}

void add_publisher_name(CLI::App& command, PublisherFlags& flags) {
    command.add_option("NAME", flags.name, "Name of the publisher")->required();
}

}  // namespace

void register_publisher(CLI::App& app) {
    const auto flags = std::make_shared<PublisherFlags>();
    CLI::App* const publisher = app.add_subcommand(
        "publisher", "Publishers with a name: each of their events is published once");
    publisher->require_subcommand(1);
    add_wide(*add_publisher_verb(*publisher, "ls", "List them", flags, run_publisher_ls));
    CLI::App* const set = add_publisher_verb(
        *publisher, "set", "Say what one has published last", flags, run_publisher_set);
    add_publisher_name(*set, *flags);
    set->add_option("--to", flags->to, "Its own number of that event; 0: nothing")
        ->required()
        ->type_name("N");
    add_publisher_name(*add_publisher_verb(*publisher, "rm", "Forget one", flags, run_publisher_rm),
                       *flags);
}

}  // namespace tailrace::tool
