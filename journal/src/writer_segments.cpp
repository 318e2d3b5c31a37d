// The part of WriterCore that opens a journal and begins segments. Cold, but for the roll.

#include "ledger_file.hpp"
#include "trim_request.hpp"
#include "writer_core.hpp"

#include <tailrace/base/shortage.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tailrace::journal {

namespace {

constexpr std::uint64_t kSpareRetryNs = 100'000'000;
// How often an idle writer looks whether segments have become too old.
constexpr std::uint64_t kAgeLookNs = 1'000'000'000;
// No more than a quarter of the segments goes at one look because of its age.
constexpr std::uint64_t kAgePart = 4;
// How long a new journal waits for its first segment to be filled with zeroes; what isn't filled by
// then is only allocated. One that is opened again takes what is there: being back counts for more.
constexpr std::uint64_t kOpenFillNs = 300'000'000;
constexpr std::uint64_t kOpenSpareNs = 30'000'000'000;
constexpr std::uint32_t kMaxQueueDepth = 64;
constexpr std::uint32_t kSpareBuffers = 4;  // beside those in flight: one being filled, some full

// What is wanting now may be there in a moment, and nothing was begun.
bool is_shortage(int os_errno) noexcept {
    return os_errno == ENOSPC || os_errno == EDQUOT || os_errno == EMFILE || os_errno == ENFILE ||
           os_errno == ENOMEM;
}

Error cannot_name(const std::string& path, int os_errno) {
    return os_error(os_errno,
                    "cannot give the next segment the name '" + path + "'",
                    "'tailrace doctor' checks permissions and limits");
}

Result<void> check_options(const JournalOptions& options) {
    if (options.segment_size_bytes < kMinSegmentSizeBytes ||
        options.segment_size_bytes > kMaxSegmentSizeBytes ||
        options.segment_size_bytes % kBlockSizeBytes != 0) {
        return invalid_argument("a segment of " + std::to_string(options.segment_size_bytes) +
                                    " bytes is asked for '" + options.directory + "'",
                                "choose a multiple of 4096 from 64 KiB to 64 GiB");
    }
    if (options.event_alignment_bytes != 16 && options.event_alignment_bytes != 64) {
        return invalid_argument("events aligned to " +
                                    std::to_string(options.event_alignment_bytes) +
                                    " bytes are asked for '" + options.directory + "'",
                                "choose the alignment of the stream's ring, 16 or 64");
    }
    if (options.stream_name.size() > kMaxStreamNameBytes) {
        return invalid_argument(
            "the stream name for '" + options.directory + "' is too long",
            "a journal stores names of up to " + std::to_string(kMaxStreamNameBytes) + " bytes");
    }
    if (options.queue_depth < 1 || options.queue_depth > kMaxQueueDepth) {
        return invalid_argument("a queue depth of " + std::to_string(options.queue_depth) +
                                    " is asked for '" + options.directory + "'",
                                "choose 1 to 64; 8 suits most disks");
    }
    return {};
}

// An existing journal keeps its name and alignment; an unnamed request takes what is there.
Result<JournalOptions> reconcile(JournalOptions options, const Assessment& found) {
    if (found.segments.empty()) return options;
    const SegmentHeader& newest = found.newest();
    const std::string name = stream_name_of(newest);
    if (options.stream_name.empty()) options.stream_name = name;
    if (options.stream_name != name) {
        return invalid_argument("the journal '" + options.directory + "' belongs to the stream '" +
                                    name + "', not to '" + options.stream_name + "'",
                                "give each stream a directory of its own");
    }
    if (options.event_alignment_bytes != newest.event_alignment_bytes) {
        return invalid_argument("the journal '" + options.directory + "' holds events aligned to " +
                                    std::to_string(newest.event_alignment_bytes) +
                                    " bytes, the stream's to " +
                                    std::to_string(options.event_alignment_bytes),
                                "create the stream with the alignment of its journal");
    }
    return options;
}

}  // namespace

