#include "assessment.hpp"
#include "file_owner.hpp"
#include "lock_file.hpp"
#include "posix_files.hpp"
#include "segment_directory.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/random.hpp>
#include <tailrace/journal/journal_id.hpp>

#include <cstring>
#include <vector>

namespace tailrace::journal {

namespace {

using IdWords = std::array<std::uint64_t, 2>;
static_assert(sizeof(IdWords) == sizeof(JournalId));

IdWords words_of(const JournalId& id) noexcept {
    IdWords words = {0, 0};
    std::memcpy(words.data(), id.data(), sizeof(words));
    return words;
}

// Empty: there is none.
std::optional<IdWords> id_in(const Assessment& found) noexcept {
    if (found.super) return words_of(found.super->journal_id);
    if (!found.segments.empty()) return words_of(found.newest().journal_id);
    return std::nullopt;
}

// Two empty slots first: a crash before the first is written leaves an empty file, which counts as
// none. The name is flushed last, so whoever finds a journal after a power cut finds all of it.
Result<void> make_super(const std::string& directory, const IdWords& id) {
    FileStore& files = posix_files();
    const std::string path = super_path(directory);
    {
        auto file = open_file(files, path, {.write = true, .create = true});
        if (!file) return file.error();
        const std::vector<std::byte> blank(2 * kBlockSizeBytes);
        const IoOutcome outcome = files.write(file->id(), 0, blank);
        if (!outcome.ok()) return os_error(outcome.os_errno, "cannot write '" + path + "'");
    }
    SuperBlock super{};
    std::memcpy(super.journal_id.data(), id.data(), sizeof(id));
    super.generation = 1;
    super.written_ns = wall_clock_ns();
    if (auto written = write_super(files, directory, super); !written) return written;
    const IoOutcome outcome = files.sync_directory(directory);
    if (outcome.ok()) return {};
    return os_error(outcome.os_errno, "cannot flush the directory '" + directory + "'");
}

}  // namespace

Result<BegunJournal> begin_journal(const std::string& directory,
                                   const JournalAccess& access) noexcept {
    if (auto made = make_durable_directory(directory, access); !made) return made.error();
    auto lock = lock_journal(directory, access);
    if (!lock) return lock.error();
    auto found = assess(posix_files(), directory, AssessMode::looking);
    if (!found) return found.error();
    if (const auto id = id_in(*found)) return BegunJournal{*id, false};
    const IdWords id = {random_word(), random_word()};
    if (auto made = make_super(directory, id); !made) return made.error();
    return BegunJournal{id, true};
}

Result<std::optional<IdWords>> find_journal_id(const std::string& directory) noexcept {
    auto found = assess(posix_files(), directory, AssessMode::looking);
    if (found) return id_in(*found);
    if (found.error().code == ErrorCode::not_found) return std::optional<IdWords>();
    return found.error();
}

}  // namespace tailrace::journal
