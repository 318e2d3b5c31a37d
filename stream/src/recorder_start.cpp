// Where a recorder begins: which journal is the stream's, and whether the ring goes on from it.

#include "cursor_keeper.hpp"
#include "identity_tracker.hpp"
#include "record_salt.hpp"
#include "type_keeper.hpp"

#include <tailrace/base/sequence_range.hpp>
#include <tailrace/journal/journal_id.hpp>
#include <tailrace/journal/reader.hpp>
#include <tailrace/stream/recorder.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace tailrace::stream {

namespace {

constexpr std::uint64_t kLeastSegmentBytes = 4U << 20;
constexpr std::uint64_t kSegmentRings = 4;

Error not_its_continuation(const bus::Region& region,
                           const std::string& directory,
                           Sequence journal_end) {
    return make_error(
        ErrorCode::corrupt,
        "the ring of stream '" + region.name() + "' is not the continuation of its journal in '" +
            directory + "': the journal ends before sequence " + std::to_string(journal_end) +
            ", but the ring began at " + std::to_string(region.header().first_sequence) +
            " with events of its own",
        "record into another directory (--to DIR), or make the ring anew: tailrace rm " +
            region.name() + " --yes; tailrace create " + region.name() + " --journal " + directory);
}

// A ring continues a journal when the journal's last events came from it, or when it began where
// the journal ends.
Result<void> check_continuation(const bus::Region& region,
                                const std::string& directory,
                                Sequence journal_end) {
    if (journal_end > region.tail().sequence)
        return not_its_continuation(region, directory, journal_end);
    if (region.header().first_sequence >= journal_end) return {};
    auto salt = salt_before(directory, journal_end);
    if (!salt) return salt.error();
    if (salt->has_value() && **salt != region.header().salt) {
        return not_its_continuation(region, directory, journal_end);
    }
    return {};
}

// A stream has one journal, which is made with it or by its first recorder. Another one in its
// place, or none, is a file system that isn't mounted, a directory that was moved away or removed:
// not a reason to begin anew as if nothing had been. A directory that was never recorded into is
// somebody's choice.
Result<void> check_memory(const bus::RememberedJournal& remembered,
                          const JournalEnd& found,
                          const bus::Region& region,
                          const std::string& directory) {
    const auto none = JournalEnd{}.id;
    if (remembered.id == none || found.id == remembered.id) return {};
    const std::string place = remembered.directory.empty()
                                  ? region.header().journal_directory.data()
                                  : remembered.directory;
    if (place != directory) return {};
    const bool is_there = found.id != none;
    const std::string held = remembered.durable_sequence == 0
                                 ? "where it was made"
                                 : "where everything below sequence " +
                                       std::to_string(remembered.durable_sequence) + " was durable";
    return make_error(
        ErrorCode::not_found,
        "the journal of stream '" + region.name() + "' isn't in '" + directory + "' any more, " +
            held + ": " + (is_there ? "another one is there" : "there is none"),
        "is its disk mounted (findmnt -T " + directory + ")? was it moved (then: tailrace record " +
            region.name() + " --to DIR)? to begin anew without it: tailrace record " +
            region.name() + " --new-journal");
}

// The same journal, but shorter than was promised. What the ring still holds is recorded again.
Result<void> check_promise(const bus::RememberedJournal& remembered,
                           const JournalEnd& found,
                           const bus::Subscriber& subscriber,
                           const std::string& directory) {
    if (found.id != remembered.id || found.sequence >= remembered.durable_sequence) return {};
    const Sequence next = std::min(subscriber.next_sequence(), remembered.durable_sequence);
    if (next <= found.sequence) return {};
    const std::string name = subscriber.region().name();
    return make_error(ErrorCode::corrupt,
                      "the journal '" + directory + "' of stream '" + name + "' has lost " +
                          range_text(found.sequence, next) +
                          ", which was durable in it and has left the ring",
                      "was an older copy of it put back? tailrace verify " + directory +
                          "; to go on behind a gap: tailrace record " + name + " --accept-loss");
}

// Whoever lets publishers be held for the journal lets nothing be missing in it. What was recorded
// into another one is there.
Result<void> check_hold(const bus::Region& region,
                        const JournalEnd& found,
                        const bus::Subscriber& subscriber,
                        const std::string& directory) {
    const auto hold = bus::journal_hold(region);
    if (!hold) return {};
    const Sequence expected = found.sequence != 0 ? found.sequence : hold->sequence;
    const Sequence next = subscriber.next_sequence();
    if (next <= expected) return {};
    return make_error(ErrorCode::corrupt,
                      "the journal '" + directory + "' of stream '" + region.name() + "' lacks " +
                          range_text(expected, next) +
                          ", which has left the ring, and the stream allows no gap "
                          "(--journal-missing hold)",
                      "was it recorded into another directory (tailrace lag " + region.name() +
                          ")? to go on behind a gap: tailrace record " + region.name() +
                          " --accept-loss");
}

// The place in the ring: where the journal ends, or the oldest. It is held before the journal is
// recovered, so that nothing slips away meanwhile.
Result<bus::Subscriber> take_place(const std::shared_ptr<bus::Region>& region,
                                   bus::WaitStrategy wait,
                                   const JournalEnd& journal_end) {
    bus::SubscriberOptions reading;
    reading.name = "journal";
    reading.policy = bus::SlowPolicy::gate;
    reading.wait = wait;
    const bool is_new = journal_end.sequence == 0;
    reading.start = is_new ? bus::Start::oldest() : bus::Start::at(journal_end.sequence);
    auto subscriber = bus::Subscriber::attach(region, reading);
    if (!subscriber && subscriber.error().code == ErrorCode::sequence_gone) {
        reading.start = bus::Start::oldest();
        subscriber = bus::Subscriber::attach(region, reading);
    }
    // The checkpoints of a full ring may lie behind its first event.
    const auto hold = bus::journal_hold(*region);
    if (subscriber && is_new && hold && subscriber->next_sequence() > hold->sequence)
        (void)subscriber->restart(bus::Start::at(hold->sequence));
    return subscriber;
}

Result<void> check_lag(const bus::Region& region, JournalLag lag) {
    if (lag != JournalLag::drop || !bus::holds_for_journal(region.header())) return {};
    return make_error(ErrorCode::invalid_argument,
                      "stream '" + region.name() +
                          "' was created with --journal-missing hold: nothing of it is to be "
                          "lost, so its recorder can't drop what a slow disk leaves behind",
                      "tailrace record " + region.name() + " --journal-lag gate");
}

// Segments of a small stream are small, since one is allocated whole.
std::uint64_t segment_size_for(const bus::Region& region) {
    return std::clamp(kSegmentRings * region.capacity_bytes(),
                      kLeastSegmentBytes,
                      journal::kDefaultSegmentSizeBytes);
}

std::string choose_directory(const bus::Region& region, const RecorderOptions& options) {
    if (!options.journal.directory.empty()) return options.journal.directory;
    const std::string named = region.header().journal_directory.data();
    return named.empty() ? default_journal_directory(region.name()) : named;
}

}  // namespace

