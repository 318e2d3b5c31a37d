// tailrace export: hands a stream's events over to a directory of files, with a manifest.

#include "command.hpp"
#include "commands.hpp"
#include "filter_option.hpp"
#include "hand_over/event_tables.hpp"
#include "hand_over/export_directory.hpp"
#include "hand_over/export_source.hpp"
#include "hand_over/stream_export.hpp"
#include "journal_place.hpp"
#include "option_text.hpp"
#include "position.hpp"
#include "progress.hpp"
#include "stop_signal.hpp"
#include "typed_view.hpp"
#include "units.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/sequence_range.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tailrace::tool {

namespace {

constexpr std::size_t kToldGaps = 10;

struct ExportFlags {
    std::string target;
    std::string directory;
    std::string format = "parquet";
    std::optional<Position> from;
    std::optional<Position> until;
    bool since_last = false;
    std::string cursor;
    TypedFlags typed;
    FilterFlags wanted;
    std::string compression;  // empty: zstd for Parquet, none for texts
    RowOptions rows;
    ExportLimits limits;
};

// What one directory is about, from its first run to its last: the files of all runs are one set.
std::string choice_text(const ExportFlags& flags) {
    std::string text;
    const auto add = [&](const std::string& word) {
        text += (text.empty() ? "" : " ") + word;
    };
    for (const std::string& type : flags.wanted.types)
        add(fmt::format("--type {}", type));
    for (const std::string& key : flags.wanted.keys)
        add(fmt::format("--key '{}'", key));
    if (!flags.typed.where.empty()) add(fmt::format("--where '{}'", flags.typed.where));
    if (!flags.typed.fields.empty())
        add(fmt::format("--fields {}", fmt::join(flags.typed.fields, ",")));
    if (flags.rows.has_plain_times) add("--plain-times");
    return text;
}

Result<void> choose_rows(ExportFlags& flags) {
    flags.rows.format = flags.format == "csv"     ? RowFormat::csv
                        : flags.format == "jsonl" ? RowFormat::jsonl
                                                  : RowFormat::parquet;
    const bool is_parquet = flags.rows.format == RowFormat::parquet;
    flags.rows.compresses = flags.compression.empty() ? is_parquet && parquet::has_compression()
                                                      : flags.compression == "zstd";
    if (flags.rows.compresses && !parquet::has_compression()) {
        return make_error(ErrorCode::unsupported,
                          "this tailrace was built without zstd",
                          "--compress none; or build it with libzstd-dev installed");
    }
    if (!is_parquet && flags.rows.has_plain_times) {
        return make_error(ErrorCode::invalid_argument,
                          "--plain-times is for Parquet: times in texts are plain numbers anyhow",
                          "leave it out");
    }
    return {};
}

Error other_export(const ExportDirectory& directory, const std::string& what) {
    return make_error(ErrorCode::invalid_argument,
                      fmt::format("'{}' {}", directory.path(), what),
                      "another directory");
}

// That this run may go on with what the directory has.
Result<void> check_manifest(const ExportFlags& flags,
                            const ExportSource& source,
                            const ExportDirectory& directory) {
    const Manifest& manifest = *directory.manifest();
    if (!flags.since_last) {
        return make_error(ErrorCode::already_exists,
                          fmt::format("'{}' has events {} of '{}' already",
                                      directory.path(),
                                      range_text(manifest.begin, manifest.end()),
                                      manifest.stream),
                          "--since-last goes on behind them; or another directory");
    }
    if (manifest.stream != source.name()) {
        return other_export(
            directory,
            fmt::format("has events of '{}', not of '{}'", manifest.stream, source.name()));
    }
    // A stream that is recorded by now was a ring alone before: then its witness tells.
    const bool are_of_a_kind = manifest.source.substr(0, 4) == source.identity().substr(0, 4);
    if (are_of_a_kind && manifest.source != source.identity()) {
        return other_export(directory,
                            fmt::format("has events of another stream '{}', which was there before "
                                        "this one ({}, not {})",
                                        manifest.stream,
                                        manifest.source,
                                        source.identity()));
    }
    if (manifest.format != row_format_name(flags.rows.format))
        return other_export(directory, fmt::format("has files of {}", manifest.format));
    if (manifest.options != choice_text(flags)) {
        return other_export(directory,
                            manifest.options.empty()
                                ? "has all events, with all their fields"
                                : fmt::format("has what was chosen by {}", manifest.options));
    }
    return {};
}

Error other_history(const ExportSource& source, const std::string& what) {
    return make_error(ErrorCode::stale,
                      fmt::format("stream '{}' isn't what was exported: {}", source.name(), what),
                      "another directory; the files there have events that the log has lost");
}

// That the log still is what was exported from: after a power cut, or where a stream was made
// anew, its sequences may be those of other events.
Result<void> check_history(const ExportSource& source, const Manifest& manifest) {
    auto end = source.written_end();
    if (!end) return end.error();
    if (*end < manifest.end()) {
        return other_history(
            source,
            fmt::format(
                "it ends at {}, and events below {} were handed over", *end, manifest.end()));
    }
    const Witness* const witness = manifest.witness();
    if (witness == nullptr) return {};
    auto reader = source.read_from(Position::at(witness->sequence));
    if (!reader) {
        // Retention has taken it; nothing is known then.
        if (reader.error().code == ErrorCode::sequence_gone) return {};
        if (reader.error().code == ErrorCode::sequence_ahead) return {};
        return reader.error();
    }
    bool is_other = false;
    static_cast<void>(reader->poll(
        [&](const Event& event) {
            is_other =
                event.sequence() == witness->sequence && fingerprint_of(event) != witness->xxh3;
        },
        1));
    if (!is_other) return {};
    return other_history(source, fmt::format("event {} is another one by now", witness->sequence));
}

// Where to read from, and what is gone before that.
struct ExportBegin {
    stream::StreamReader reader;
    Sequence retired_first = 0;
    Sequence retired_end = 0;
};

Result<ExportBegin> begin_behind(const ExportSource& source, const Manifest& manifest) {
    auto reader = source.read_from(Position::at(manifest.end()));
    if (reader) return ExportBegin{std::move(*reader), 0, 0};
    if (reader.error().code != ErrorCode::sequence_gone) return reader.error();
    auto from_start = source.read_from(Position::start());
    if (!from_start) return from_start.error();
    const Sequence first = from_start->next_sequence();
    return ExportBegin{std::move(*from_start), manifest.end(), first};
}

Result<void> move_cursor(const ExportFlags& flags, const ExportSource& source, Sequence to) {
    auto cursors = source.cursors();
    if (!cursors) return cursors.error();
    bool lost_names = false;
    if (auto moved = cursors->move(flags.cursor, to, false, lost_names); !moved)
        return moved.error();
    if (lost_names) {
        warn(
            fmt::format("the ledger in {} was damaged and is made anew: whatever other cursors it "
                        "had, set them too",
                        cursors->journal_directory()));
    }
    return {};
}

Json json_of(const ExportDirectory& directory,
             const ExportFlags& flags,
             const ExportTotals& totals,
             Sequence first) {
    const Manifest& manifest = *directory.manifest();
    Json json;
    json["stream"] = manifest.stream;
    json["directory"] = directory.path();
    json["format"] = flags.format;
    json["first_seq"] = first;
    json["end_seq"] = manifest.end();
    json["rows"] = totals.rows;
    json["left_out"] = totals.left_out;
    json["missing"] = totals.missing;
    json["files"] = totals.files;
    json["file_bytes"] = totals.file_bytes;
    json["payload_bytes"] = totals.event_bytes;
    json["mended_texts"] = totals.mended_texts;
    json["gaps"] = Json::array();
    for (const ExportedGap& gap : totals.gaps) {
        Json one;
        one["first_seq"] = gap.first;
        one["end_seq"] = gap.end;
        one["kind"] = gap.kind;
        json["gaps"].push_back(std::move(one));
    }
    return json;
}

void tell_gaps(const std::string& stream, const ExportTotals& totals) {
    for (std::size_t at = 0; at < std::min(totals.gaps.size(), kToldGaps); ++at) {
        const ExportedGap& gap = totals.gaps[at];
        const std::string_view why = gap.kind == "retired"   ? "retention has taken them"
                                     : gap.kind == "damaged" ? "lost to damage"
                                                             : "the log doesn't have them";
        warn(fmt::format("{}: {} {} are missing: {}",
                         stream,
                         counted(gap.end - gap.first, "event"),
                         range_text(gap.first, gap.end),
                         why));
    }
    if (totals.gaps.size() > kToldGaps)
        warn(fmt::format("{} more gaps: the manifest has them", totals.gaps.size() - kToldGaps));
}

void report(const ExportDirectory& directory,
            const ExportFlags& flags,
            const ExportTotals& totals,
            Sequence first,
            std::uint64_t took_ns) {
    const Manifest& manifest = *directory.manifest();
    tell_gaps(manifest.stream, totals);
    if (totals.mended_texts != 0) {
        warn(fmt::format("{} weren't UTF-8: their bytes that are none of it are U+FFFD",
                         counted(totals.mended_texts, "text")));
    }
    if (settings().json()) {
        out().write_json(json_of(directory, flags, totals, first));
        return;
    }
    if (manifest.end() == first) {
        report_done(fmt::format(
            "nothing new: {} has all events below {}", directory.path(), manifest.end()));
        return;
    }
    const std::string left_out =
        totals.left_out == 0 ? "" : fmt::format(", {} left out", count_text(totals.left_out));
    report_done(fmt::format("{} {}{}: {}, {}, {}",
                            counted(totals.rows, "event"),
                            range_text(first, manifest.end()),
                            left_out,
                            counted(totals.files, "file"),
                            size_text(totals.file_bytes),
                            duration_text(took_ns)));
    report_done(
        fmt::format("{}/{} says what they hold", directory.path(), ExportDirectory::kManifestName));
}

// Of a recorded stream what isn't durable yet waits.
void tell_what_waits(const ExportFlags& flags, const ExportSource& source, Sequence end) {
    if (!source.is_recorded() || flags.until) return;
    const auto written = source.written_end();
    if (!written || *written <= end) return;
    say(
        fmt::format("{} from {} on aren't durable yet, and wait for the next export; tailrace lag "
                    "{}",
                    counted(*written - end, "event"),
                    end,
                    source.name()));
}

Result<ExportBegin> begin_export(const ExportFlags& flags,
                                 const ExportSource& source,
                                 ExportDirectory& directory) {
    if (directory.manifest()) {
        if (auto checked = check_manifest(flags, source, directory); !checked)
            return checked.error();
        if (auto checked = check_history(source, *directory.manifest()); !checked)
            return checked.error();
        return begin_behind(source, *directory.manifest());
    }
    auto reader = source.read_from(flags.from.value_or(Position::start()));
    if (!reader) return reader.error();
    Manifest fresh;
    fresh.stream = source.name();
    fresh.source = source.identity();
    fresh.format = row_format_name(flags.rows.format);
    fresh.options = choice_text(flags);
    fresh.begin = reader->next_sequence();
    if (auto begun = directory.begin(std::move(fresh)); !begun) return begun.error();
    return ExportBegin{std::move(*reader), 0, 0};
}

Result<ExitCode> run_export(ExportFlags& flags) {
    if (auto allowed = allow_only_text_and_json("export"); !allowed) return allowed.error();
    if (auto chosen = choose_rows(flags); !chosen) return chosen.error();
    auto source = ExportSource::find(flags.target);
    if (!source) return source.error();
    // Types behind the end: whoever published before it had declared them.
    auto end = source->end_at(flags.until);
    if (!end) return end.error();
    auto types = source->types();
    if (!types) return types.error();
    auto filter = filter_of(flags.wanted, *types);
    if (!filter) return filter.error();
    WantedEvents wanted{std::move(*filter), {}};
    if (!flags.typed.where.empty()) {
        auto condition = schema::Condition::compile(flags.typed.where, *types);
        if (!condition) return condition.error();
        wanted.condition = std::move(*condition);
    }
    auto tables = EventTables::of(std::move(*types), flags.typed.fields);
    if (!tables) return tables.error();
    auto directory = ExportDirectory::open(absolute_path(flags.directory));
    if (!directory) return directory.error();
    auto begin = begin_export(flags, *source, *directory);
    if (!begin) return begin.error();

    const Sequence first = directory->manifest()->end();
    if (!flags.cursor.empty()) {
        if (auto moved = move_cursor(flags, *source, first); !moved) return moved.error();
    }
    flags.rows.notes = {{"tailrace.stream", source->name()},
                        {"tailrace.log", source->identity()},
                        {"tailrace.times", "nanoseconds since 1970-01-01 UTC"}};
    StreamExport handing(*directory, *tables, flags.rows, std::move(wanted), flags.limits);
    if (begin->retired_end > begin->retired_first)
        handing.add_retired(begin->retired_first, std::min(begin->retired_end, *end));
    if (!flags.cursor.empty()) {
        handing.on_part = [&](Sequence to) {
            return move_cursor(flags, *source, to);
        };
    }
    const std::uint64_t start_ns = monotonic_ns();
    Progress progress(
        fmt::format("exporting '{}'", source->name()), "events", *end > first ? *end - first : 0);
    auto ran = handing.run(begin->reader, *end, [&](Sequence next) {
        progress.update(next - first);
        return !stop_requested();
    });
    clear_status_line();
    report(*directory, flags, handing.totals(), first, monotonic_ns() - start_ns);
    if (!ran) return ran.error();
    tell_what_waits(flags, *source, *end);
    if (stop_requested() && directory->manifest()->end() < *end) return ExitCode::interrupted;
    return handing.totals().missing == 0 ? ExitCode::done : ExitCode::damage;
}

void add_shape_options(CLI::App& command, ExportFlags& flags) {
    add_typed_options(command, flags.typed);
    add_filter_options(command, flags.wanted);
    command.get_option("--type")->group(kRareOptions);
    command.get_option("--key")->group(kRareOptions);
    command.add_option("--compress", flags.compression, "zstd (Parquet's default) or none")
        ->check(CLI::IsMember({"zstd", "none"}))
        ->group(kRareOptions);
    command.add_option("--level", flags.rows.zstd_level, "Of zstd")
        ->type_name("N")
        ->check(CLI::Range(-5, 19))
        ->capture_default_str()
        ->group(kRareOptions);
    add_parsed(command,
               "--split",
               flags.limits.part_bytes,
               parse_size_bytes,
               "Begin new files after so many bytes of events (default 256MiB)")
        ->group(kRareOptions);
    add_parsed(command,
               "--row-group",
               flags.rows.row_group_rows,
               parse_count,
               "Parquet: rows of a group, at most (default 131072)")
        ->group(kRareOptions);
    command
        .add_flag("--plain-times",
                  flags.rows.has_plain_times,
                  "Parquet: times are whole numbers, for readers that refuse nanoseconds")
        ->group(kRareOptions);
}

}  // namespace