// The file for the first segment of this writer.
Result<std::string> WriterCore::take_first_spare() {
    spare_->prepare();
    if (report_.created) spare_->wait(kOpenFillNs);
    while (spare_->state() != SpareSegment::State::error) {
        std::string from = spare_->take();
        if (!from.empty()) return from;
        spare_->wait(kOpenSpareNs);  // ends: what is under way becomes usable or fails
    }
    const Shortage shortage = shortage_of(spare_->os_errno(), options_.directory);
    return os_error(spare_->os_errno(),
                    "a segment of " + std::to_string(options_.segment_size_bytes) +
                        " bytes can't be made in '" + options_.directory + "', since " +
                        shortage.what,
                    shortage.hint + "; or choose smaller segments");
}

Result<std::unique_ptr<WriterCore>> WriterCore::open(const JournalOptions& asked,
                                                     const WriterEnvironment& around) {
    JournalOptions options = asked;
    if (options.segment_size_bytes == 0) options.segment_size_bytes = kDefaultSegmentSizeBytes;
    if (auto fine = check_options(options); !fine) return fine.error();
    auto found = assess(*around.files, options.directory, AssessMode::deciding);
    if (!found) return found.error();
    if (found->segments.empty()) {
        found->report.created = true;
        found->end.sequence = options.start_sequence;
        found->report.first_sequence = options.start_sequence;
        found->report.end_sequence = options.start_sequence;
    }
    auto agreed = reconcile(options, *found);
    if (!agreed) return agreed.error();

    std::unique_ptr<WriterCore> core(new WriterCore(*agreed, around, *found));
    if (auto started = core->start(*found); !started) return started.error();
    return core;
}

WriterCore::WriterCore(JournalOptions options, WriterEnvironment around, const Assessment& found)
    : options_(std::move(options)),
      around_(std::move(around)),
      report_(found.report),
      unbuffered_(options_.direct_io == DirectIo::automatic),
      pool_(options_.queue_depth + kSpareBuffers, around_.max_batch_size_bytes),
      filler_(
          pool_,
          std::min(around_.max_batch_size_bytes, options_.segment_size_bytes - 2 * kBlockSizeBytes),
          options_.event_alignment_bytes,
          found.end.sequence,
          found.end.max_time_ns),
      retention_({options_.retain_size_bytes, options_.retain_age_ns}),
      catalogue_(*around_.files, options_.directory),
      sealed_ns_(found.end.sealed_ns) {}

// As it was found, or two empty slots.
Result<void> WriterCore::take_super(const Assessment& found) {
    if (found.super) {
        super_ = *found.super;
        return {};
    }
    // Two empty slots first; a crash before the first is written leaves an empty file, which
    // counts as none.
    const std::string path = super_path(options_.directory);
    auto file = open_file(*around_.files, path, {.write = true, .create = true});
    if (!file) return file.error();
    const std::vector<std::byte> blank(2 * kBlockSizeBytes);
    const IoOutcome outcome = around_.files->write(file->id(), 0, blank);
    if (!outcome.ok()) return os_error(outcome.os_errno, "cannot write '" + path + "'");
    super_.oldest_segment_number =
        found.segments.empty() ? 0 : found.segments.front().segment_number;
    if (found.segments.empty()) {
        const std::array<std::uint64_t, 2> id = {around_.random(), around_.random()};
        static_assert(sizeof(id) == sizeof(JournalId));
        std::memcpy(super_.journal_id.data(), id.data(), sizeof(id));
    } else {
        super_.journal_id = found.newest().journal_id;
    }
    return {};
}

