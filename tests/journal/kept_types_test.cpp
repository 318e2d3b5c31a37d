#include "journal_fixture.hpp"

#include <tailrace/journal/backup.hpp>
#include <tailrace/journal/kept_types.hpp>
#include <tailrace/journal/removal.hpp>
#include <tailrace/journal/repair.hpp>
#include <tailrace/journal/verify.hpp>

#include <catch2/catch.hpp>

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace tailrace::journal::kept_types_test {

namespace {

schema::StreamSchema notes(EventType type) {
    schema::StreamSchema types;
    types.add_opaque(type, "Note" + std::to_string(type), "text");
    return types;
}

void write_some(const std::string& directory) {
    REQUIRE(write_journal(small_options(directory), {make_events(0, 100, {})}, Ending::closed));
}

}  // namespace

TEST_CASE("kept types: what is new is added, and nothing is lost", "[journal][schema]") {
    const TempDirectory temp;
    write_some(temp.journal());
    CHECK(load_types(temp.journal())->is_empty());
    REQUIRE(keep_types(temp.journal(), {}));
    CHECK_FALSE(std::filesystem::exists(temp.journal() + "/SCHEMA"));
    REQUIRE(keep_types(temp.journal(), notes(1)));
    REQUIRE(keep_types(temp.journal(), notes(2)));
    CHECK(load_types(temp.journal())->types().size() == 2);
    CHECK_FALSE(std::filesystem::exists(temp.journal() + "/SCHEMA.new"));

    schema::StreamSchema other;
    other.add_opaque(1, "Note1", "json");
    const auto refused = keep_types(temp.journal(), other);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::incompatible);
    CHECK_THAT(refused.error().message, Catch::Matchers::Contains(temp.journal()));
    CHECK_FALSE(check_types(temp.journal(), other));
    CHECK(check_types(temp.journal(), notes(3)));
    CHECK(load_types(temp.journal())->types().size() == 2);
}

TEST_CASE("kept types: the file belongs to the journal", "[journal][schema]") {
    const TempDirectory temp;
    write_some(temp.journal());
    REQUIRE(::chmod((temp.journal() + "/LOCK").c_str(), 0640) == 0);
    REQUIRE(keep_types(temp.journal(), notes(1)));
    struct stat status {};
    REQUIRE(::stat((temp.journal() + "/SCHEMA").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777U) == 0640U);
    std::ofstream(temp.journal() + "/SCHEMA.new") << "half";
    CHECK(verify(temp.journal())->findings.empty());
    REQUIRE(remove_journal(temp.journal(), {}));
    CHECK_FALSE(std::filesystem::exists(temp.journal()));
}

TEST_CASE("kept types: a backup has them, and takes over what came since", "[journal][schema]") {
    const TempDirectory temp;
    const std::string copy = temp.path() + "/copy";
    write_some(temp.journal());
    REQUIRE(keep_types(temp.journal(), notes(1)));
    REQUIRE(backup(temp.journal(), copy, {}));
    CHECK(load_types(copy).value() == notes(1));
    REQUIRE(keep_types(temp.journal(), notes(2)));
    REQUIRE(backup(temp.journal(), copy, {}));
    CHECK(load_types(copy).value() == load_types(temp.journal()).value());
    CHECK(verify(copy)->findings.empty());
}

TEST_CASE("kept types: verify tells damage, and reading goes on without", "[journal][schema]") {
    const TempDirectory temp;
    write_some(temp.journal());
    std::ofstream(temp.journal() + "/SCHEMA") << "tailrace-schema 1\nfield price\n";
    const auto report = verify(temp.journal());
    REQUIRE(report);
    REQUIRE(report->findings.size() == 1);
    CHECK(report->findings[0].kind == FindingKind::damaged_schema);
    CHECK_FALSE(report->is_sound());
    CHECK(is_dense(read_all(temp.journal()), 0, 100));
    CHECK_FALSE(keep_types(temp.journal(), notes(1)));
    std::filesystem::remove(temp.journal() + "/SCHEMA");
    CHECK(keep_types(temp.journal(), notes(1)));
}

}  // namespace tailrace::journal::kept_types_test
