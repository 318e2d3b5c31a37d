#include "inspection.hpp"

#include "command.hpp"
#include "journal_flags.hpp"
#include "journal_place.hpp"
#include "units.hpp"

#include <tailrace/base/shortage.hpp>
#include <tailrace/bridge/priority.hpp>
#include <tailrace/bus/stream_status.hpp>
#include <tailrace/journal/inspect.hpp>
#include <tailrace/journal/reader.hpp>

#include <filesystem>
#include <fmt/format.h>

namespace tailrace::tool {

namespace {

// How its thread is scheduled at this moment; null when it isn't alive, or another namespace's.
Json priority_of(const bus::JournalStatus& journal) {
    if (!journal.is_alive || journal.thread_id == 0) return {};
    const std::string priority = bridge::priority_in_use(static_cast<int>(journal.thread_id));
    return priority.empty() ? Json() : Json(priority);
}

std::string writer_text(const bus::JournalStatus& journal) {
    const Json priority = priority_of(journal);
    return priority.is_null()
               ? fmt::format(" (pid {})", journal.pid)
               : fmt::format(" (pid {}, priority {})", journal.pid, priority.get<std::string>());
}

std::string_view journal_state_name(const bus::JournalStatus& journal) {
    // A writer that failed may still be there, on its way out.
    if (journal.state == bus::JournalState::failed) return "failed";
    if (journal.is_alive && journal.state == bus::JournalState::low_space) return "low on space";
    if (journal.is_alive && journal.state == bus::JournalState::no_space) return "disk full";
    if (journal.is_alive && journal.state == bus::JournalState::opening) return "opening";
    if (journal.is_alive) return "running";
    return journal.state == bus::JournalState::none ? "none yet" : "stopped";
}

std::string stream_id(const bus::StreamHeader& header) {
    return fmt::format("{:016x}{:016x}", header.stream_id_high, header.stream_id_low);
}

Json counts_json(const bus::PublisherCounts& counts) {
    Json document;
    document["events"] = counts.events;
    document["bytes"] = counts.bytes;
    document["aborted_events"] = counts.aborted_events;
    document["room_looks"] = counts.room_looks;
    document["refused_claims"] = counts.refused_claims;
    document["waits"] = counts.waits;
    document["wait_ns"] = ns_string(counts.wait_ns);
    document["longest_wait_ns"] = ns_string(counts.longest_wait_ns);
    document["sleeps"] = counts.sleeps;
    document["wakes"] = counts.wakes;
    document["rescued_events"] = counts.rescued_events;
    document["evicted_readers"] = counts.evicted_subscribers;
    return document;
}

Json counts_json(const bus::SubscriberCounts& counts) {
    Json document;
    document["events"] = counts.events;
    document["bytes"] = counts.bytes;
    document["lost_events"] = counts.lost_events;
    document["gaps"] = counts.gaps;
    document["tombstones"] = counts.tombstones;
    document["filtered_events"] = counts.filtered_events;
    document["idle_looks"] = counts.idle_looks;
    document["sleeps"] = counts.sleeps;
    document["sleep_ns"] = ns_string(counts.sleep_ns);
    document["holes"] = counts.holes;
    document["wakes"] = counts.wakes;
    document["evictions"] = counts.evictions;
    return document;
}

Json journal_json(const bus::StreamHeader& header, const bus::JournalStatus& status) {
    Json journal;
    journal["directory"] = journal_directory_of(header);
    journal["state"] = journal_state_name(status);
    journal["missing"] = bus::journal_missing_name(header);
    journal["pid"] = status.is_alive ? Json(status.pid) : Json();
    journal["priority"] = priority_of(status);
    journal["errno"] = status.state == bus::JournalState::failed ? Json(status.os_errno) : Json();
    journal["durable_seq"] = status.durable_sequence;
    journal["written_seq"] = status.written_sequence;
    journal["written_bytes"] = status.written_bytes;
    journal["flushes"] = status.flushes;
    journal["lost_events"] = status.lost_events;
    return journal;
}

void stream_json(const bus::Region& region, const bus::StreamStatus& status) {
    const bus::StreamHeader& header = region.header();
    Json document;
    document["kind"] = "stream";
    document["stream"] = region.name();
    document["id"] = stream_id(header);
    document["path"] = region.path();
    document["layout"] = fmt::format("{}.{}", header.layout_major, header.layout_minor);
    document["created_ns"] = ns_string(header.created_ns);
    document["capacity_bytes"] = header.capacity_bytes;
    document["max_event_bytes"] = header.max_payload_bytes;
    document["alignment_bytes"] = header.alignment_bytes;
    document["pages"] = bus::page_kind_name(header.pages);
    document["mode"] = fmt::format("{:04o}", header.mode);
    document["group_id"] = header.group_id == bus::kNoGroup ? Json() : Json(header.group_id);
    document["publishers_allowed"] =
        header.publishing == bus::Publishing::single ? "single" : "multi";
    document["publish_time"] = bus::publish_time_name(header.publish_time);
    document["first_seq"] = status.first_sequence;
    document["oldest_seq"] = status.oldest_sequence;
    document["end_seq"] = status.end_sequence;
    document["rescued_events"] = status.rescued_events;
    document["rescued_publishers"] = status.rescued_publishers;
    document["reclaimed_readers"] = status.reclaimed_subscribers;
    document["evicted_readers"] = status.evicted_subscribers;
    document["ring_bytes_written"] = status.bytes;
    document["publisher_attaches"] = status.publisher_attaches;
    document["reader_attaches"] = status.subscriber_attaches;
    document["all_publishers"] = counts_json(status.all_publishers);
    document["all_readers"] = counts_json(status.all_subscribers);
    document["publishers"] = Json::array();
    for (const bus::PublisherStatus& publisher : status.publishers) {
        Json entry;
        entry["name"] = publisher.name;
        entry["pid"] = publisher.pid;
        entry["alive"] = publisher.is_alive;
        entry["attached_ns"] = ns_string(publisher.attached_ns);
        entry["in_claim"] = publisher.in_claim;
        entry["counts"] = counts_json(publisher.counts);
        document["publishers"].push_back(std::move(entry));
    }
    document["readers"] = Json::array();
    for (const bus::SubscriberStatus& subscriber : status.subscribers) {
        Json entry;
        entry["name"] = subscriber.name;
        entry["pid"] = subscriber.pid;
        entry["alive"] = subscriber.is_alive;
        entry["attached_ns"] = ns_string(subscriber.attached_ns);
        entry["seq"] = subscriber.sequence;
        entry["lost_events"] = subscriber.lost_events;
        entry["counts"] = counts_json(subscriber.counts);
        document["readers"].push_back(std::move(entry));
    }
    document["journal"] = status.journal ? journal_json(header, *status.journal) : Json();
    out().write_json(document);
}

void stream_members(const bus::StreamStatus& status) {
    Table table({"ROLE", "NAME", ">PID", "SINCE", ">NEXT", "STATE"});
    for (const bus::PublisherStatus& publisher : status.publishers) {
        table.add({"publisher",
                   publisher.name,
                   std::to_string(publisher.pid),
                   time_text(publisher.attached_ns),
                   "",
                   !publisher.is_alive  ? "DEAD"
                   : publisher.in_claim ? "in a claim"
                                        : "alive"});
    }
    for (const bus::SubscriberStatus& subscriber : status.subscribers) {
        table.add({"reader",
                   subscriber.name,
                   std::to_string(subscriber.pid),
                   time_text(subscriber.attached_ns),
                   count_text(subscriber.sequence),
                   subscriber.is_alive ? "alive" : "DEAD"});
    }
    if (!status.publishers.empty() || !status.subscribers.empty()) out().write(table.text());
}

std::string wait_text(std::uint64_t waits, std::uint64_t wait_ns) {
    return waits == 0 ? "0" : fmt::format("{} ({})", count_text(waits), duration_text(wait_ns));
}

// What was counted, by slot and in all.
void stream_counts(const bus::StreamStatus& status) {
    if (status.publisher_attaches == 0 && status.subscriber_attaches == 0) return;
    Table publishers({"PUBLISHER",
                      ">EVENTS",
                      ">BYTES",
                      ">ABORTED",
                      ">REFUSED",
                      ">WAITS",
                      ">LONGEST",
                      ">WAKES",
                      ">RESCUED",
                      ">EVICTED"});
    const auto add_publisher = [&](const std::string& name, const bus::PublisherCounts& counts) {
        publishers.add({name,
                        count_text(counts.events),
                        size_text(counts.bytes),
                        count_text(counts.aborted_events),
                        count_text(counts.refused_claims),
                        wait_text(counts.waits, counts.wait_ns),
                        counts.waits == 0 ? "" : duration_text(counts.longest_wait_ns),
                        count_text(counts.wakes),
                        count_text(counts.rescued_events),
                        count_text(counts.evicted_subscribers)});
    };
    for (const bus::PublisherStatus& publisher : status.publishers)
        add_publisher(publisher.name, publisher.counts);
    add_publisher(fmt::format("all {}", status.publisher_attaches), status.all_publishers);
    out().write(publishers.text());
    Table readers({"READER",
                   ">EVENTS",
                   ">BYTES",
                   ">LOST",
                   ">GAPS",
                   ">FILTERED",
                   ">TOMBSTONES",
                   ">SLEEPS",
                   ">WAKES",
                   ">EVICTIONS"});
    const auto add_reader = [&](const std::string& name, const bus::SubscriberCounts& counts) {
        readers.add({name,
                     count_text(counts.events),
                     size_text(counts.bytes),
                     count_text(counts.lost_events),
                     count_text(counts.gaps),
                     count_text(counts.filtered_events),
                     count_text(counts.tombstones),
                     wait_text(counts.sleeps, counts.sleep_ns),
                     count_text(counts.wakes),
                     count_text(counts.evictions)});
    };
    for (const bus::SubscriberStatus& subscriber : status.subscribers)
        add_reader(subscriber.name, subscriber.counts);
    add_reader(fmt::format("all {}", status.subscriber_attaches), status.all_subscribers);
    out().write(readers.text());
}

void stream_text(const bus::Region& region, const bus::StreamStatus& status) {
    const bus::StreamHeader& header = region.header();
    const auto line = [](std::string_view label, const std::string& text) {
        out().write(fmt::format("{:<9} {}\n", label, text));
    };
    line("stream",
         fmt::format("{}   id {}   layout {}.{}",
                     region.name(),
                     stream_id(header),
                     header.layout_major,
                     header.layout_minor));
    line("ring",
         fmt::format("{}   {}   max event {}   align {}   {}   publish time {}",
                     size_text(header.capacity_bytes),
                     region.path(),
                     size_text(header.max_payload_bytes),
                     header.alignment_bytes,
                     header.publishing == bus::Publishing::single
                         ? "one publisher"
                         : fmt::format("{} publisher slots", header.publisher_slots),
                     bus::publish_time_name(header.publish_time)));
    line("pages",
         fmt::format(
             "{}   mode {:04o}{}",
             bus::page_kind_name(header.pages),
             header.mode,
             header.group_id == bus::kNoGroup ? "" : fmt::format("   group {}", header.group_id)));
    line("created", time_text(header.created_ns));
    line("events",
         fmt::format("next sequence {}, readable from {}, this ring began at {}",
                     status.end_sequence,
                     status.oldest_sequence,
                     status.first_sequence));
    if (status.rescued_events != 0 || status.reclaimed_subscribers != 0) {
        line("deaths",
             fmt::format("{} for claims of dead publishers, {} released",
                         counted(status.rescued_events, "tombstone"),
                         counted(status.reclaimed_subscribers, "dead reader")));
    }
    if (status.journal) {
        line("journal",
             fmt::format("{}   {}{}   durable below {}{}",
                         journal_directory_of(header).empty() ? "(not named by the stream)"
                                                              : journal_directory_of(header),
                         journal_state_name(*status.journal),
                         status.journal->state == bus::JournalState::failed
                             ? fmt::format(" ({})", errno_text(status.journal->os_errno))
                         : status.journal->is_alive ? writer_text(*status.journal)
                                                    : "",
                         status.journal->durable_sequence,
                         status.journal->holds ? "   publishers wait while nobody records" : ""));
    } else {
        line("journal", "off");
    }
    stream_members(status);
    stream_counts(status);
}

Json segment_json(const journal::SegmentSummary& segment) {
    Json document;
    document["segment"] = segment.segment_number;
    document["path"] = segment.path;
    document["state"] = journal::segment_state_name(segment.state);
    document["first_seq"] = segment.first_sequence;
    document["end_seq"] = segment.end_sequence;
    document["size_bytes"] = segment.size_bytes;
    document["used_bytes"] = segment.used_bytes;
    document["allocated_bytes"] = segment.allocated_bytes;
    document["created_ns"] = ns_string(segment.created_ns);
    document["max_time_ns"] = ns_string(segment.max_time_ns);
    document["writer_epoch"] = segment.writer_epoch;
    document["has_index"] = segment.has_index;
    document["recycled"] = segment.is_recycled;
    document["leased"] = segment.is_leased;
    return document;
}

std::uint64_t leased_count(const journal::JournalSummary& summary) {
    std::uint64_t count = 0;
    for (const journal::SegmentSummary& segment : summary.segments)
        count += segment.is_leased ? 1U : 0U;
    return count;
}

// What was asked for, else what its newest segment has.
Json segment_bytes(const journal::JournalSummary& summary) {
    if (summary.settings.segment_size_bytes) return *summary.settings.segment_size_bytes;
    return summary.segments.empty() ? Json() : Json(summary.segments.back().size_bytes);
}

Json settings_json(const journal::JournalSummary& summary) {
    const journal::JournalSettings& kept = summary.settings;
    journal::JournalOptions options;
    kept.apply_to(options);
    const auto limit = [](std::uint64_t value) {
        return value == 0 ? Json() : Json(value);
    };
    Json document;
    document["sync"] = sync_text(options.sync_policy, options.sync_interval_ns);
    document["retain_bytes"] = limit(options.retain_size_bytes);
    document["retain_age_ns"] =
        options.retain_age_ns == 0 ? Json() : Json(ns_string(options.retain_age_ns));
    document["segment_bytes"] = segment_bytes(summary);
    document["compress"] = compress_text(kept.compress_level.value_or(0));
    return document;
}

std::string settings_text(const journal::JournalSummary& summary) {
    if (!summary.settings_refusal.empty()) return summary.settings_refusal;
    journal::JournalOptions options;
    summary.settings.apply_to(options);
    std::string text =
        fmt::format("sync {}", sync_text(options.sync_policy, options.sync_interval_ns));
    if (const Json bytes = segment_bytes(summary); !bytes.is_null())
        text += fmt::format("   segments of {}", size_text(bytes.get<std::uint64_t>()));
    if (summary.settings.compress_level.value_or(0) != 0) {
        text += fmt::format("   compressed at level {}", *summary.settings.compress_level);
    }
    if (options.retain_size_bytes != 0) {
        text += fmt::format("   at most {}", size_text(options.retain_size_bytes));
    }
    if (options.retain_age_ns != 0) {
        text += fmt::format("   for {}", duration_text(options.retain_age_ns));
    }
    const bool keeps_all = options.retain_size_bytes == 0 && options.retain_age_ns == 0;
    return keeps_all ? text + "   everything is kept" : text;
}

// What readers hold, and what only they still hold.
std::string lease_text(const journal::JournalSummary& summary) {
    std::string text = counted(leased_count(summary), "segment") + " being read";
    if (summary.retired_segments != 0) {
        text += fmt::format("; {} given up ({}), kept only for readers",
                            counted(summary.retired_segments, "segment"),
                            size_text(summary.retired_bytes));
    }
    return text;
}

void journal_json(const journal::JournalSummary& summary, bool with_segments) {
    Json document;
    document["kind"] = "journal";
    document["journal"] = summary.directory;
    document["stream"] = summary.stream_name;
    document["id"] = summary.journal_id;
    document["format"] = fmt::format("{}.{}", summary.format_major, summary.format_minor);
    document["alignment_bytes"] = summary.event_alignment_bytes;
    document["clean_close"] = summary.clean_close;
    document["writer_pid"] = summary.writer_runs ? Json(summary.writer_pid) : Json();
    document["first_seq"] = summary.first_sequence;
    document["end_seq"] = summary.end_sequence;
    document["promised_seq"] = summary.promised_sequence;
    document["max_time_ns"] = ns_string(summary.max_time_ns);
    document["used_bytes"] = summary.used_bytes;
    document["allocated_bytes"] = summary.allocated_bytes;
    document["segment_count"] = summary.segments.size();
    document["oldest_segment"] = summary.oldest_segment_number;
    document["catalogued_segments"] = summary.catalogued_segments;
    document["spare"] = journal::spare_state_name(summary.spare);
    document["spare_bytes"] = summary.spare_bytes;
    document["leased_segments"] = leased_count(summary);
    document["retired_segments"] = summary.retired_segments;
    document["retired_bytes"] = summary.retired_bytes;
    document["settings"] = settings_json(summary);
    document["missing"] = Json::array();
    for (const journal::MissingSegments& missing : summary.missing) {
        Json range;
        range["first_segment"] = missing.first_number;
        range["end_segment"] = missing.end_number;
        range["first_seq"] = missing.first_sequence;
        range["end_seq"] = missing.end_sequence;
        range["text"] = missing.text;
        document["missing"].push_back(std::move(range));
    }
    if (with_segments) {
        document["segments"] = Json::array();
        for (const auto& segment : summary.segments) {
            document["segments"].push_back(segment_json(segment));
        }
    }
    out().write_json(document);
}

std::string closing_text(const journal::JournalSummary& summary) {
    if (summary.writer_runs) return fmt::format("a writer is at work (pid {})", summary.writer_pid);
    return summary.clean_close ? "cleanly closed"
                               : "not cleanly closed: the next writer recovers it";
}

void print_segments(const std::vector<journal::SegmentSummary>& segments) {
    Table table({">SEGMENT", "STATE", ">FIRST", ">END", ">USED", ">FILE", "CREATED", "NOTE"});
    for (const journal::SegmentSummary& segment : segments) {
        const bool damaged = segment.state == journal::SegmentState::damaged;
        table.add({std::to_string(segment.segment_number),
                   std::string(journal::segment_state_name(segment.state)),
                   damaged ? "?" : count_text(segment.first_sequence),
                   damaged ? "?" : count_text(segment.end_sequence),
                   size_text(segment.used_bytes),
                   size_text(segment.size_bytes),
                   damaged ? "?" : time_text(segment.created_ns),
                   segment.is_leased ? "leased" : ""});
        if (damaged) table.colour(1, Colour::red);
    }
    out().write(table.text());
}

void journal_text(const journal::JournalSummary& summary, bool with_segments) {
    const auto line = [](std::string_view label, const std::string& text) {
        out().write(fmt::format("{:<9} {}\n", label, text));
    };
    line("journal",
         fmt::format("{}   stream '{}'   format {}.{}",
                     summary.directory,
                     summary.stream_name,
                     summary.format_major,
                     summary.format_minor));
    line("state", closing_text(summary));
    line("events",
         fmt::format("{}   sequence {}..{}",
                     count_text(summary.end_sequence - summary.first_sequence),
                     summary.first_sequence,
                     summary.end_sequence));
    if (summary.max_time_ns != 0) line("newest", time_text(summary.max_time_ns));
    line("bytes",
         fmt::format("{} used, {} on disk, {}",
                     size_text(summary.used_bytes),
                     size_text(summary.allocated_bytes),
                     counted(summary.segments.size(), "segment")));
    line("spare",
         summary.spare == journal::SpareState::none
             ? "none"
             : fmt::format("{}, {}",
                           journal::spare_state_name(summary.spare),
                           size_text(summary.spare_bytes)));
    line("leases", lease_text(summary));
    line("settings", settings_text(summary));
    for (const journal::MissingSegments& missing : summary.missing)
        line("missing", coloured(missing.text, Colour::red));
    if (with_segments) print_segments(summary.segments);
}

// The reader knows why a header can't be used; inspect only that it can't. So one is sent to that
// place.
Error damage_of(const journal::JournalSummary& summary, std::size_t damaged) {
    auto reader = journal::Reader::open(summary.directory);
    if (!reader) return reader.error();
    if (damaged != 0) {
        auto sought = reader->seek_sequence(summary.segments[damaged - 1].end_sequence);
        if (!sought) return sought.error();
    }
    if (auto step = reader->next_batch(); !step) return step.error();
    return make_error(ErrorCode::corrupt,
                      fmt::format("the header of '{}' is damaged", summary.segments[damaged].path),
                      fmt::format("tailrace verify {}", summary.directory));
}

}  // namespace

Result<ExitCode> inspect_stream(const std::shared_ptr<bus::Region>& region) {
    const bus::StreamStatus status = bus::read_status(region);
    if (settings().json()) {
        stream_json(*region, status);
    } else {
        stream_text(*region, status);
    }
    return ExitCode::done;
}

Result<ExitCode> inspect_journal(const std::string& directory, bool with_segments) {
    auto summary = journal::inspect(directory);
    if (!summary) return summary.error();
    if (settings().json()) {
        journal_json(*summary, with_segments);
    } else {
        journal_text(*summary, with_segments);
    }
    for (std::size_t index = 0; index < summary->segments.size(); ++index) {
        if (summary->segments[index].state == journal::SegmentState::damaged) {
            return damage_of(*summary, index);
        }
    }
    if (summary->missing.empty()) return ExitCode::done;
    return make_error(ErrorCode::corrupt,
                      summary->missing.front().text,
                      fmt::format("tailrace repair {}", directory));
}

Result<ExitCode> inspect_segment(const std::string& directory, const std::string& path) {
    auto summary = journal::inspect(directory);
    if (summary) {
        for (std::size_t index = 0; index < summary->segments.size(); ++index) {
            const journal::SegmentSummary& segment = summary->segments[index];
            std::error_code failed;
            if (!std::filesystem::equivalent(segment.path, path, failed)) continue;
            if (segment.state == journal::SegmentState::damaged) return damage_of(*summary, index);
            if (settings().json()) {
                Json document = segment_json(segment);
                document["kind"] = "segment";
                document["stream"] = summary->stream_name;
                out().write_json(document);
            } else {
                out().write(
                    fmt::format("segment of {}, stream '{}'\n", directory, summary->stream_name));
                print_segments({segment});
            }
            return ExitCode::done;
        }
    }
    return make_error(ErrorCode::not_tailrace,
                      fmt::format("'{}' is not a segment of a journal", path),
                      "tailrace inspect DIRECTORY --segments shows those of a journal");
}

}  // namespace tailrace::tool