Result<void> WriterCore::start(const Assessment& found) {
    if (!pool_.is_valid()) {
        return os_error(ENOMEM,
                        "no memory for the buffers of '" + options_.directory + "'",
                        "'free -m' shows what is left");
    }
    auto queue = around_.make_queue(options_.queue_depth + 2, pool_.memory(), reason_);
    if (!queue) return queue.error();
    queue_ = std::move(*queue);
    pipeline_ = std::make_unique<WritePipeline>(
        *queue_,
        *around_.time,
        pool_,
        FlushPolicy{options_.sync_policy, options_.sync_interval_ns, options_.flush_size_bytes},
        options_.queue_depth);

    pipeline_->set_place_witness([this] { return is_in_place(); });

    if (auto taken = take_super(found); !taken) return taken.error();
    super_.writer_epoch = std::max(super_.writer_epoch, report_.writer_epoch) + 1;
    begin_keeping(found);
    // First: what is to go may be the room that the next segment needs.
    if (auto given_up = give_up_first(found); !given_up) return given_up.error();

    spare_ =
        std::make_unique<SpareSegment>(*around_.files,
                                       *retired_,
                                       SpareOptions{options_.directory,
                                                    options_.segment_size_bytes,
                                                    options_.segment_fill == SegmentFill::zeroed,
                                                    unbuffered_,
                                                    around_.background});
    auto from = take_first_spare();
    if (!from) return from.error();
    const SegmentHeader* const before = found.segments.empty() ? nullptr : &found.newest();
    if (auto begun = begin_segment(*from, before, found.end); !begun) return begun.error();
    index_recovered(found);

    if (before != nullptr && !report_.clean_close &&
        (before->features_incompat & kFeatureCompressed) == 0 &&
        found.data_end_offset < before->segment_size_bytes) {
        // The rest of the old segment is zero and will never be used: give the room back, but no
        // byte that says something.
        const std::string path = segment_path(options_.directory, before->segment_number);
        if (auto file = open_file(*around_.files, path, {.write = true}); file) {
            around_.files->deallocate(file->id(),
                                      found.data_end_offset,
                                      before->segment_size_bytes - found.data_end_offset);
        }
    }
    reason_ += unbuffered_ ? "; unbuffered (O_DIRECT)"
               : options_.direct_io == DirectIo::off
                   ? "; buffered, as asked for"
                   : "; buffered: the file system refuses O_DIRECT";
    return {};
}

SegmentHeader WriterCore::next_header(const SegmentHeader* before, const LogPosition& end) {
    SegmentHeader header{};
    header.journal_id = super_.journal_id;
    header.segment_number = before != nullptr ? before->segment_number + 1 : 1;
    header.salt = around_.random();
    header.first_sequence = end.sequence;
    header.durable_sequence = end.sequence;
    header.writer_epoch = super_.writer_epoch;
    header.segment_size_bytes = options_.segment_size_bytes;
    header.event_alignment_bytes = options_.event_alignment_bytes;
    sealed_ns_ = std::max(sealed_ns_, around_.time->wall_ns());
    header.created_ns = sealed_ns_;
    header.floor_time_ns = end.max_time_ns;
    header.age_clock_ns = age_now_ns();
    if (spare_->took_recycled()) header.features_compat |= kSegmentRecycled;
    if (super_.oldest_segment_number > 1) {
        header.features_compat |= kSegmentNamesOldest;
        header.oldest_segment_number = super_.oldest_segment_number;
    }
    if (before != nullptr) {
        header.previous = {
            before->segment_number, before->salt, end.offset, end.sequence, end.last_checksum};
    }
    set_stream_name(header, options_.stream_name);
    seal_segment_header(header);
    return header;
}

// Crash story, in the order of the calls. Before the rename: a spare with a header that nobody
// looks at. After the rename, before the directory is flushed: the segment may be there or not;
// nothing was written to it yet. Before SUPER: SUPER names the predecessor, which is allowed.
// After: a missing segment is noticed. What retention gives up goes after that: until SUPER is
// flushed it is whole, whether the new header counts already or not; afterwards nobody asks for it.
Result<void> WriterCore::begin_segment(const std::string& from,
                                       const SegmentHeader* before,
                                       const LogPosition& end) {
    FileStore& files = *around_.files;
    ActiveSegment segment;
    give_up_oldest();
    segment.header = next_header(before, end);
    segment.next = first_position(segment.header);
    segment.path = segment_path(options_.directory, segment.header.segment_number);
    segment.index.begin(options_.segment_size_bytes);
    auto file = open_for_writing(from);
    if (!file) return file.error();
    const auto block = pool_.header_block();
    std::memcpy(block.data(), &segment.header, sizeof(segment.header));
    IoOutcome outcome = files.write(file->id(), 0, block);
    if (outcome.os_errno == EINVAL && unbuffered_) {
        // Opened, but not usable: a device with larger blocks than ours.
        unbuffered_ = false;
        file->reset();
        file = open_for_writing(from);
        if (!file) return file.error();
        outcome = files.write(file->id(), 0, block);
    }
    if (outcome.ok()) outcome = files.sync(file->id());
    if (!outcome.ok()) {
        return os_error(outcome.os_errno,
                        "cannot write the header of '" + segment.path + "'",
                        "look at 'dmesg' for errors of the disk");
    }
    segment.file = std::move(*file);
    if (auto calibrated = calibrate(segment.file.id()); !calibrated) {
        // A trial that was not waited for may still land: this file must not become a segment.
        (void)files.remove(from);
        return calibrated.error();
    }
    if (const IoOutcome named = files.rename(from, segment.path); !named.ok())
        return cannot_name(segment.path, named.os_errno);

    end_writing();
    segment_ = std::move(segment);
    entering_ = Entering{before != nullptr ? std::optional(*before) : std::nullopt, end, false};
    return enter_segment();
}

