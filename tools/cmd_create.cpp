// tailrace create: a stream, and where its journal will be.

#include "command.hpp"
#include "commands.hpp"
#include "input_file.hpp"
#include "journal_flags.hpp"
#include "journal_place.hpp"
#include "option_text.hpp"
#include "stop_signal.hpp"
#include "text_flow.hpp"
#include "units.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/declared_types.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/journal/journal_id.hpp>
#include <tailrace/journal/kept_types.hpp>
#include <tailrace/journal/removal.hpp>
#include <tailrace/stream/recorder.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fmt/format.h>
#include <grp.h>
#include <memory>
#include <thread>

namespace tailrace::tool {

namespace {

constexpr std::uint64_t kRecorderEndNs = 2'000'000'000;

struct CreateFlags {
    std::string stream;
    bus::StreamOptions options;
    std::uint64_t max_event_bytes = 0;
    std::string publishers = "multi";
    bool single = false;
    std::string publish_time = "event";
    CLI::Option* journal = nullptr;
    std::string journal_directory;
    std::string journal_missing = "go";
    JournalFlags writing;
    std::string mode = "0660";
    std::string group;
    std::string huge_pages = "auto";
    std::string schema_file;
    bool if_not_exists = false;
};

Result<std::uint32_t> parse_mode(const std::string& text) {
    std::uint32_t mode = 0;
    for (const char digit : text) {
        if (digit < '0' || digit > '7' || text.size() > 4) {
            return make_error(ErrorCode::invalid_argument,
                              fmt::format("--mode '{}' is not an octal file mode", text),
                              "--mode 0660 (owner and group), 0666 (everybody), 0644");
        }
        mode = mode * 8 + static_cast<std::uint32_t>(digit - '0');
    }
    return mode;
}

// A name or a number.
Result<std::uint32_t> parse_group(const std::string& text) {
    errno = 0;
    if (const ::group* const found = ::getgrnam(text.c_str()); found != nullptr)
        return std::uint32_t{found->gr_gid};
    auto number = parse_count(text);
    if (number && *number < bus::kNoGroup) return static_cast<std::uint32_t>(*number);
    return make_error(ErrorCode::not_found,
                      fmt::format("there is no group '{}' on this machine", text),
                      "getent group lists them; id -Gn shows your own");
}

bus::HugePages huge_pages_of(const std::string& text) {
    if (text == "2M") return bus::HugePages::size_2m;
    if (text == "1G") return bus::HugePages::size_1g;
    return text == "off" ? bus::HugePages::off : bus::HugePages::automatic;
}

// What the ring is made of, and why it isn't more.
std::string pages_text(const bus::Region& region, bool is_new, const std::string& wanted) {
    const bus::StreamHeader& header = region.header();
    std::string text(bus::page_kind_name(header.pages));
    if (!is_new || wanted != "auto" || header.pages != bus::PageKind::small) return text;
    const std::string obstacle =
        bus::transparent_pages_obstacle(header.capacity_bytes, region.path());
    return text + fmt::format("     no huge ones: {}",
                              obstacle.empty() ? "the kernel had none to give" : obstacle);
}

std::string type_names(const schema::StreamSchema& types) {
    std::string names;
    for (const schema::EventSchema& type : types.types())
        names += (names.empty() ? "" : ", ") + type.name;
    return names;
}

void print_created(const bus::Region& region, bool is_new, const CreateFlags& flags) {
    const std::string& wanted_pages = flags.huge_pages;
    const std::string types = type_names(flags.options.types);
    const bus::StreamHeader& header = region.header();
    const std::string journal = journal_directory_of(header);
    const bool single = header.publishing == bus::Publishing::single;
    if (settings().json()) {
        Json document;
        document["stream"] = region.name();
        document["created"] = is_new;
        document["path"] = region.path();
        document["capacity_bytes"] = header.capacity_bytes;
        document["max_event_bytes"] = header.max_payload_bytes;
        document["publishers"] = single ? "single" : "multi";
        document["readers"] = header.subscriber_slots;
        document["publish_time"] = bus::publish_time_name(header.publish_time);
        document["alignment_bytes"] = header.alignment_bytes;
        document["first_seq"] = header.first_sequence;
        document["journal"] = journal.empty() ? Json() : Json(journal);
        document["journal_missing"] =
            journal.empty() ? Json() : Json(bus::journal_missing_name(header));
        document["pages"] = bus::page_kind_name(header.pages);
        document["mode"] = fmt::format("{:04o}", header.mode);
        document["group_id"] = header.group_id == bus::kNoGroup ? Json() : Json(header.group_id);
        out().write_json(document);
        return;
    }
    if (settings().quiet) return;
    out().write(field_text("stream", {region.name(), is_new ? "" : "(was there already)"}));
    out().write(field_text(
        "ring",
        {size_text(header.capacity_bytes),
         region.path(),
         fmt::format("payload up to {}", size_text(header.max_payload_bytes)),
         single ? "one publisher" : fmt::format("up to {} publishers", header.publisher_slots)}));
    out().write(field_text("pages", {pages_text(region, is_new, wanted_pages)}));
    if (journal.empty()) {
        out().write(field_text("journal", {"off"}));
    } else {
        out().write(field_text(
            "journal",
            {journal,
             fmt::format("next sequence {}", header.first_sequence),
             bus::holds_for_journal(header) ? "publishers wait while nobody records" : ""}));
    }
    if (!types.empty()) out().write(field_text("types", {types}));
    std::string next =
        fmt::format("tailrace pub {0} 'hello'   ·   tailrace tail {0} --from start", region.name());
    if (!journal.empty()) next = fmt::format("tailrace record {}   ·   {}", region.name(), next);
    out().write(field_text("next", {next}));
}

Result<void> read_types(CreateFlags& flags) {
    if (flags.schema_file.empty()) return {};
    auto file = InputFile::open(flags.schema_file);
    if (!file) return file.error();
    // One more than may be there: whoever has it is too large.
    auto text = file->next_bytes(schema::kMostSchemaBytes + 1);
    if (!text) return text.error();
    auto types = schema::parse_schema(text->value_or(std::string_view()), flags.schema_file);
    if (!types) {
        Error error = types.error();
        if (error.code == ErrorCode::corrupt) error.hint = "correct it";
        return error;
    }
    flags.options.types = std::move(*types);
    return {};
}

// A stream that was there is told of those that it doesn't know.
Result<void> add_types(const CreateFlags& flags) {
    if (flags.options.types.is_empty()) return {};
    auto region = bus::Region::open(flags.stream, bus::RegionAccess::publish, settings().directory);
    if (!region) return region.error();
    return bus::declare_types(**region, flags.options.types);
}

// An event that no journal batch can hold would stop the journal writer, so such a stream isn't
// made.
Result<void> fit_journal(bus::StreamOptions& options) {
    constexpr std::uint64_t kMost = stream::kMaxJournaledPayloadBytes;
    if (options.max_payload_bytes > kMost) {
        return make_error(ErrorCode::invalid_argument,
                          fmt::format("events of {} bytes are too large for a journal: at most {}",
                                      options.max_payload_bytes,
                                      kMost),
                          "a smaller --max-event, or a stream without --journal");
    }
    if (options.max_payload_bytes == 0) {
        options.max_payload_bytes = static_cast<std::uint32_t>(
            std::min(bus::default_max_payload_bytes(options.capacity_bytes), kMost));
    }
    return {};
}

// What is said about how the journal is written, before a stream is made for it.
Result<journal::JournalSettings> said_settings(const CreateFlags& flags) {
    auto said = flags.writing.settings();
    if (!said) return said.error();
    if (!said->is_empty() && flags.journal->count() == 0) {
        return make_error(ErrorCode::invalid_argument,
                          "--sync, --retain-bytes, --retain-age and --segment-size are for a "
                          "journal, and this stream has none",
                          "add --journal");
    }
    if (auto fine = journal::check_settings(*said); !fine) return fine.error();
    return said;
}

// It is kept with the journal, for whoever records; what is not said now stays as it was.
Result<void> keep_settings(const bus::Region& region, const journal::JournalSettings& said) {
    const std::string directory = journal_directory_of(region.header());
    if (said.is_empty() || directory.empty()) return {};
    auto kept = journal::load_settings(directory);
    if (!kept) return kept.error();
    kept->put(said);
    return journal::save_settings(directory, *kept, stream::journal_access(region));
}

// Whether the journal may be that of a new ring. Two streams can't write one; and the recorder of a
// ring that has just gone takes what was left, and ends: that is waited for.
Result<void> check_journal(const std::string& directory, const std::string& stream) {
    auto names = bus::Region::list(settings().directory);
    if (!names) return names.error();
    for (const std::string& name : *names) {
        const auto header = bus::Region::peek(name, settings().directory, true);
        if (!header || name == stream || journal_directory_of(*header) != directory) continue;
        return make_error(ErrorCode::already_exists,
                          fmt::format("the journal '{}' is that of stream '{}'", directory, name),
                          "give each stream a directory of its own: --journal DIR");
    }
    const std::uint64_t give_up_ns = monotonic_ns() + kRecorderEndNs;
    for (;;) {
        auto checked = stream::check_journal_is_free(directory, stream);
        const bool is_written = !checked && checked.error().code == ErrorCode::busy;
        if (!is_written || stop_requested() || monotonic_ns() >= give_up_ns) return checked;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
}

// The journal that the stream will have, with the id that its ring remembers: so its first recorder
// can tell that the place isn't the one that was meant. Whoever makes a stream may not be allowed
// to make its journal, which is that of a service: then its first recorder makes it.
Result<bool> begin_journal(bus::StreamOptions& options) {
    journal::JournalAccess access;
    access.mode = options.mode & 0666U;
    if (options.group_id != bus::kNoGroup) access.group_id = options.group_id;
    auto begun = journal::begin_journal(options.journal_directory, access);
    if (begun) {
        options.journal_id = begun->id;
        return begun->is_new;
    }
    if (begun.error().code != ErrorCode::no_permission) return begun.error();
    say(fmt::format(
        "the journal is made by the stream's first recorder, since this user may not: {}",
        begun.error().message));
    return false;
}

// What was made a moment ago goes again, unless somebody uses it already. Returns why.
Error undo(const std::string& stream, const Error& why) {
    const auto header = bus::Region::peek(stream, settings().directory);
    if (header) (void)bus::Region::unlink(stream, false, settings().directory, &*header);
    return why;
}

Result<void> choose_publishing(CreateFlags& flags) {
    bus::StreamOptions& options = flags.options;
    const bool is_single = flags.single || flags.publishers == "single";
    options.publishing = is_single ? bus::Publishing::single : bus::Publishing::multi;
    if (is_single || flags.publishers == "multi") return {};
    const auto count = parse_count(flags.publishers);
    if (!count || *count == 0 || *count > bus::kMaxSlots) {
        return make_error(ErrorCode::invalid_argument,
                          fmt::format("--publishers '{}' is neither single nor multi nor a number "
                                      "from 1 to {}",
                                      flags.publishers,
                                      bus::kMaxSlots),
                          "--publishers 1000 lets a thousand publishers register at once");
    }
    options.publisher_slots = static_cast<std::uint32_t>(*count);
    return {};
}

Result<ExitCode> run_create(CreateFlags& flags) {
    if (auto allowed = allow_only_text_and_json("create"); !allowed) return allowed.error();
    // In `create --journal NAME` the word is meant as the stream's name: one is needed.
    if (flags.stream.empty()) flags.stream.swap(flags.journal_directory);
    if (auto checked = bus::check_stream_name(flags.stream); !checked) return checked.error();
    if (auto read = read_types(flags); !read) return read.error();
    bus::StreamOptions& options = flags.options;
    bool is_first = false;
    auto mode = parse_mode(flags.mode);
    if (!mode) return mode.error();
    options.mode = *mode;
    if (!flags.group.empty()) {
        auto group = parse_group(flags.group);
        if (!group) return group.error();
        options.group_id = *group;
    }
    options.huge_pages = huge_pages_of(flags.huge_pages);
    // More than 32 bits can hold is refused as what it is: too large for any ring.
    options.max_payload_bytes =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(flags.max_event_bytes, UINT32_MAX));
    if (auto chosen = choose_publishing(flags); !chosen) return chosen.error();
    options.publish_time = flags.publish_time == "off"     ? bus::PublishTime::off
                           : flags.publish_time == "batch" ? bus::PublishTime::per_batch
                                                           : bus::PublishTime::per_event;
    options.journal_missing =
        flags.journal_missing == "hold" ? bus::JournalMissing::hold : bus::JournalMissing::go;
    if (flags.journal->count() != 0) {
        options.journal_directory = flags.journal_directory.empty()
                                        ? usual_journal_directory(flags.stream)
                                        : absolute_path(flags.journal_directory);
        if (auto fitted = fit_journal(options); !fitted) return fitted.error();
        // One that is there stays as it is, and a recorder may be at work on its journal.
        const auto there = bus::Region::peek(flags.stream, settings().directory);
        is_first = !there && there.error().code == ErrorCode::not_found;
        if (is_first) {
            auto checked = check_journal(options.journal_directory, flags.stream);
            if (!checked) return checked.error();
        }
        // A ring that is made anew after a reboot goes on where its journal ends.
        auto end = stream::find_journal_end(options.journal_directory);
        if (!end) return end.error();
        options.first_sequence = end->sequence;
        options.journal_id = end->id;
    }
    if (!options.journal_directory.empty()) {
        // Else the recorder would find it out.
        auto checked = journal::check_types(options.journal_directory, options.types);
        if (!checked) return checked.error();
    }
    auto said = said_settings(flags);
    if (!said) return said.error();
    bool made_journal = false;
    if (is_first) {
        auto begun = begin_journal(options);
        if (!begun) return begun.error();
        made_journal = *begun;
    }
    auto created = bus::Region::create(flags.stream, options, settings().directory);
    // Somebody who makes the same stream at this moment has found it, and it is theirs.
    if (!created && made_journal && created.error().code != ErrorCode::already_exists)
        (void)journal::remove_journal(options.journal_directory);
    const bool was_there = !created && created.error().code == ErrorCode::already_exists;
    if (!created && !(was_there && flags.if_not_exists)) return created.error();
    if (was_there) {
        if (auto added = add_types(flags); !added) return added.error();
    }
    auto region = bus::Region::open(flags.stream, bus::RegionAccess::observe, settings().directory);
    if (!region) return was_there ? region.error() : undo(flags.stream, region.error());
    auto kept = keep_settings(**region, *said);
    if (!kept) return was_there ? kept.error() : undo(flags.stream, kept.error());
    print_created(**region, !was_there, flags);
    return ExitCode::done;
}

}  // namespace

void register_create(CLI::App& app) {
    const auto flags = std::make_shared<CreateFlags>();
    CLI::App* const command =
        add_command(app, "create", "Make a stream", [flags] { return run_create(*flags); });
    command->add_option("STREAM", flags->stream, "Name of the stream");
    add_parsed(*command,
               "--capacity",
               flags->options.capacity_bytes,
               parse_size_bytes,
               "Size of the ring, a power of two (default 64MiB)");
    add_parsed(*command,
               "--max-event",
               flags->max_event_bytes,
               parse_size_bytes,
               "Largest payload (default: an eighth of the capacity)");
    command
        ->add_option(
            "--publishers", flags->publishers, "single, multi (16), or how many: up to 1024")
        ->capture_default_str();
    command->add_flag("--single", flags->single, "Short for --publishers single: cheaper claims");
    command
        ->add_option("--readers",
                     flags->options.subscriber_slots,
                     "How many readers may register: up to 1024")
        ->capture_default_str();
    flags->journal = command->add_option("--journal",
                                         flags->journal_directory,
                                         "Keep a journal: in DIR, or in --journal-dir/STREAM");
    flags->journal->expected(0, 1)->type_name("[DIR]");
    command
        ->add_option("--journal-missing",
                     flags->journal_missing,
                     "While nobody records publishers go or hold")
        ->check(CLI::IsMember({"go", "hold"}))
        ->capture_default_str()
        ->group(kRareOptions);
    command->add_option("--schema", flags->schema_file, "What its events are made of; - is stdin")
        ->type_name("FILE");
    flags->writing.add_to(*command);
    command
        ->add_option("--publish-time",
                     flags->publish_time,
                     "Stamp each event or each batch with its time, or none: off, event, batch")
        ->check(CLI::IsMember({"off", "event", "batch"}))
        ->capture_default_str()
        ->group(kRareOptions);
    command->add_option("--align", flags->options.alignment_bytes, "16, or 64 for many publishers")
        ->check(CLI::IsMember({16, 64}))
        ->capture_default_str()
        ->group(kRareOptions);
    command->add_option("--mode", flags->mode, "Who may use it, as for chmod")
        ->capture_default_str()
        ->group(kRareOptions);
    command->add_option("--group", flags->group, "Whose files they are: a group's name or number")
        ->type_name("GROUP")
        ->group(kRareOptions);
    command
        ->add_option("--huge-pages",
                     flags->huge_pages,
                     "auto: where the kernel joins pages by itself; 2M, 1G: reserved ones, or an "
                     "error")
        ->check(CLI::IsMember({"auto", "2M", "1G", "off"}))
        ->capture_default_str()
        ->group(kRareOptions);
    command->add_flag("--if-not-exists", flags->if_not_exists, "A stream that exists is fine");
}

}  // namespace tailrace::tool