void register_export(CLI::App& app) {
    const auto flags = std::make_shared<ExportFlags>();
    CLI::App* const command = add_command(
        app, "export", "Hand events over to batch: Parquet, CSV or JSON files", [flags] {
            return run_export(*flags);
        });
    command->add_option("TARGET", flags->target, "A stream's name, or a journal's directory")
        ->required();
    command->add_option("--to", flags->directory, "Where: its manifest says what is there")
        ->type_name("DIRECTORY")
        ->required();
    command->add_option("--format", flags->format, "parquet, csv or jsonl")
        ->check(CLI::IsMember({"parquet", "csv", "jsonl"}))
        ->capture_default_str();
    add_parsed(*command,
               "--from",
               flags->from,
               parse_position,
               "Where the first run begins: start, N, @-10m");
    add_parsed(*command, "--until", flags->until, parse_position, "Stop before this event");
    command->add_flag("--since-last", flags->since_last, "Go on behind what the directory has");
    command->add_option("--cursor", flags->cursor, "Move this cursor of the stream along")
        ->type_name("NAME");
    add_shape_options(*command, *flags);
    command->footer(
        "A file is there whole or not at all, and a run that was killed is finished by the next "
        "one with --since-last: each event is in one file, once. Of a recorded stream only what is "
        "durable is handed over.");
}

}  // namespace tailrace::tool
