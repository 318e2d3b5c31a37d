// tailrace pub: publishes arguments, what stdin or files hold, or made-up events.

#include "command.hpp"
#include "commands.hpp"
#include "event_key.hpp"
#include "journal_place.hpp"
#include "option_text.hpp"
#include "pace.hpp"
#include "progress.hpp"
#include "pub_source.hpp"
#include "recorder_start.hpp"
#include "stop_signal.hpp"
#include "units.hpp"
#include "wait_option.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/sequence_range.hpp>
#include <tailrace/bus/journal_board.hpp>
#include <tailrace/bus/publisher.hpp>

#include <fmt/format.h>
#include <memory>

namespace tailrace::tool {

namespace {

// How often a wait looks whether somebody asked to stop.
constexpr std::uint64_t kLookUpNs = 200 * kNsPerMs;

struct PubFlags {
    PubSourceFlags source;
    double rate_per_s = 0;
    std::string name = "pub";
    std::string key;
    std::string identity;
    bool durable = false;
    std::uint64_t timeout_ns = UINT64_MAX;
    bus::WaitStrategy wait = bus::WaitStrategy::adaptive;

    [[nodiscard]] const std::string& stream() const noexcept { return source.stream; }
};

// One publishing run: what it did so far, and how it ends.
class Publishing {
public:
    Publishing(const PubFlags& flags, bus::Publisher publisher)
        : flags_(flags),
          publisher_(std::move(publisher)),
          end_at_start_(publisher_.region().tail().sequence) {}

    [[nodiscard]] Result<ExitCode> run(const PubSource& source);
    void report() const;
    [[nodiscard]] bool has_done_anything() const noexcept { return events_ + known_ != 0; }

private:
    [[nodiscard]] Result<bool> publish(const InputEvent& event);
    [[nodiscard]] Result<bool> wait_durable();
    [[nodiscard]] Error refused(bus::PublishStatus status, std::size_t size_bytes) const;

