#include "backup_core.hpp"

#include "aligned_memory.hpp"
#include "aside_file.hpp"
#include "catalogue_file.hpp"
#include "lease.hpp"
#include "ledger_file.hpp"
#include "missing_events.hpp"
#include "schema_file.hpp"
#include "segment_census.hpp"
#include "segment_map.hpp"

#include <algorithm>
#include <cerrno>
#include <deque>

namespace tailrace::journal {

namespace {

constexpr std::uint64_t kBackupCopyBytes = 1U << 20;
// A copy by the kernel in pieces, so that progress is seen.
constexpr std::uint64_t kKernelCopyBytes = 32U << 20;

std::string copying_name(const std::string& path) {
    return path + ".copying";
}

Error backup_cannot(const char* what, const std::string& path, int os_errno) {
    return os_error(os_errno,
                    std::string("backup cannot ") + what + " '" + path + "'",
                    "what is there is a sound, shorter copy; run the backup again when the cause "
                    "is gone ('df' shows the room)");
}

}  // namespace

Error BackupCore::not_a_copy(const std::string& why) const {
    return make_error(ErrorCode::already_exists,
                      "'" + destination_ + "' is not a backup of '" + source_ + "': " + why,
                      "choose another directory, or an empty one");
}

void BackupCore::show_progress(std::uint64_t more_bytes) {
    copied_so_far_bytes_ += more_bytes;
    report_.copied_bytes += more_bytes;
    if (options_.progress)
        options_.progress(std::min(copied_so_far_bytes_, total_bytes_), total_bytes_);
}

Result<void> BackupCore::Part::open(FileStore& files) {
    auto opened = open_leased(files, path);
    if (!opened) return opened.error();
    auto read = read_segment_header(files, *opened, path, Access::reading);
    if (!read) return read.error();
    file = std::move(*opened);
    header = *read;  // of the file as it is now: it may have been compressed meanwhile
    return {};
}

Result<void> BackupCore::look_at_source() {
    auto census = take_census(files_, source_);
    if (!census) return census.error();
    if (census->super_refusal) return *census->super_refusal;
    super_ = census->super.newest;
    const auto& numbers = census->listing.segment_numbers;
    if (numbers.empty() && census->missing.empty()) {
        return no_journal(source_, super_.has_value());
    }
    if (!census->missing.empty()) {
        Error error = missing_error(files_, source_, *census);
        error.hint = "'tailrace repair " + source_ + "' shows what can be done";
        return error;
    }
    parts_.clear();
    for (const std::uint64_t number : numbers) {
        Part part;
        part.number = number;
        part.path = segment_path(source_, number);
        if (auto opened = part.open(files_); !opened) return opened.error();
        if (!parts_.empty()) {
            Part& before = parts_.back();
            const PreviousSegment& end = part.header.previous;
            if (number != before.number + 1 || end.salt != before.header.salt) {
                return make_error(ErrorCode::corrupt,
                                  "'" + part.path + "' doesn't follow '" + before.path + "'",
                                  "'tailrace repair " + source_ + "' shows what can be done");
            }
            before.end_offset = end.end_offset;
            before.end_sequence = end.end_sequence;
            before.last_checksum = end.last_checksum;
            before.file.reset();
        }
        parts_.push_back(std::move(part));
    }
    // The newest stays leased to the end, so there is always something to copy.
    return find_durable_end(parts_.back());
}

// Leases this one and some of those behind it, so that retention, which goes the same way, doesn't
// overtake the copy at once. Not all: there may be more segments than descriptors.
Result<void> BackupCore::lease_from(std::size_t nth) {
    const std::size_t end = std::min(parts_.size(), nth + leased_ahead_);
    for (std::size_t ahead = nth; ahead < end; ++ahead) {
        Part& part = parts_[ahead];
        if (part.file.is_open()) continue;
        const std::uint64_t salt = part.header.salt;
        auto opened = part.open(files_);
        if (opened && part.header.salt != salt) {
            return make_error(ErrorCode::corrupt,
                              "'" + part.path + "' has been exchanged during the backup",
                              "'tailrace verify " + source_ + "' lists all damage");
        }
        if (opened) continue;
        if (ahead == nth) return opened.error();
        break;  // told when it is its turn
    }
    return {};
}

// No descriptor is left: half as many leases from now on.
bool BackupCore::give_back_leases(std::size_t nth) {
    if (leased_ahead_ == 1) return false;
    leased_ahead_ /= 2;
    for (std::size_t ahead = nth + leased_ahead_; ahead + 1 < parts_.size(); ++ahead)
        parts_[ahead].file.reset();
    return true;
}

// Retention was faster: what was copied lies before a hole. It is removed again, from the newest
// on, so that a crash leaves a journal.
Result<void> BackupCore::leave_behind(std::size_t nth) {
    if (copied_newest_) {
        return make_error(ErrorCode::sequence_gone,
                          "retention has overtaken the backup: '" + source_ +
                              "' has lost sequence " +
                              std::to_string(parts_[nth].header.first_sequence) +
                              " and more, the backup in '" + destination_ + "' ends before that",
                          "make a new backup in an empty directory");
    }
    for (std::size_t copied = nth; copied > first_part_; --copied) {
        const std::uint64_t number = parts_[copied - 1].number;
        (void)files_.remove(index_path(destination_, number));
        const IoOutcome removed = files_.remove(segment_path(destination_, number));
        if (!removed.ok()) return backup_cannot("remove from", destination_, removed.os_errno);
        --report_.copied_segments;
    }
    first_part_ = nth + 1;
    return {};
}

// The last place between two batches of the newest segment below which everything is durable.
Result<void> BackupCore::find_durable_end(Part& newest) {
    writer_runs_ = ask_writer_runs_();
    if (!writer_runs_) {
        // Nobody promises more; what is read now must not be what only a cache holds.
        const IoOutcome synced = files_.sync(newest.file.id());
        if (!synced.ok()) return backup_cannot("flush", newest.path, synced.os_errno);
    }
    auto file = open_file(files_, newest.path, {});
    if (!file) return file.error();
    if (!scan_.attach(std::move(*file), newest.header)) {
        return backup_cannot("find memory for", newest.path, ENOMEM);
    }
    LogPosition position = first_position(newest.header);
    LogPosition durable_end = position;
    Sequence durable = std::max({options_.durable_sequence,
                                 newest.header.durable_sequence,
                                 super_ ? super_->durable_sequence : 0});
    std::deque<LogPosition> undecided;
    while (!position.sealed) {
        const FoundBatch found = scan_.batch_at(position.offset);
        if (found.os_errno != 0) return backup_cannot("read", newest.path, found.os_errno);
        if (found.verdict != BatchVerdict::valid || !continues(position, found.header)) {
            // Below a promise what is damaged here may have held no event.
            const auto next =
                durable > position.sequence ? find_sound_nearby(scan_, position) : std::nullopt;
            if (!next) break;
            position = next->position;
            continue;
        }
        advance(position, found.header);
        undecided.push_back(position);
        durable = std::max(durable, found.header.durable_sequence);
        while (!undecided.empty() && undecided.front().sequence <= durable) {
            durable_end = undecided.front();
            undecided.pop_front();
        }
    }
    const BeyondEnd beyond =
        writer_runs_ ? BeyondEnd{} : scan_beyond(scan_, position.offset, kMaxSegmentSizeBytes);
    if (std::max(durable, beyond.promised_sequence) > position.sequence) {
        return make_error(ErrorCode::corrupt,
                          "acknowledged events from " + std::to_string(position.sequence) +
                              " on can't be read: '" + newest.path + "', offset " +
                              std::to_string(position.offset),
                          "'tailrace repair " + source_ + "' shows what can be done");
    }
    if (!writer_runs_) durable_end = position;
    newest.end_offset = durable_end.offset;
    newest.end_sequence = durable_end.sequence;
    newest.last_checksum = durable_end.last_checksum;
    return {};
}

Result<void> BackupCore::look_at_destination() {
    auto census = take_census(files_, destination_, Access::writing);
    if (!census) return census.error();
    if (census->super_refusal) return *census->super_refusal;
    copied_numbers_ = census->listing.segment_numbers;
    for (const std::string& name : census->listing.foreign_names) {
        if (!name.ends_with(".copying")) return not_a_copy("it holds '" + name + "'");
        (void)files_.remove(destination_ + "/" + name);  // of a backup that was stopped
    }
    copied_super_ = census->super.newest;
    if (copied_super_ && copied_super_->journal_id != parts_.front().header.journal_id) {
        return not_a_copy("it is another journal");
    }
    if (!census->missing.empty()) {
        return not_a_copy(missing_error(files_, destination_, *census).message);
    }
    if (copied_numbers_.empty()) return {};
    return find_end_of_copy();
}

Result<void> BackupCore::find_end_of_copy() {
    const std::string path = segment_path(destination_, copied_numbers_.back());
    auto file = open_file(files_, path, {});
    if (!file) return file.error();
    auto header = read_segment_header(files_, *file, path, Access::writing);
    if (!header) return header.error();
    copied_newest_ = *header;
    copied_end_ = first_position(*header);
    if (!scan_.attach(std::move(*file), *header))
        return backup_cannot("find memory for", path, ENOMEM);
    while (!copied_end_.sealed) {
        const FoundBatch found = scan_.batch_at(copied_end_.offset);
        if (found.os_errno != 0 || found.verdict != BatchVerdict::valid ||
            !continues(copied_end_, found.header)) {
            break;
        }
        advance(copied_end_, found.header);
    }
    return check_join();
}

// What was copied must be a front part of what is there now.
Result<void> BackupCore::check_join() const {
    const std::uint64_t number = copied_newest_->segment_number;
    if (copied_newest_->journal_id != parts_.front().header.journal_id) {
        return not_a_copy("it is another journal");
    }
    if (number > parts_.back().number) {
        return not_a_copy("it goes on where the source ends: somebody wrote to it");
    }
    if (number < parts_.front().number) {
        if (number + 1 == parts_.front().number &&
            parts_.front().header.previous.salt == copied_newest_->salt &&
            parts_.front().header.previous.end_offset == copied_end_.offset) {
            return {};
        }
        return make_error(ErrorCode::sequence_gone,
                          "'" + source_ + "' begins at sequence " +
                              std::to_string(parts_.front().header.first_sequence) +
                              " by now, the backup in '" + destination_ + "' ends at " +
                              std::to_string(copied_end_.sequence),
                          "make a new backup in an empty directory");
    }
    const Part& part = parts_[number - parts_.front().number];
    if (part.header.salt != copied_newest_->salt) {
        return not_a_copy("segment " + std::to_string(number) + " is another one");
    }
    const bool is_sealed = number != parts_.back().number;
    const bool is_longer = copied_end_.offset > part.end_offset;
    const bool ends_apart =
        copied_end_.offset == part.end_offset && copied_end_.last_checksum != part.last_checksum;
    if ((is_longer && is_sealed) || ends_apart) {
        return not_a_copy("segment " + std::to_string(number) + " ends elsewhere");
    }
    return {};
}

Result<void> BackupCore::copy_range(const Part& part, FileId into, std::uint64_t offset) {
    // By the kernel it may share the source's blocks with the copy. The newest segment is still
    // written to, in room that is its own.
    bool by_kernel = part.number != parts_.back().number;
    AlignedMemory memory;
    if (!by_kernel) memory = AlignedMemory(kBackupCopyBytes);
    if (!by_kernel && memory.bytes().empty())
        return backup_cannot("find memory for", part.path, ENOMEM);
    const std::uint64_t end_offset = part.copy_bytes();
    while (offset < end_offset) {
        const std::uint64_t left = end_offset - offset;
        if (by_kernel) {
            const IoOutcome outcome =
                files_.copy_range(part.file.id(), into, offset, std::min(left, kKernelCopyBytes));
            if (outcome.ok() && outcome.value > 0) {
                offset += outcome.value;
                show_progress(outcome.value);
                continue;
            }
            if (outcome.os_errno == ENOSPC || outcome.os_errno == EIO) {
                return backup_cannot("copy", part.path, outcome.os_errno);
            }
            by_kernel = false;  // not between these file systems
            memory = AlignedMemory(kBackupCopyBytes);
            if (memory.bytes().empty()) return backup_cannot("find memory for", part.path, ENOMEM);
        }
        const auto room = memory.bytes().first(std::min(left, kBackupCopyBytes));
        IoOutcome outcome = files_.read(part.file.id(), offset, room);
        if (outcome.ok() && outcome.value == 0) outcome.os_errno = EIO;
        if (!outcome.ok()) return backup_cannot("read", part.path, outcome.os_errno);
        const auto bytes = std::span<const std::byte>(room).first(outcome.value);
        const IoOutcome written = files_.write(into, offset, bytes);
        if (!written.ok()) return backup_cannot("write the copy of", part.path, written.os_errno);
        offset += bytes.size();
        show_progress(bytes.size());
    }
    return {};
}

Result<void> BackupCore::copy_whole(const Part& part) {
    const std::string path = segment_path(destination_, part.number);
    AsideFile file(files_, copying_name(path));
    IoOutcome outcome = file.create();
    // The last block gives the file its size; what is never written takes no room.
    const std::vector<std::byte> blank(kBlockSizeBytes);
    if (outcome.ok()) {
        outcome = files_.write(file.id(), stored_file_bytes(part.header) - kBlockSizeBytes, blank);
    }
    if (!outcome.ok()) return backup_cannot("write", file.path(), outcome.os_errno);
    if (auto copied = copy_range(part, file.id(), 0); !copied) return copied.error();
    outcome = file.flush();
    if (outcome.ok()) outcome = file.take_name(path, destination_);
    if (!outcome.ok()) return backup_cannot("write", path, outcome.os_errno);
    ++report_.copied_segments;
    return {};
}

// Behind the end of the copy's newest segment.
Result<void> BackupCore::copy_rest(const Part& part) {
    if (copied_end_.offset >= part.end_offset) {
        ++report_.kept_segments;
        return {};
    }
    if (part.is_compressed()) return copy_whole(part);
    const std::string path = segment_path(destination_, part.number);
    auto file = open_file(files_, path, {.write = true});
    if (!file) return file.error();
    if (auto copied = copy_range(part, file->id(), copied_end_.offset); !copied)
        return copied.error();
    const IoOutcome outcome = files_.sync(file->id());
    if (!outcome.ok()) return backup_cannot("write", path, outcome.os_errno);
    ++report_.copied_segments;
    return {};
}

// Best effort: an index is derived.
void BackupCore::copy_index(const Part& part) {
    const auto index = read_index(files_, index_path(source_, part.number), part.header);
    if (!index) return;
    write_index(
        files_, index_path(destination_, part.number), encode_index(index->header, index->entries));
}

std::optional<Sequence> BackupCore::first_sequence_of_copy() const {
    if (copied_numbers_.empty()) return parts_[first_part_].header.first_sequence;
    const std::string path = segment_path(destination_, copied_numbers_.front());
    auto file = open_file(files_, path, {});
    if (!file) return std::nullopt;
    const auto header = read_segment_header(files_, *file, path, Access::reading);
    if (!header) return std::nullopt;
    return header->first_sequence;
}

Result<void> BackupCore::write_super_of_copy() {
    SuperBlock super{};
    if (copied_super_) {
        super = *copied_super_;
    } else {
        const std::string path = super_path(destination_);
        auto file = open_file(files_, path, {.write = true, .create = true});
        if (!file) return file.error();
        const std::vector<std::byte> blank(2 * kBlockSizeBytes);
        const IoOutcome outcome = files_.write(file->id(), 0, blank);
        if (!outcome.ok()) return backup_cannot("write", path, outcome.os_errno);
    }
    super.journal_id = parts_.front().header.journal_id;
    super.writer_epoch = parts_.back().header.writer_epoch;
    super.oldest_segment_number =
        copied_numbers_.empty() ? parts_[first_part_].number : copied_numbers_.front();
    super.newest_segment_number = parts_.back().number;
    if (auto first = first_sequence_of_copy()) {
        super.features_compat |= kSuperNamesFirst;
        super.first_sequence = *first;
    }
    super.durable_sequence = report_.end_sequence;
    super.flags = kSuperCopy;
    super.clean_end_offset = 0;
    super.written_ns = parts_.back().header.created_ns;
    // Into both slots: no header knows where a copy begins.
    for (int slot = 0; slot < 2; ++slot) {
        ++super.generation;
        if (auto written = write_super(files_, destination_, super); !written) return written;
    }
    const IoOutcome synced = files_.sync_directory(destination_);
    if (!synced.ok()) return backup_cannot("flush", destination_, synced.os_errno);
    return {};
}

Result<void> BackupCore::copy(std::size_t nth) {
    Part& part = parts_[nth];
    if (auto leased = lease_from(nth); !leased) {
        const bool is_gone = leased.error().code == ErrorCode::not_found &&
                             part.number < oldest_segment_number(files_, source_);
        if (is_gone) return leave_behind(nth);
        return leased.error();
    }
    const bool is_known = copied_newest_ && copied_newest_->segment_number == part.number;
    auto copied = is_known ? copy_rest(part) : copy_whole(part);
    while (!copied && copied.error().os_errno == EMFILE && give_back_leases(nth))
        copied = is_known ? copy_rest(part) : copy_whole(part);
    if (!copied) return copied;
    if (nth + 1 == parts_.size()) return {};
    copy_index(part);
    part.file.reset();
    return {};
}

// Of the cursors what the copy's log has come to: they were read before it.
Result<void> BackupCore::copy_ledger(Ledger ledger) {
    if (ledger.cursors.empty() && !ledger.identities) return {};
    if (auto made = make_ledger(files_, destination_); !made) return made;
    auto copied = read_ledger(files_, destination_);
    ledger.generation = copied ? copied->generation : 0;
    for (LedgerCursor& cursor : ledger.cursors) {
        if (cursor.sequence <= report_.end_sequence) continue;
        cursor.sequence = report_.end_sequence;
        cursor.record_salt = 0;
    }
    // What the copy lacks would count as published. Whoever opens it finds the numbers in its log.
    const bool is_ahead =
        ledger.identities && ledger.identities->as_of_sequence > report_.end_sequence;
    if (is_ahead) {
        ledger.identities->as_of_sequence = report_.first_sequence;
        ledger.identities->is_complete = report_.first_sequence == 0;
        ledger.identities->known.clear();
    }
    return write_ledger(files_, destination_, ledger);
}

// Behind the log: types are declared before events of theirs are published.
Result<void> BackupCore::copy_types() {
    auto types = read_schema_file(files_, source_);
    if (!types) return types.error();
    if (types->is_empty()) return {};
    const auto copied = read_schema_file(files_, destination_);
    if (copied && *copied == *types) return {};
    return write_schema_file(files_, destination_, *types);
}

Result<BackupReport> BackupCore::run() {
    auto ledger = read_ledger(files_, source_);
    if (!ledger) return ledger.error();
    if (auto source = while_segments_go([this] { return look_at_source(); }); !source) {
        return source.error();
    }
    if (auto looked = look_at_destination(); !looked) return looked.error();
    const std::uint64_t copied_newest = copied_newest_ ? copied_newest_->segment_number : 0;
    for (const Part& part : parts_) {
        if (part.number > copied_newest) total_bytes_ += part.copy_bytes();
        if (part.number == copied_newest && part.end_offset > copied_end_.offset) {
            total_bytes_ += part.end_offset - copied_end_.offset;
        }
    }
    for (std::size_t nth = 0; nth < parts_.size(); ++nth) {
        if (parts_[nth].number < copied_newest) {
            ++report_.kept_segments;
            continue;
        }
        if (auto copied = copy(nth); !copied) return copied.error();
    }
    const bool is_shorter =
        parts_.back().number == copied_newest && parts_.back().end_sequence < copied_end_.sequence;
    report_.end_sequence = is_shorter ? copied_end_.sequence : parts_.back().end_sequence;
    report_.first_sequence = parts_[first_part_].header.first_sequence;
    if (auto written = write_super_of_copy(); !written) return written.error();
    if (auto copied = copy_ledger(std::move(*ledger)); !copied) return copied.error();
    if (auto copied = copy_types(); !copied) return copied.error();
    rebuild_catalogue(files_, destination_);
    return report_;
}

}  // namespace tailrace::journal
