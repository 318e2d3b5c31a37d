#include "file_owner.hpp"
#include "lock_file.hpp"
#include "posix_files.hpp"
#include "storage_choice.hpp"
#include "writer_core.hpp"

#include <tailrace/base/random.hpp>
#include <tailrace/base/shortage.hpp>
#include <tailrace/journal/writer.hpp>

#include <cerrno>
#include <filesystem>
#include <utility>

namespace tailrace::journal {

namespace {

WriterEnvironment kernel_environment(IoBackend backend) {
    WriterEnvironment around;
    around.files = &posix_files();
    around.time = &system_time();
    around.random = random_word;
    around.make_queue = [backend](std::size_t depth,
                                  std::span<const std::byte> memory,
                                  std::string& reason) -> Result<std::unique_ptr<WriteQueue>> {
        auto choice = choose_queue(backend, depth, memory);
        if (!choice) return choice.error();
        reason = choice->reason;
        return std::move(choice->queue);
    };
    return around;
}

Error dead_writer() {
    return make_error(
        ErrorCode::invalid_argument,
        "this journal writer is dead: it was moved from, or this is a forked child and "
        "it belongs to the parent",
        "open the journal in the child, after the parent has closed it");
}

// What compressors left that were killed. While one is at work it has a byte of LOCK.
void remove_half_made_segments(const std::string& directory) {
    const auto alone = FileLock::try_lock(lock_path(directory), kCompressorByte);
    auto listing = list_journal(posix_files(), directory);
    if (!alone || !listing) return;
    for (const std::string& name : listing->foreign_names) {
        if (half_made_segment(name)) (void)posix_files().remove(directory + "/" + name);
    }
}

}  // namespace

Result<Writer> Writer::open(const JournalOptions& options) noexcept {
    if (options.directory.empty()) {
        return make_error(ErrorCode::invalid_argument,
                          "no directory is given for the journal",
                          "'tailrace record --help' shows how");
    }
    if (auto made = make_durable_directory(options.directory, options.access); !made)
        return made.error();
    auto lock = lock_journal(options.directory, options.access);
    if (!lock) return lock.error();
    spread_access(options.directory, options.access);
    auto core = WriterCore::open(options, kernel_environment(options.io_backend));
    if (!core) return core.error();
    (*core)->hold(std::move(*lock));
    remove_half_made_segments(options.directory);
    return Writer(std::move(*core));
}

Writer::Writer(std::unique_ptr<WriterCore> core) noexcept : core_(std::move(core)) {}
Writer::Writer(Writer&& other) noexcept = default;
Writer& Writer::operator=(Writer&& other) noexcept {
    if (this != &other) {
        let_go();
        core_ = std::move(other.core_);
        home_ = other.home_;
    }
    return *this;
}
Writer::~Writer() {
    let_go();
}

// Its threads don't run in a child, and its files and rings are the parent's.
void Writer::let_go() noexcept {
    if (!home_.is_here()) (void)core_.release();
    core_.reset();
}

AppendResult Writer::append(const Run& run) noexcept {
    if (is_dead()) return {0, 0, AppendStatus::failed};
    return core_->append(run);
}
AppendStatus Writer::append_tombstone(Sequence sequence, std::uint64_t record_salt) noexcept {
    if (is_dead()) return AppendStatus::failed;
    return core_->append_tombstone(sequence, record_salt);
}
AppendStatus Writer::note_gap(Sequence first, std::uint64_t count) noexcept {
    if (is_dead()) return AppendStatus::failed;
    return core_->note_gap(first, count);
}
void Writer::end_unfinished() noexcept {
    if (!is_dead()) core_->end_unfinished();
}

void Writer::take_back_unfinished() noexcept {
    if (!is_dead()) core_->take_back_unfinished();
}

bool Writer::drive(std::uint64_t timeout_ns) noexcept {
    if (is_dead()) return false;
    return core_->drive(timeout_ns);
}

bool Writer::has_full_batch() const noexcept {
    if (is_dead()) return false;
    return core_->has_full_batch();
}
void Writer::request_flush() noexcept {
    if (is_dead()) return;
    core_->request_flush();
}
void Writer::note_stored_size(std::uint64_t segment_number, std::uint64_t stored_bytes) noexcept {
    if (is_dead()) return;
    core_->note_stored_size(segment_number, stored_bytes);
}
void Writer::hold_back(std::vector<HeldBack> held) noexcept {
    if (is_dead()) return;
    core_->hold_back(std::move(held));
}
Result<void> Writer::sync(std::uint64_t timeout_ns) noexcept {
    if (is_dead()) return dead_writer();
    return core_->sync(timeout_ns);
}
Result<void> Writer::close(std::uint64_t timeout_ns) noexcept {
    if (is_dead()) return dead_writer();
    return core_->close(timeout_ns);
}

Sequence Writer::next_sequence() const noexcept {
    return core_->next_sequence();
}
Sequence Writer::written_sequence() const noexcept {
    return core_->written_sequence();
}
Sequence Writer::durable_sequence() const noexcept {
    return core_->durable_sequence();
}
std::uint64_t Writer::idle_ns() const noexcept {
    return core_->idle_ns();
}
WriterState Writer::state() const noexcept {
    if (is_dead()) return WriterState::failed;
    return core_->state();
}
int Writer::failure_errno() const noexcept {
    return core_->failure_errno();
}
Error Writer::failure() const {
    if (is_dead()) return dead_writer();
    return core_->failure();
}

const RecoveryReport& Writer::recovery() const noexcept {
    return core_->recovery();
}
std::uint64_t Writer::max_event_size_bytes() const noexcept {
    return core_->max_event_size_bytes();
}
std::array<std::uint64_t, 2> Writer::journal_id() const noexcept {
    return core_->journal_id();
}
const std::string& Writer::stream_name() const noexcept {
    return core_->stream_name();
}
std::uint32_t Writer::event_alignment_bytes() const noexcept {
    return core_->event_alignment_bytes();
}
std::string_view Writer::io_backend_name() const noexcept {
    return core_->io_backend_name();
}
std::string_view Writer::io_backend_reason() const noexcept {
    return core_->io_backend_reason();
}
DurableWrite Writer::durable_write() const noexcept {
    return core_->durable_write();
}
std::string_view Writer::durable_write_reason() const noexcept {
    return core_->durable_write_reason();
}
WriterStatistics Writer::statistics() const noexcept {
    return core_->statistics();
}

}  // namespace tailrace::journal