    const PubFlags& flags_;
    bus::Publisher publisher_;
    std::uint64_t events_ = 0;
    std::uint64_t known_ = 0;  // that were published before, under its name
    std::uint64_t bytes_ = 0;
    Sequence end_at_start_;
    Sequence first_sequence_ = kNoSequence;
    bool durable_ = false;
};

Error Publishing::refused(bus::PublishStatus status, std::size_t size_bytes) const {
    const std::string done = events_ == 0
                                 ? "; nothing was published"
                                 : fmt::format("; {} events were published before", events_);
    const std::string holder = publisher_.holder();
    switch (status) {
        case bus::PublishStatus::too_large:
            return make_error(
                ErrorCode::too_large,
                fmt::format("an event of {} bytes is more than the {} bytes that stream '{}' "
                            "allows{}",
                            size_bytes,
                            publisher_.region().header().max_payload_bytes,
                            flags_.stream(),
                            done),
                "create a stream with a larger --max-event");
        case bus::PublishStatus::closed:
            return make_error(ErrorCode::closed,
                              fmt::format("{}{}", publisher_.region().ending(), done),
                              fmt::format("tailrace create {}", flags_.stream()));
        default:
            return make_error(ErrorCode::timed_out,
                              fmt::format("no room in stream '{}'{}{}{}",
                                          flags_.stream(),
                                          holder.empty() ? "" : ": it waits for ",
                                          holder,
                                          done),
                              fmt::format("tailrace lag {}", flags_.stream()));
    }
}

// False: stopped while it waited for room.
Result<bool> Publishing::publish(const InputEvent& event) {
    constexpr std::uint64_t kTellAfterNs = 1'000 * kNsPerMs;
    const auto bytes =
        std::as_bytes(std::span<const char>(event.payload.data(), event.payload.size()));
    bus::EventFields fields = event.fields;
    // Under a name an event's number is its place in the input.
    if (!flags_.identity.empty()) fields.own_sequence = events_ + known_ + 1;
    const std::uint64_t start_ns = monotonic_ns();
    bool told = false;
    for (;;) {
        const std::uint64_t waited_ns = monotonic_ns() - start_ns;
        const std::uint64_t left_ns =
            flags_.timeout_ns > waited_ns ? flags_.timeout_ns - waited_ns : 0;
        const bus::PublishStatus status =
            publisher_.publish(bytes, fields, bus::Deadline::in_ns(std::min(left_ns, kLookUpNs)));
        if (status == bus::PublishStatus::duplicate) {
            ++known_;
            return true;
        }
        if (status == bus::PublishStatus::ok) {
            if (first_sequence_ == kNoSequence)
                first_sequence_ = publisher_.next_own_sequence() - 1;
            ++events_;
            bytes_ += event.payload.size();
            return true;
        }
        if (status != bus::PublishStatus::timed_out || left_ns <= kLookUpNs) {
            return refused(status, event.payload.size());
        }
        if (stop_requested()) return false;
        if (!told && monotonic_ns() - start_ns > kTellAfterNs) {
            told = true;
            const std::string holder = publisher_.holder();
            say(fmt::format("waiting for room in '{}'{}{}; tailrace lag {}",
                            flags_.stream(),
                            holder.empty() ? "" : ": held by ",
                            holder,
                            flags_.stream()));
        }
    }
}

Result<ExitCode> Publishing::run(const PubSource& source) {
    Pace pace(flags_.rate_per_s);
    Progress progress(fmt::format("publishing to '{}'", flags_.stream()),
                      "events",
                      flags_.source.count.value_or(0));
    bool stopped = false;
    while (!flags_.source.count || events_ + known_ < *flags_.source.count) {
        auto event = source.next();
        if (!event) return event.error();
        if (!*event) {
            stopped = stop_requested();
            break;
        }
        if (!pace.wait()) {
            stopped = true;
            break;
        }
        auto published = publish(**event);
        if (!published) return published.error();
        if (!*published) {
            stopped = true;
            break;
        }
        progress.update(events_);
    }
    if (flags_.durable && events_ + known_ != 0) {
        auto waited = wait_durable();
        if (!waited) return waited.error();
        durable_ = *waited;
        if (!durable_) stopped = true;
    }
    // Lines that were published but not made durable as asked are not a job that is done.
    const bool unfinished =
        stopped && (!flags_.source.is_endless() || (flags_.durable && !durable_));
    if (unfinished) return ExitCode::interrupted;
    const bool is_missing_some = source.input && source.input->missing_events() != 0;
    return is_missing_some ? ExitCode::damage : ExitCode::done;
}

// False: stopped while it waited.
Result<bool> Publishing::wait_durable() {
    const std::uint64_t start_ns = monotonic_ns();
    for (;;) {
        const std::uint64_t waited_ns = monotonic_ns() - start_ns;
        const std::uint64_t left_ns =
            flags_.timeout_ns > waited_ns ? flags_.timeout_ns - waited_ns : 0;
        const bus::Deadline deadline = bus::Deadline::in_ns(std::min(left_ns, kLookUpNs));
        // What was published before may not be durable yet either.
        auto waited = events_ == 0
                          ? bus::wait_durable(publisher_.region(), end_at_start_, deadline)
                          : publisher_.wait_durable(publisher_.next_own_sequence(), deadline);
        if (waited) return true;
        if (waited.error().code != ErrorCode::timed_out || left_ns <= kLookUpNs) {
            return waited.error();
        }
        if (stop_requested()) return false;
    }
}

void Publishing::report() const {
    const Sequence last = events_ == 0 ? 0 : publisher_.next_own_sequence() - 1;
    if (settings().json()) {
        Json document;
        document["stream"] = flags_.stream();
        document["events"] = events_;
        document["payload_bytes"] = bytes_;
        document["first_seq"] = events_ == 0 ? Json() : Json(first_sequence_);
        document["last_seq"] = events_ == 0 ? Json() : Json(last);
        document["durable"] = durable_;
        if (!flags_.identity.empty()) document["known_events"] = known_;
        out().write_json(document);
        return;
    }
    const std::string known =
        known_ == 0 ? "" : fmt::format("; {} had been published before", counted(known_, "event"));
    if (events_ == 0) {
        report_done("published 0 events" + known);
        return;
    }
    report_done(fmt::format("published {} ({} of payload), sequence {}{}{}",
                            counted(events_, "event"),
                            size_text(bytes_),
                            range_text(first_sequence_, last + 1),
                            durable_ ? ", durable" : "",
                            known));
}

Result<ExitCode> run_pub(PubFlags& flags) {
    if (auto allowed = allow_only_text_and_json("pub"); !allowed) return allowed.error();
    if (!flags.key.empty()) {
        flags.source.input.usual.has_key = true;
        flags.source.input.usual.key = event_key(flags.key);
    }
    bus::PublisherOptions options;
    options.name = flags.name;
    options.wait = flags.wait;
    options.directory = settings().directory;
    options.identity = flags.identity;
    auto region =
        bus::Region::open(flags.stream(), bus::RegionAccess::publish, settings().directory);
    if (!region) return region.error();
    auto source = open_source(flags.source, **region);
    if (!source) return source.error();
    if (flags.durable) {
        const std::uint64_t patience_ns =
            flags.timeout_ns == UINT64_MAX ? kRecorderStartNs : flags.timeout_ns;
        if (auto waited = await_recorder(**region, patience_ns); !waited) return waited.error();
    }
    auto publisher = bus::Publisher::attach(*region, options);
    if (!publisher) return publisher.error();
    if (!journal_directory_of((*region)->header()).empty() && !bus::has_journal_writer(**region)) {
        say(fmt::format("nobody records stream '{0}': {1}; tailrace record {0}",
                        flags.stream(),
                        bus::holds_for_journal((*region)->header())
                            ? "it waits when the ring is full"
                            : "what leaves the ring is lost"));
    }
    Publishing publishing(flags, std::move(*publisher));
    auto ended = publishing.run(*source);
    if (ended || publishing.has_done_anything()) publishing.report();
    return ended;
}

}  // namespace

void register_pub(CLI::App& app) {
    const auto flags = std::make_shared<PubFlags>();
    CLI::App* const command =
        add_command(app, "pub", "Publish events: arguments, lines, or made up", [flags] {
            return run_pub(*flags);
        });
    add_source_options(*command, flags->source);
    add_parsed(
        *command, "--rate", flags->rate_per_s, parse_rate_per_s, "At most so many: 1000/s, 100k/s");
    flags->source.type =
        command
            ->add_option("--type", flags->source.input.usual.type, "The events' type, 0 to 65535")
            ->capture_default_str();
    command->add_option("--key", flags->key, "The events' key: a number, or a text to be hashed")
        ->type_name("KEY");
    command
        ->add_option("--identity",
                     flags->identity,
                     "Publish under this name: of the same input again only what is new")
        ->type_name("NAME")
        ->group(kRareOptions);
    command->add_option("--name", flags->name, "What other tools call this publisher")
        ->type_name("NAME")
        ->capture_default_str()
        ->group(kRareOptions);
    command->add_flag("--durable", flags->durable, "Wait until the journal has made them durable");
    add_parsed(*command,
               "--timeout",
               flags->timeout_ns,
               parse_duration_ns,
               "Give up waiting for room or the journal after this long (default: never)")
        ->group(kRareOptions);
    add_wait_option(*command, flags->wait)->group(kRareOptions);
}

}  // namespace tailrace::tool
