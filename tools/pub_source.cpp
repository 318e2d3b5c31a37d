#include "pub_source.hpp"

#include "command.hpp"
#include "misspelling.hpp"
#include "option_text.hpp"
#include "units.hpp"

#include <tailrace/bus/declared_types.hpp>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <utility>

namespace tailrace::tool {

namespace {

Error wrong(std::string message, std::string hint) {
    return make_error(ErrorCode::invalid_argument, std::move(message), std::move(hint));
}

bool takes_lines(const EventInputOptions& input) {
    return input.shape == EventShape::lines || input.shape == EventShape::json ||
           input.shape == EventShape::typed;
}

constexpr std::array<std::pair<std::string_view, EventShape>, 4> kShapes = {
    {{"lines", EventShape::lines},
     {"json", EventShape::json},
     {"framed", EventShape::framed},
     {"whole", EventShape::whole}}};

// --as is a shape, or one of the stream's types.
Result<void> choose_shape(PubSourceFlags& flags, const bus::Region& region) {
    EventInputOptions& input = flags.input;
    const auto* const shape = std::find_if(kShapes.begin(), kShapes.end(), [&](const auto& row) {
        return row.first == flags.as_text;
    });
    const bool is_shape = flags.as->count() == 0 || shape != kShapes.end();
    if (flags.as->count() != 0 && is_shape) input.shape = shape->second;
    if (is_shape && input.shape != EventShape::json) return {};
    auto types = bus::declared_types(region);
    if (!types) return types.error();
    input.types = std::make_shared<const schema::StreamSchema>(std::move(*types));
    if (is_shape) return {};
    input.type = input.types->find(std::string_view(flags.as_text));
    if (input.type == nullptr) {
        std::vector<std::string> names;
        for (const auto& row : kShapes)
            names.emplace_back(row.first);
        for (const schema::EventSchema& type : input.types->types())
            names.push_back(type.name);
        const std::string meant = nearest_name(flags.as_text, names);
        return wrong(
            fmt::format("--as '{}' is neither lines, json, framed nor whole, nor a type of "
                        "'{}'{}",
                        tame(flags.as_text),
                        flags.stream,
                        meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant)),
            fmt::format("tailrace schema {}", flags.stream));
    }
    if (flags.type->count() != 0) {
        return wrong(
            fmt::format("--as {} says the events' type, and --type another time", flags.as_text),
            "leave out --type");
    }
    input.shape = EventShape::typed;
    input.usual.type = input.type->type;
    return {};
}

// What one option says and another one denies.
Result<void> check_flags(const PubSourceFlags& flags) {
    const bool generates = flags.size->count() != 0;
    const bool has_bodies = !flags.bodies.empty();
    const int sources = (has_bodies ? 1 : 0) + (flags.files.empty() ? 0 : 1) +
                        (flags.from_stdin ? 1 : 0) + (generates ? 1 : 0);
    if (sources > 1) {
        return wrong(
            "events come from arguments, from --file, from --stdin or from --size: choose "
            "one",
            "tailrace pub --help");
    }
    const bool keyed = !flags.input.key_delimiter.empty();
    if (keyed && flags.input.shape != EventShape::lines) {
        return wrong(fmt::format("--key-delimiter is for lines, not for --as {}", flags.as_text),
                     R"(--as json with {"data":"text","key":"42"})");
    }
    if (keyed && flags.input.usual.has_key) {
        return wrong("--key gives each event the same key, --key-delimiter each its own",
                     "leave one of them out");
    }
    if (generates && (keyed || flags.as->count() != 0)) {
        return wrong("--size makes events up: there is nothing to be read",
                     "leave out --as and --key-delimiter");
    }
    if (has_bodies && !takes_lines(flags.input)) {
        return wrong(
            fmt::format("--as {} is for --file and stdin, not for arguments", flags.as_text),
            "each argument is an event already");
    }
    return {};
}

Result<PubSource> body_source(const PubSourceFlags& flags, std::uint64_t max_event_bytes) {
    const auto events = std::make_shared<std::vector<EventLine>>();
    for (const std::string& body : flags.bodies) {
        auto event = parse_event(body, flags.input);
        if (event && event->gap_count == 0) {
            events->push_back(std::move(*event));
            if (events->back().payload.size() <= max_event_bytes) continue;
            return make_error(
                ErrorCode::too_large,
                fmt::format("an event of {} bytes is more than the {} bytes that stream '{}' "
                            "allows; nothing was published",
                            events->back().payload.size(),
                            max_event_bytes,
                            flags.stream),
                "create a stream with a larger --max-event");
        }
        Error error = event ? wrong("column 1: a gap is no event", "leave it out") : event.error();
        error.message = fmt::format(
            "argument {}, {}; nothing was published", events->size() + 1, error.message);
        return error;
    }
    const bool repeats = flags.input.repeat || flags.count;
    PubSource source;
    source.next =
        [events, repeats, next = std::size_t{0}]() mutable -> Result<std::optional<InputEvent>> {
        if (next == events->size() && repeats) next = 0;
        if (next == events->size()) return std::optional<InputEvent>();
        const EventLine& event = (*events)[next++];
        return std::optional(InputEvent{event.payload, event.fields});
    };
    return source;
}

// "0000000042" and letters behind it: readable, and different for each event.
Result<PubSource> generator_source(const PubSourceFlags& flags, std::uint64_t max_event_bytes) {
    if (flags.size_bytes > max_event_bytes) {
        return make_error(
            ErrorCode::too_large,
            fmt::format("events of {} bytes are more than the {} bytes that stream '{}' allows",
                        flags.size_bytes,
                        max_event_bytes,
                        flags.stream),
            fmt::format("a --size up to {}, or create a stream with a larger --max-event",
                        max_event_bytes));
    }
    constexpr std::size_t kDigits = 10;
    std::string payload(flags.size_bytes, '.');
    for (std::size_t at = kDigits; at < payload.size(); ++at) {
        payload[at] = static_cast<char>('a' + at % 26);
    }
    PubSource source;
    source.next = [payload = std::move(payload),
                   fields = flags.input.usual,
                   number = std::uint64_t{0}]() mutable -> Result<std::optional<InputEvent>> {
        const std::string digits = fmt::format("{:010}", number++ % 10'000'000'000);
        payload.replace(0, std::min(digits.size(), payload.size()), digits, 0, payload.size());
        return std::optional(InputEvent{payload, fields});
    };
    return source;
}

void say_what_stdin_is(const PubSourceFlags& flags) {
    if (!flags.files.empty() || !is_terminal(STDIN_FILENO)) return;
    if (flags.input.shape == EventShape::whole) {
        say(fmt::format("what comes until Ctrl-D becomes one event of '{}'", flags.stream));
    } else if (takes_lines(flags.input)) {
        say(fmt::format("each line becomes an event of '{}'; Ctrl-D ends", flags.stream));
    }
}

}  // namespace

bool PubSourceFlags::is_endless() const {
    if (count) return false;
    const bool follows_stdin = files.empty() && bodies.empty() && input.shape != EventShape::whole;
    return input.repeat || size->count() != 0 || follows_stdin;
}

Result<PubSource> open_source(PubSourceFlags& flags, const bus::Region& region) {
    const std::uint64_t max_event_bytes = region.header().max_payload_bytes;
    if (auto chosen = choose_shape(flags, region); !chosen) return chosen.error();
    if (auto allowed = check_flags(flags); !allowed) return allowed.error();
    flags.input.max_event_bytes = max_event_bytes;
    if (flags.size->count() != 0) return generator_source(flags, max_event_bytes);
    if (!flags.bodies.empty()) return body_source(flags, max_event_bytes);
    std::vector<InputFile> files;
    for (const std::string& path :
         flags.files.empty() ? std::vector<std::string>{"-"} : flags.files) {
        auto file = InputFile::open(path);
        if (!file) return file.error();
        files.push_back(std::move(*file));
    }
    say_what_stdin_is(flags);
    PubSource source;
    source.input = std::make_shared<EventInput>(std::move(files), flags.input);
    source.next = [input = source.input] {
        return input->next();
    };
    return source;
}

void add_source_options(CLI::App& command, PubSourceFlags& flags) {
    command.add_option("STREAM", flags.stream, "Name of the stream")->required();
    command.add_option("BODY", flags.bodies, "Each becomes an event (default: lines of stdin)");
    command.add_flag("--stdin", flags.from_stdin, "Read events from stdin")->group(kRareOptions);
    command.add_option("--file", flags.files, "Read events from FILE; - is stdin")
        ->type_name("FILE")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    flags.as = command
                   .add_option("--as",
                               flags.as_text,
                               "lines: payloads (default); json, framed: as tail prints them; "
                               "whole; or a TYPE: its fields, '{\"price\": 1.5}'")
                   ->type_name("WORD:{lines,json,framed,whole}");
    add_parsed(command,
               "-K,--key-delimiter",
               flags.input.key_delimiter,
               parse_delimiter,
               "Lines are KEY, this delimiter, and the payload");
    command.add_flag("--repeat", flags.input.repeat, "Start over at the end, until -n or Ctrl-C")
        ->group(kRareOptions);
    flags.size = add_parsed(command,
                            "--size",
                            flags.size_bytes,
                            parse_size_bytes,
                            "Make up events of this size, until -n or Ctrl-C");
    add_parsed(command, "-n,--count", flags.count, parse_count, "Stop after so many events");
}

}  // namespace tailrace::tool