// It has its name. Until that is flushed and SUPER says so nothing is written to it; for want of a
// descriptor or of room that may come later. A flush that failed is final.
Result<void> WriterCore::enter_segment() {
    if (!entering_->is_flushed) {
        const IoOutcome synced = around_.files->sync_directory(options_.directory);
        if (!synced.ok()) {
            Error error = cannot_name(segment_.path, synced.os_errno);
            const bool was_begun = synced.os_errno == ENOSPC || synced.os_errno == EDQUOT;
            if (was_begun) fail_with(error);
            return error;
        }
        entering_->is_flushed = true;
    }
    if (auto noted = note_newest(0, 0); !noted) return noted.error();
    const Entering entered = *entering_;
    entering_.reset();
    pipeline_->begin_segment(segment_.file.id(), entered.end.sequence);
    marked_sequence_ = entered.end.sequence;
    ++segment_count_;
    if (entered.before) {
        catalogue_.add(catalogued(*entered.before, entered.end));
        catalogue_.write(super_.journal_id, super_.oldest_segment_number);
    }
    retire_disowned();
    spare_limit_bytes_ = 0;
    // What retention gave up is there already.
    is_spare_asked_for_ = segment_count_ > 1 || !retired_->is_empty();
    if (is_spare_asked_for_) spare_->prepare(spare_limit_bytes_);
    return {};
}

// Held from before the first write: whoever opens the journal after this process was killed waits
// for the last one. Of an earlier process's trials in a spare, this one waits for the last.
Result<StoredFile> WriterCore::open_for_writing(const std::string& path) {
    auto file = open_unbuffered(*around_.files, path, {.write = true}, unbuffered_);
    if (file && around_.files->await_writing(file->id()).os_errno == ETIMEDOUT) {
        return os_error(ETIMEDOUT,
                        "a write of an earlier process to '" + path + "' is still under way",
                        "does the disk answer? look at 'dmesg'");
    }
    return file;
}

// All of it is durable. Closing the file is not enough: a child that was made by other means than
// fork() may have it open, and an idle ring may be slow to give back a reference.
void WriterCore::end_writing() noexcept {
    const bool is_quiet = pipeline_ && !pipeline_->is_busy();
    if (segment_.file.is_open() && is_quiet) {
        (void)around_.files->hold(segment_.file.id(), FileHold::none);
    }
}

// Before the file has its name, so that nobody can meet what is tried in it. Zeroes stay zeroes; in
// a file that isn't new they are as good as what stood there.
Result<void> WriterCore::calibrate(FileId file) {
    if (is_calibrated_ || options_.sync_policy != SyncPolicy::group) return {};
    is_calibrated_ = true;
    // A queue for this alone: the journal's own belongs to the first thread that submits to it.
    std::string ignored;
    auto trial = around_.make_queue(2, {}, ignored);
    if (!trial) return trial.error();
    auto choice = choose_durable_write(**trial,
                                       *around_.time,
                                       file,
                                       pool_.marker_block(),
                                       kBlockSizeBytes,
                                       options_.segment_size_bytes,
                                       options_.durable_write);
    if (!choice) return choice.error();
    durable_choice_ = std::move(*choice);
    pipeline_->set_durable_writes(durable_choice_.chooser);
    return {};
}

void WriterCore::note_first_sequence(Sequence sequence) noexcept {
    super_.features_compat |= kSuperNamesFirst;
    super_.first_sequence = sequence;
}

