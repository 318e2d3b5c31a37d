// Removal: a whole journal goes and nothing else; stopped anywhere, what is left says what it is.

#include "lease.hpp"
#include "lock_file.hpp"
#include "many_segments.hpp"

#include <tailrace/journal/backup.hpp>
#include <tailrace/journal/inspect.hpp>
#include <tailrace/journal/ledger.hpp>
#include <tailrace/journal/removal.hpp>
#include <tailrace/journal/repair.hpp>
#include <tailrace/journal/verify.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <fstream>

namespace tailrace::journal::removal_test {

namespace {

namespace fs = std::filesystem;

void write_three(const std::string& directory) {
    write_segments(small_options(directory), 3);
}

std::vector<std::string> names_in(const std::string& directory) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory))
        names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

template <typename Value>
void check_says_half_removed(const Result<Value>& refused) {
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::corrupt);
    CHECK(refused.error().message.find("half removed") != std::string::npos);
    CHECK(refused.error().hint.find("tailrace rm ") != std::string::npos);
}

// Nobody takes what is left for a journal, be it ever so short.
void check_is_no_journal(const std::string& directory, const std::string& elsewhere) {
    check_says_half_removed(preview_recovery(directory));
    check_says_half_removed(Writer::open(small_options(directory)));
    check_says_half_removed(inspect(directory));
    check_says_half_removed(verify(directory));
    check_says_half_removed(plan_repair(directory));
    if (fs::exists(super_path(directory))) check_says_half_removed(backup(directory, elsewhere));
    if (!fs::exists(segment_path(directory, 1))) check_says_half_removed(Reader::open(directory));
}

}  // namespace

TEST_CASE("removal: a journal goes with its directory, and what it held is told before",
          "[journal][removal]") {
    const TempDirectory temp;
    write_three(temp.journal());
    {
        const auto lock = LedgerLock::lock(temp.journal());
        REQUIRE(lock);
        auto ledger = lock->read();
        REQUIRE(ledger);
        LedgerCursor cursor;
        cursor.name = "night";
        ledger->put(cursor);
        REQUIRE(lock->write(*ledger));
    }
    JournalSettings settings;
    settings.sync_policy = SyncPolicy::none;
    REQUIRE(save_settings(temp.journal(), settings));
    const auto content = look_at_content(temp.journal());
    REQUIRE(content);
    CHECK(content->first_sequence == 0);
    CHECK(content->end_sequence == 48);
    CHECK(content->allocated_bytes > 2 * kMiB);
    CHECK(content->cursors == std::vector<std::string>{"night"});
    CHECK(content->other_names.empty());
    CHECK_FALSE(content->is_half_removed);
    CHECK_FALSE(content->refusal);
    const auto removed = remove_journal(temp.journal());
    INFO("refused: " << (removed ? "" : removed.error().message));
    REQUIRE(removed);
    CHECK(removed->file_count > content->file_count);  // and REMOVING
    CHECK_FALSE(fs::exists(temp.journal()));
    CHECK(look_at_content(temp.journal()).error().code == ErrorCode::not_found);
}

TEST_CASE("removal: what isn't the journal's stays, and nothing is followed",
          "[journal][removal]") {
    const TempDirectory temp;
    write_three(temp.journal());
    const std::string precious = temp.path() + "/precious";
    std::ofstream(precious) << "kept";
    fs::create_symlink(precious, temp.journal() + "/TRIM");
    fs::create_directory(temp.journal() + "/0000000000000099.seg");
    fs::create_directories(temp.journal() + "/repaired/1");
    std::ofstream(temp.journal() + "/notes") << "mine";
    const std::vector<std::string> others = {"0000000000000099.seg", "TRIM", "notes", "repaired"};
    CHECK(look_at_content(temp.journal())->other_names == others);
    const auto removed = remove_journal(temp.journal());
    REQUIRE(removed);
    CHECK(removed->other_names == others);
    CHECK(names_in(temp.journal()) == others);
    CHECK(fs::file_size(precious) == 4);
    // A link to a journal is none; somebody else's directory neither.
    write_three(temp.path() + "/other");
    fs::create_symlink(temp.path() + "/other", temp.path() + "/link");
    CHECK(remove_journal(temp.path() + "/link").error().code == ErrorCode::invalid_argument);
    CHECK(verify(temp.path() + "/other")->is_sound());
    CHECK(remove_journal(temp.journal()).error().code == ErrorCode::not_found);
    CHECK(names_in(temp.journal()) == others);
}

TEST_CASE("removal: refused while anybody writes, changes or reads it", "[journal][removal]") {
    const TempDirectory temp;
    write_three(temp.journal());
    const auto refused = [&] {
        const auto names = names_in(temp.journal());
        const auto removed = remove_journal(temp.journal());
        CHECK(names_in(temp.journal()) == names);
        return !removed && removed.error().code == ErrorCode::busy;
    };
    {
        const auto writer = Writer::open(small_options(temp.journal()));
        REQUIRE(writer);
        CHECK(refused());
        CHECK_FALSE(remove_journal(temp.journal(), {.force = true}));
    }
    for (const std::uint64_t byte : {kCompressorByte, kLedgerByte, kTrimByte}) {
        const auto lock = FileLock::try_lock(lock_path(temp.journal()), byte);
        REQUIRE(lock);
        CHECK(refused());
    }
    {
        const auto lease = open_leased(posix_files(), segment_path(temp.journal(), 2));
        REQUIRE(lease);
        CHECK(refused());
    }
    auto reader = Reader::open(temp.journal());
    REQUIRE(reader);
    REQUIRE(reader->next_batch());
    CHECK(refused());
    REQUIRE(remove_journal(temp.journal(), {.force = true}));
    CHECK(reader->next_batch());  // what is open stays
    CHECK_FALSE(fs::exists(temp.journal()));
}

TEST_CASE(
    "removal: stopped before each step, what is left says what it is, and the next one "
    "ends it",
    "[journal][removal]") {
    const bool has_guest = GENERATE(false, true);
    int middles = 0;
    bool is_over = false;
    for (int steps = 0; !is_over; ++steps) {
        INFO("stopped before step " << steps);
        const TempDirectory temp;
        write_three(temp.journal());
        if (has_guest) std::ofstream(temp.journal() + "/notes") << "mine";
        int left = steps;
        RemovalOptions options;
        options.stop = [&left] {
            return left-- == 0;
        };
        const auto stopped = remove_journal(temp.journal(), options);
        REQUIRE(stopped);
        is_over = !stopped->is_stopped;
        if (is_over) {
            CHECK(fs::exists(temp.journal()) == has_guest);
            break;
        }
        if (!fs::exists(temp.journal() + "/REMOVING")) {
            CHECK(steps == 0);
            CHECK(verify(temp.journal())->is_sound());
        } else {
            ++middles;
            check_is_no_journal(temp.journal(), temp.path() + "/elsewhere");
            CHECK(look_at_content(temp.journal())->is_half_removed);
        }
        REQUIRE(remove_journal(temp.journal()));
        CHECK(fs::exists(temp.journal()) == has_guest);
        if (has_guest) CHECK(names_in(temp.journal()) == std::vector<std::string>{"notes"});
    }
    CHECK(middles > 5);
}

}  // namespace tailrace::journal::removal_test