std::string default_journal_directory(const std::string& stream) {
    const auto under = [&](const char* variable, const char* suffix) -> std::string {
        const char* const value = std::getenv(variable);
        return value != nullptr && *value != '\0' ? value + std::string(suffix) + "/" + stream
                                                  : std::string();
    };
    if (auto path = under("TAILRACE_JOURNAL_DIR", ""); !path.empty()) return path;
    if (auto path = under("XDG_STATE_HOME", "/tailrace"); !path.empty()) return path;
    if (::geteuid() != 0) {
        if (auto path = under("HOME", "/.local/state/tailrace"); !path.empty()) return path;
    }
    return "/var/lib/tailrace/" + stream;
}

journal::JournalAccess journal_access(const bus::Region& region) {
    struct stat status {};
    if (::stat((region.path() + "/control").c_str(), &status) != 0) return {};
    return {region.header().mode & 0666U, status.st_uid, status.st_gid};
}

Result<JournalEnd> find_journal_end(const std::string& directory) {
    auto report = journal::preview_recovery(directory);
    if (report) return JournalEnd{report->end_sequence, report->journal_id};
    if (report.error().code != ErrorCode::not_found) return report.error();
    auto begun = journal::find_journal_id(directory);
    if (!begun) return begun.error();
    return JournalEnd{0, begun->value_or(JournalEnd{}.id)};
}