Result<void> WriterCore::note_newest(std::uint64_t flags, std::uint64_t clean_end_offset) {
    super_.newest_segment_number = segment_.header.segment_number;
    if (super_.oldest_segment_number == 0) {
        super_.oldest_segment_number = segment_.header.segment_number;
        note_first_sequence(segment_.header.first_sequence);
    }
    super_.durable_sequence = segment_.next.sequence;
    super_.flags = flags;
    super_.clean_end_offset = clean_end_offset;
    super_.written_ns = sealed_ns_;
    return write_next_super();
}

// One that couldn't be written is written again in the same slot: the other one is still good.
Result<void> WriterCore::write_next_super() {
    super_.age_mark_ns = age_clock_.mark().age_ns;
    super_.age_mark_wall_ns = age_clock_.mark().wall_ns;
    SuperBlock next = super_;
    ++next.generation;
    if (auto written = write_super(*around_.files, options_.directory, next); !written)
        return written;
    super_ = next;
    return {};
}

// What was there when the writer opened: kept, or disowned and not yet removed.
void WriterCore::begin_keeping(const Assessment& found) {
    age_clock_.begin({super_.age_mark_ns, super_.age_mark_wall_ns},
                     found.segments.empty() ? 0 : found.newest().age_clock_ns,
                     options_.retain_age_ns,
                     around_.time->elapsed_ns(),
                     around_.time->wall_ns());
    super_.oldest_segment_number =
        std::max(super_.oldest_segment_number, found.oldest_segment_number);
    if (!found.segments.empty()) note_first_sequence(found.segments.front().first_sequence);
    for (std::size_t nth = 0; nth + 1 < found.segments.size(); ++nth) {
        const SegmentHeader& successor = found.segments[nth + 1];
        retention_.add(kept_segment(found.segments[nth], successor, age_now_ns()));
        catalogue_.add(catalogued(found.segments[nth], successor));
    }
    // Of a damaged ledger the stream's own cursors are known all the same, a little later.
    if (auto ledger = read_ledger(*around_.files, options_.directory))
        retention_.hold_back(held_back(*ledger));
    retired_ = std::make_unique<RetiredSegments>(
        *around_.files, options_.directory, options_.segment_size_bytes);
    for (const std::uint64_t number : found.retired_numbers)
        retired_->add_held(number);
    // SUPER or the newest header say so, and both were flushed before they were read.
    for (const std::uint64_t number : found.disowned_numbers)
        retired_->add(number);
}

// Before the first segment begins there is no header to say it: SUPER does, in both slots. The
// newest segment stays, so the journal is whole at each step.
Result<void> WriterCore::give_up_first(const Assessment& found) {
    if (found.segments.empty()) return {};
    const std::uint64_t newest = found.newest().segment_number;
    retention_.add({newest, found.end.offset, age_now_ns(), found.newest().first_sequence});
    give_up_oldest();
    if (disowned_.empty()) return {};
    if (super_.newest_segment_number != newest) {
        super_.newest_segment_number = newest;
        super_.flags &= ~kSuperCleanClose;
        super_.clean_end_offset = 0;
    }
    if (auto noted = note_oldest(); !noted) return noted;
    retire_disowned();
    return {};
}

void WriterCore::give_up_oldest() {
    const std::uint64_t elapsed_ns = around_.time->elapsed_ns();
    age_clock_.look(elapsed_ns, around_.time->wall_ns());
    std::uint64_t most_by_age = 0;
    if (elapsed_ns >= next_age_turn_ns_) {
        // A part at once. The rest goes when another look says the same.
        next_age_turn_ns_ = elapsed_ns + kAgeLookNs;
        most_by_age = std::max<std::uint64_t>(1, retention_.kept_segments() / kAgePart);
    }
    give_up_below(retention_.oldest_to_keep(
        options_.segment_size_bytes, age_clock_.now_ns(elapsed_ns), most_by_age));
}

// Decides; SUPER has to say it before anything goes.
void WriterCore::give_up_below(std::uint64_t oldest) {
    if (oldest <= super_.oldest_segment_number) return;
    for (std::uint64_t number = super_.oldest_segment_number; number < oldest; ++number)
        disowned_.push_back(number);
    super_.oldest_segment_number = oldest;
    retention_.forget_below(oldest);
    note_first_sequence(retention_.first_sequence());
}

