// A journal that was begun and holds nothing: which one it is, and that its first writer keeps it.
#include "support/temporary_directory.hpp"

#include <tailrace/journal/journal_id.hpp>
#include <tailrace/journal/reader.hpp>
#include <tailrace/journal/recovery.hpp>
#include <tailrace/journal/removal.hpp>
#include <tailrace/journal/verify.hpp>
#include <tailrace/journal/writer.hpp>

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

namespace journal_id_test {

using namespace tailrace;
using namespace tailrace::journal;
using tailrace::test::TemporaryDirectory;

BegunJournal begin(const std::string& directory) {
    auto begun = begin_journal(directory);
    if (!begun) FAIL(begun.error().message);
    return *begun;
}

std::optional<std::array<std::uint64_t, 2>> find(const std::string& directory) {
    auto found = find_journal_id(directory);
    if (!found) FAIL(found.error().message);
    return *found;
}

Result<Writer> open_writer(const std::string& directory) {
    JournalOptions options;
    options.directory = directory;
    options.segment_size_bytes = 1U << 20;
    return Writer::open(options);
}

TEST_CASE("journal id: who begins a journal twice finds the first one", "[journal]") {
    const TemporaryDirectory place;
    const std::string directory = place.path() + "/below/it";
    CHECK_FALSE(find(directory));
    const BegunJournal first = begin(directory);
    CHECK(first.is_new);
    CHECK(first.id[0] != 0);
    CHECK(find(directory) == first.id);
    const BegunJournal second = begin(directory);
    CHECK_FALSE(second.is_new);
    CHECK(second.id == first.id);
    CHECK(begin(place.path() + "/other").id != first.id);
}

TEST_CASE("journal id: the first writer takes the journal that was begun", "[journal][writer]") {
    const TemporaryDirectory place;
    const std::string directory = place.path() + "/journal";
    const BegunJournal begun = begin(directory);
    {
        auto writer = open_writer(directory);
        REQUIRE(writer);
        const auto busy = begin_journal(directory);
        REQUIRE_FALSE(busy);
        CHECK(busy.error().code == ErrorCode::busy);
        REQUIRE(writer->close());
    }
    const auto report = preview_recovery(directory);
    REQUIRE(report);
    CHECK(report->journal_id == begun.id);
    CHECK(report->clean_close);
    const BegunJournal again = begin(directory);
    CHECK_FALSE(again.is_new);
    CHECK(again.id == begun.id);
}

TEST_CASE("journal id: what was begun is empty, which is no damage", "[journal][reader]") {
    const TemporaryDirectory place;
    const std::string directory = place.path() + "/journal";
    static_cast<void>(begin(directory));
    const auto reader = Reader::open(directory);
    REQUIRE_FALSE(reader);
    CHECK(reader.error().code == ErrorCode::not_found);
    CHECK(reader.error().message.find("is empty") != std::string::npos);
    const auto report = verify(directory);
    REQUIRE_FALSE(report);
    CHECK(report.error().code == ErrorCode::not_found);
    const auto recovered = preview_recovery(directory);
    REQUIRE_FALSE(recovered);
    CHECK(recovered.error().code == ErrorCode::not_found);
    REQUIRE(remove_journal(directory));
    CHECK_FALSE(std::filesystem::exists(directory));
}

TEST_CASE("journal id: who was killed before it was written has begun nothing", "[journal]") {
    const TemporaryDirectory place;
    for (const std::size_t size_bytes : {0U, 4096U, 8192U}) {
        const std::string directory = place.path() + "/" + std::to_string(size_bytes);
        std::filesystem::create_directory(directory);
        std::ofstream(directory + "/SUPER") << std::string(size_bytes, '\0');
        CHECK_FALSE(find(directory));
        CHECK(begin(directory).is_new);
        CHECK(open_writer(directory));
    }
}

TEST_CASE("journal id: somebody else's SUPER is not overwritten", "[journal]") {
    const TemporaryDirectory place;
    std::ofstream(place.path() + "/SUPER") << std::string(8192, 'x');
    CHECK_FALSE(begin_journal(place.path()));
    CHECK_FALSE(find_journal_id(place.path()));
}

TEST_CASE("journal id: where no directory can be made the reason is told", "[journal]") {
    const TemporaryDirectory place;
    std::ofstream(place.path() + "/file") << "x";
    const auto refused = begin_journal(place.path() + "/file/journal");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find(place.path() + "/file/journal") != std::string::npos);
    CHECK_FALSE(refused.error().hint.empty());
}

}  // namespace journal_id_test