Result<Recorder> Recorder::attach(const std::string& stream, const RecorderOptions& options) {
    auto opened = bus::Region::open(stream, bus::RegionAccess::subscribe, options.bus_directory);
    if (!opened) return opened.error();
    const std::shared_ptr<bus::Region> region = std::move(*opened);
    const std::string directory = choose_directory(*region, options);
    if (auto checked = check_lag(*region, options.lag); !checked) return checked.error();
    // First of all: what is started and measured from here on should have it.
    const Result<void> raised = take_priority(options.priority);
    if (!raised && raised.error().code != ErrorCode::no_permission) return raised.error();
    // The role is taken first: two recorders must not even look at the journal together.
    auto board = bus::JournalBoardWriter::take(region);
    if (!board) return board.error();

    auto journal_end = find_journal_end(directory);
    if (!journal_end) return journal_end.error();
    if (!options.new_journal) {
        auto checked = check_memory(board->remembered(), *journal_end, *region, directory);
        if (!checked) return checked.error();
    }
    const bool is_new = journal_end->sequence == 0;
    if (!is_new) {
        if (auto checked = check_continuation(*region, directory, journal_end->sequence); !checked)
            return checked.error();
    }
    auto subscriber = take_place(region, options.wait, *journal_end);
    if (!subscriber) return subscriber.error();
    if (!options.accept_loss) {
        auto checked = check_promise(board->remembered(), *journal_end, *subscriber, directory);
        if (!checked) return checked.error();
        checked = check_hold(*region, *journal_end, *subscriber, directory);
        if (!checked) return checked.error();
    }

    journal::JournalOptions journal_options = options.journal;
    journal_options.directory = directory;
    journal_options.stream_name = stream;
    journal_options.event_alignment_bytes = region->header().alignment_bytes;
    if (journal_options.access.mode == journal::JournalAccess::kUnsaid)
        journal_options.access = journal_access(*region);
    if (journal_options.segment_size_bytes == 0)
        journal_options.segment_size_bytes = segment_size_for(*region);
    journal_options.start_sequence = subscriber->next_sequence();
    auto writer = journal::Writer::open(journal_options);
    if (!writer) return writer.error();
    auto types = std::make_unique<TypeKeeper>(region, directory);
    if (auto begun = types->begin(); !begun) return begun.error();

    Recorder recorder(
        std::move(*subscriber), std::move(*writer), std::move(*board), options, directory);
    recorder.types_ = std::move(types);
    recorder.identities_ = std::make_unique<IdentityTracker>(
        region, directory, recorder.writer_.journal_id(), recorder.writer_.next_sequence());
    if (auto read = recorder.identities_->read_journal(); !read) return read.error();
    recorder.board_.continue_at(recorder.first_sequence_);
    if (options.compress_level > 0) {
        recorder.compressor_ = std::make_unique<journal::BackgroundCompressor>(
            directory, options.compress_level, 2 * journal_options.segment_size_bytes);
        recorder.seen_segments_ = recorder.writer_.statistics().segments;
    }
    // A new journal has nothing of what left the ring before it.
    if (is_new) recorder.board_.gap(region->header().first_sequence, recorder.first_sequence_);
    if (!raised) recorder.priority_refusal_ = raised.error();
    if (auto noted = recorder.note_missed(); !noted) return noted.error();
    // Only now: what the board promised so far may have been of another journal.
    recorder.board_.opened(recorder.writer_.durable_sequence());
    recorder.board_.remember(recorder.writer_.journal_id(), directory);
    recorder.release(recorder.released_);
    recorder.report_progress();
    return recorder;
}

}  // namespace tailrace::stream
