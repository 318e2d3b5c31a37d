// tailrace import: publishes the rows of CSV and JSON files as events.

#include "command.hpp"
#include "commands.hpp"
#include "filter_option.hpp"
#include "hand_over/csv_table.hpp"
#include "hand_over/row_event.hpp"
#include "input_file.hpp"
#include "option_text.hpp"
#include "progress.hpp"
#include "recorder_start.hpp"
#include "stop_signal.hpp"
#include "units.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/sequence_range.hpp>
#include <tailrace/bus/declared_types.hpp>
#include <tailrace/bus/publisher.hpp>

#include <fmt/format.h>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tailrace::tool {

namespace {

constexpr std::uint64_t kLookNs = 200 * kNsPerMs;

struct ImportFlags {
    std::string stream;
    std::vector<std::string> files;
    std::string format;  // empty: as the file's name ends
    std::string type;
    bool durable = false;
};

// A file's rows, one after the other.
class RowFile {
public:
    RowFile(InputFile& file, bool is_csv) : file_(file), table_(file), is_csv_(is_csv) {}

    [[nodiscard]] Result<std::optional<RowJson>> next() {
        if (is_csv_) return table_.next();
        constexpr std::uint64_t kMostLineBytes = std::uint64_t{64} << 20U;
        auto line = file_.next_line(kMostLineBytes);
        if (!line) return line.error();
        if (!*line) return std::optional<RowJson>();
        RowJson row = RowJson::parse(**line, nullptr, false);
        if (row.is_object()) return std::optional(std::move(row));
        return make_error(ErrorCode::invalid_argument,
                          "the line is no JSON object",
                          R"({"type":1,"price":101.25}, a row a line)");
    }

private:
    InputFile& file_;
    CsvTable table_;
    bool is_csv_;
};

class Importing {
public:
    Importing(const ImportFlags& flags, RowReader rows, bus::Publisher publisher)
        : flags_(flags),
          rows_(std::move(rows)),
          publisher_(std::move(publisher)),
          progress_(fmt::format("importing into '{}'", flags.stream), "events", 0) {}

    // False: a stop was requested.
    [[nodiscard]] Result<bool> take(const std::string& path);
    [[nodiscard]] Result<bool> wait_durable();
    void report() const;
    [[nodiscard]] std::uint64_t events() const noexcept { return events_; }

private:
    [[nodiscard]] Result<bool> publish(const RowEvent& event);
    [[nodiscard]] Result<bool> is_csv(const std::string& path) const;
    [[nodiscard]] Error at_line(const Error& error, const InputFile& file) const;

