#include "journal_fixture.hpp"

#include <tailrace/journal/compress.hpp>
#include <tailrace/journal/settings.hpp>

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

namespace tailrace::journal::settings_test {

namespace {

void write_text(const std::string& directory, const std::string& text) {
    std::ofstream(directory + "/SETTINGS") << text;
}

}  // namespace

TEST_CASE("settings: what was saved is loaded, and what was not given is left alone",
          "[journal][settings]") {
    const TempDirectory temp;
    const auto none = load_settings(temp.path());
    REQUIRE(none);
    CHECK(none->is_empty());

    JournalSettings settings;
    settings.sync_policy = SyncPolicy::interval;
    settings.sync_interval_ns = 7'000'000;
    settings.retain_size_bytes = 8 * kMiB;
    settings.segment_size_bytes = 2 * kMiB;
    if (can_compress()) settings.compress_level = 4;
    REQUIRE(save_settings(temp.journal(), settings));
    const auto loaded = load_settings(temp.journal());
    REQUIRE(loaded);
    CHECK(loaded->compress_level == settings.compress_level);
    CHECK(loaded->sync_policy == SyncPolicy::interval);
    CHECK(loaded->sync_interval_ns == 7'000'000);
    CHECK(loaded->retain_size_bytes == 8 * kMiB);
    CHECK_FALSE(loaded->retain_age_ns);

    JournalOptions options;
    options.retain_age_ns = 5;
    loaded->apply_to(options);
    CHECK(options.sync_policy == SyncPolicy::interval);
    CHECK(options.retain_age_ns == 5);
    CHECK(options.segment_size_bytes == 2 * kMiB);

    JournalSettings later;
    later.sync_policy = SyncPolicy::group;
    JournalSettings both = *loaded;
    both.put(later);
    CHECK(both.sync_policy == SyncPolicy::group);
    CHECK_FALSE(both.sync_interval_ns);
    CHECK(both.retain_size_bytes == 8 * kMiB);
    // No file of the journal's own, for those who list them.
    CHECK(std::distance(std::filesystem::directory_iterator(temp.journal()), {}) == 1);
}

TEST_CASE("settings: a line that isn't understood is named; a name of a newer version is not",
          "[journal][settings]") {
    const TempDirectory temp;
    write_text(temp.path(), "# fine\n\n sync =\tnone \r\nfuture_word = 7\nretain_age_ns=9");
    const auto fine = load_settings(temp.path());
    REQUIRE(fine);
    CHECK(fine->sync_policy == SyncPolicy::none);
    CHECK(fine->retain_age_ns == 9);
    for (const char* line : {"sync = often",
                             "retain_age_ns = soon",
                             "retain_size_bytes = -1",
                             "segment_size_bytes = 99999999999999999999",
                             "no equals sign"}) {
        write_text(temp.path(), std::string("sync = none\n") + line + "\n");
        const auto refused = load_settings(temp.path());
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == ErrorCode::corrupt);
        CHECK(refused.error().message.find("line 2") != std::string::npos);
        CHECK(refused.error().message.find(line) != std::string::npos);
    }
}

TEST_CASE("settings: what can't be is refused before it is kept", "[journal][settings]") {
    const TempDirectory temp;
    JournalSettings settings;
    settings.segment_size_bytes = kMiB + 1;
    CHECK(save_settings(temp.journal(), settings).error().code == ErrorCode::invalid_argument);
    settings.segment_size_bytes = kMiB;
    settings.retain_size_bytes = 2 * kMiB - 1;
    CHECK(save_settings(temp.journal(), settings).error().code == ErrorCode::invalid_argument);
    settings.retain_size_bytes = 2 * kMiB;
    settings.sync_policy = SyncPolicy::interval;
    settings.sync_interval_ns = 0;
    CHECK(save_settings(temp.journal(), settings).error().code == ErrorCode::invalid_argument);
    settings.sync_policy = SyncPolicy::group;
    settings.compress_level = 20;
    CHECK(save_settings(temp.journal(), settings).error().code == ErrorCode::invalid_argument);
    settings.compress_level = 1;
    if (!can_compress())
        CHECK(save_settings(temp.journal(), settings).error().code == ErrorCode::unsupported);
    CHECK_FALSE(std::filesystem::exists(temp.journal()));
}

}  // namespace tailrace::journal::settings_test