void WriterCore::retire_disowned() {
    for (const std::uint64_t number : disowned_)
        retired_->add(number);
    disowned_.clear();
}

// Into both slots: whichever is damaged later, the other one knows it too. While segments follow
// each other the next header is the second place.
Result<void> WriterCore::note_oldest() {
    for (int slot = 0; slot < 2; ++slot) {
        super_.durable_sequence = std::max(super_.durable_sequence, pipeline_->durable());
        super_.written_ns = sealed_ns_;
        if (auto written = write_next_super(); !written) return written;
    }
    return {};
}

bool WriterCore::retire_by_age_if_idle() noexcept {
    if (!retention_.limits_age() || phase_ != Phase::writing) return false;
    if (pipeline_->is_busy() || filler_.has_whole()) return false;
    const std::uint64_t now_ns = around_.time->elapsed_ns();
    if (now_ns < next_age_look_ns_) return false;
    next_age_look_ns_ = now_ns + kAgeLookNs;
    give_up_oldest();
    return !disowned_.empty() && retire_now();
}

// Not while a segment begins, which says it anyway.
bool WriterCore::retire_now() noexcept {
    if (auto noted = note_oldest(); !noted) {
        if (!is_shortage(noted.error().os_errno)) fail_with(noted.error());
        return false;  // nothing goes before SUPER says so; it is tried again
    }
    retire_disowned();
    spare_->remove_retired();
    return true;
}

// Where the disk is full this is what makes room: so also while the next segment waits for it.
bool WriterCore::trim_if_asked() noexcept {
    if (!trim_) return false;
    const bool is_between = phase_ == Phase::waiting && !entering_;
    if (phase_ != Phase::writing && !is_between) return false;
    const bool is_busy = !is_between && (pipeline_->is_busy() || filler_.has_whole());
    if (is_busy && around_.time->elapsed_ns() < trim_->patience_until_ns) return false;
    give_up_below(retention_.oldest_without(trim_->kept_number));
    if (!disowned_.empty() && !retire_now()) return false;
    trim_.reset();
    end_trim_request(*around_.files, options_.directory);
    return true;
}

// No descriptor is left, or the file system copies on write and has no room for one of the steps:
// they are made again.
void WriterCore::wait_or_fail(const Error& error) noexcept {
    if (!is_shortage(error.os_errno)) return fail_with(error);
    no_space_errno_ = error.os_errno;
    next_spare_try_ns_ = around_.time->elapsed_ns() + kSpareRetryNs;
}

void WriterCore::roll() noexcept {
    if (entering_) {
        if (auto entered = enter_segment(); !entered) return wait_or_fail(entered.error());
        no_space_errno_ = 0;
        phase_ = Phase::writing;
        return;
    }
    const auto note_refusal = [this] {
        if (spare_->state() != SpareSegment::State::error) return;
        no_space_errno_ = spare_->os_errno();
        next_spare_try_ns_ = around_.time->elapsed_ns() + kSpareRetryNs;
    };
    note_refusal();
    const std::string from = spare_->take();  // after an error it begins anew
    if (from.empty()) {
        note_refusal();
        return;
    }
    write_segment_index();
    const SegmentHeader before = segment_.header;
    const LogPosition end = segment_.next;
    retention_.add({before.segment_number, end.offset, age_now_ns(), before.first_sequence});
    if (auto begun = begin_segment(from, &before, end); !begun) {
        wait_or_fail(begun.error());
        return;
    }
    no_space_errno_ = 0;
    phase_ = Phase::writing;
}

void WriterCore::write_segment_index() noexcept {
    write_index(
        *around_.files,
        index_path(options_.directory, segment_.header.segment_number),
        encode_index(index_header(segment_.header, segment_.next), segment_.index.entries()));
}

// Of a segment that was cut off by a crash, and walked by recovery.
void WriterCore::index_recovered(const Assessment& found) noexcept {
    if (found.segments.empty() || report_.clean_close) return;
    write_index(*around_.files,
                index_path(options_.directory, found.newest().segment_number),
                encode_index(index_header(found.newest(), found.end), found.index.entries()));
}

}  // namespace tailrace::journal