    const ImportFlags& flags_;
    RowReader rows_;
    bus::Publisher publisher_;
    Progress progress_;
    std::uint64_t events_ = 0;
    Sequence first_ = 0;
};

Result<bool> Importing::is_csv(const std::string& path) const {
    if (!flags_.format.empty()) return flags_.format == "csv";
    if (path.ends_with(".csv")) return true;
    if (path.ends_with(".jsonl") || path.ends_with(".ndjson") || path.ends_with(".json"))
        return false;
    return make_error(ErrorCode::invalid_argument,
                      fmt::format("'{}' doesn't say by its name what it is", path),
                      path.ends_with(".zst") ? fmt::format("zstd -dc {} | tailrace import {} - "
                                                           "--format csv",
                                                           path,
                                                           flags_.stream)
                                             : "--format csv or jsonl");
}

Error Importing::at_line(const Error& error, const InputFile& file) const {
    Error told = error;
    if (told.code == ErrorCode::invalid_argument)
        told.message =
            fmt::format("{}, line {}: {}", file.path(), file.line_number(), told.message);
    told.message += events_ == 0
                        ? "; nothing was published"
                        : fmt::format("; {} before it were published", counted(events_, "event"));
    return told;
}

Result<bool> Importing::take(const std::string& path) {
    auto file = InputFile::open(path);
    if (!file) return file.error();
    auto format = is_csv(path);
    if (!format) return format.error();
    RowFile rows(*file, *format);
    for (;;) {
        auto row = rows.next();
        if (!row) return at_line(row.error(), *file);
        if (!*row) return !stop_requested();
        auto event = rows_.event_of(**row);
        if (!event) return at_line(event.error(), *file);
        auto published = publish(*event);
        if (!published) return at_line(published.error(), *file);
        if (!*published) return false;
        progress_.update(events_);
    }
}

Result<bool> Importing::publish(const RowEvent& event) {
    const auto bytes =
        std::as_bytes(std::span<const char>(event.payload.data(), event.payload.size()));
    for (;;) {
        const bus::PublishStatus status =
            publisher_.publish(bytes, event.fields, bus::Deadline::in_ns(kLookNs));
        if (status == bus::PublishStatus::ok) {
            if (events_++ == 0) first_ = publisher_.next_own_sequence() - 1;
            return true;
        }
        if (stop_requested()) return false;
        if (status == bus::PublishStatus::timed_out) continue;
        if (status == bus::PublishStatus::too_large) {
            return make_error(ErrorCode::too_large,
                              fmt::format("an event of {} bytes is more than the {} bytes that "
                                          "stream '{}' allows",
                                          event.payload.size(),
                                          publisher_.region().header().max_payload_bytes,
                                          flags_.stream),
                              "create a stream with a larger --max-event");
        }
        return make_error(ErrorCode::closed,
                          publisher_.region().ending(),
                          fmt::format("tailrace create {}", flags_.stream));
    }
}

Result<bool> Importing::wait_durable() {
    for (;;) {
        auto waited =
            publisher_.wait_durable(publisher_.next_own_sequence(), bus::Deadline::in_ns(kLookNs));
        if (waited) return true;
        if (waited.error().code != ErrorCode::timed_out) return waited.error();
        if (stop_requested()) return false;
    }
}

void Importing::report() const {
    const Sequence end = events_ == 0 ? 0 : publisher_.next_own_sequence();
    if (settings().json()) {
        Json document;
        document["stream"] = flags_.stream;
        document["events"] = events_;
        document["first_seq"] = events_ == 0 ? Json() : Json(first_);
        document["end_seq"] = events_ == 0 ? Json() : Json(end);
        out().write_json(document);
    } else if (events_ == 0) {
        report_done("published 0 events");
    } else {
        report_done(fmt::format(
            "published {}, sequence {}", counted(events_, "event"), range_text(first_, end)));
    }
}

Result<ExitCode> run_import(const ImportFlags& flags) {
    if (auto allowed = allow_only_text_and_json("import"); !allowed) return allowed.error();
    auto region = bus::Region::open(flags.stream, bus::RegionAccess::publish, settings().directory);
    if (!region) return region.error();
    auto types = bus::declared_types(**region);
    if (!types) return types.error();
    auto type =
        flags.type.empty() ? Result<EventType>(EventType{0}) : type_named(flags.type, *types);
    if (!type) return type.error();
    if (flags.durable) {
        if (auto waited = await_recorder(**region); !waited) return waited.error();
    }
    bus::PublisherOptions options;
    options.name = "import";
    options.directory = settings().directory;
    auto publisher = bus::Publisher::attach(*region, options);
    if (!publisher) return publisher.error();
    Importing importing(flags, RowReader(std::move(*types), *type), std::move(*publisher));
    Result<bool> goes_on = true;
    for (const std::string& file : flags.files) {
        if (goes_on && *goes_on) goes_on = importing.take(file);
    }
    if (goes_on && *goes_on && flags.durable && importing.events() != 0)
        goes_on = importing.wait_durable();
    clear_status_line();
    if (goes_on || importing.events() != 0) importing.report();
    if (!goes_on) return goes_on.error();
    return *goes_on ? ExitCode::done : ExitCode::interrupted;
}

}  // namespace

void register_import(CLI::App& app) {
    const auto flags = std::make_shared<ImportFlags>();
    CLI::App* const command =
        add_command(app, "import", "Publish the rows of CSV or JSON files as events", [flags] {
            return run_import(*flags);
        });
    command->add_option("STREAM", flags->stream, "Name of the stream")->required();
    command->add_option("FILE", flags->files, "Files, as export writes them; -: stdin")->required();
    command
        ->add_option("--format", flags->format, "csv or jsonl (default: as the file's name ends)")
        ->check(CLI::IsMember({"csv", "jsonl"}));
    command
        ->add_option("--type", flags->type, "The type of rows without a column 'type': a name, N")
        ->type_name("TYPE");
    command->add_flag("--durable", flags->durable, "Wait until the journal has made them durable");
    command->footer(
        "Columns are the type's fields by their names, or payload or payload_b64; key, type and "
        "event_time_ns are kept; sequence, publish_time_ns and publisher are the stream's to give. "
        "A row with a mistake ends it: what was before is published.");
}

}  // namespace tailrace::tool
