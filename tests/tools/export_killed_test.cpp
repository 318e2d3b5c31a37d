// An export is killed at each of its steps, again and again; the next one finishes it.

#include "hand_over/export_directory.hpp"
#include "hand_over/manifest.hpp"
#include "support/child_process.hpp"
#include "support/step_script.hpp"
#include "support/temporary_directory.hpp"
#include "support/watchdog.hpp"

#include <tailrace/base/checksum.hpp>

#include <catch2/catch.hpp>

#include <cstdint>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace export_killed_test {

using namespace tailrace;  // NOLINT: what is tested
using test::ChildProcess;
using test::StepScript;

namespace {

constexpr Sequence kEnd = 40;
constexpr Sequence kPart = 10;

// Lines with their sequences, in two tables, and one part in a single one.
Result<void> write_part(tool::ExportDirectory& directory, Sequence first, Sequence end) {
    tool::ExportedPart part;
    part.first = first;
    part.end = end;
    const std::vector<std::string> tables =
        first == kPart ? std::vector<std::string>{"even"} : std::vector<std::string>{"even", "odd"};
    for (std::size_t at = 0; at < tables.size(); ++at) {
        auto file = directory.new_file(tables[at]);
        if (!file) return file.error();
        tool::ExportedFile done;
        for (Sequence sequence = first; sequence < end; ++sequence) {
            if (tables.size() == 2 && sequence % 2 != at) continue;
            const std::string line = fmt::format("{}\n", sequence);
            auto written = (*file)->write(std::as_bytes(std::span<const char>(line)));
            if (!written) return written;
            if (done.rows++ == 0) done.first = sequence;
            done.end = sequence + 1;
        }
        if (auto finished = (*file)->finish(); !finished) return finished;
        done.name = fmt::format("{}-{:04}-{:04}.txt", tables[at], first, end);
        done.table = tables[at];
        done.bytes = (*file)->size_bytes();
        done.xxh3 = (*file)->xxh3();
        part.files.push_back(done);
    }
    return directory.commit(std::move(part));
}

// What `tailrace export --since-last` does. 0: it came to the end.
int export_all(const std::string& path) {
    auto directory = tool::ExportDirectory::open(path);
    if (!directory) return 2;
    if (!directory->manifest()) {
        tool::Manifest fresh;
        fresh.stream = "s";
        if (!directory->begin(fresh)) return 3;
    }
    for (Sequence first = directory->manifest()->end(); first < kEnd; first += kPart) {
        if (!write_part(*directory, first, first + kPart)) return 4;
    }
    return 0;
}

std::string content_of(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// What somebody finds who loads whatever has a name: files, and their contents.
std::map<std::string, std::string> named_files(const std::string& path) {
    std::map<std::string, std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
        const std::string name = entry.path().filename().string();
        if (name[0] != '.' && name != "manifest.json") found[name] = content_of(entry.path());
    }
    return found;
}

std::multiset<Sequence> sequences_in(const std::map<std::string, std::string>& files) {
    std::multiset<Sequence> found;
    for (const auto& [name, content] : files) {
        std::istringstream lines(content);
        for (Sequence sequence = 0; lines >> sequence;)
            found.insert(sequence);
    }
    return found;
}

bool has_doubles(const std::multiset<Sequence>& sequences) {
    return std::set<Sequence>(sequences.begin(), sequences.end()).size() != sequences.size();
}

void check_whole(const std::string& path) {
    const auto files = named_files(path);
    std::multiset<Sequence> wanted;
    for (Sequence sequence = 0; sequence < kEnd; ++sequence)
        wanted.insert(sequence);
    CHECK(sequences_in(files) == wanted);
    auto manifest = tool::parse_manifest(content_of(path + "/manifest.json"), "manifest.json");
    REQUIRE(manifest);
    CHECK(manifest->begin == 0);
    CHECK(manifest->end() == kEnd);
    std::size_t named = 0;
    for (const tool::ExportedPart& part : manifest->parts) {
        CHECK(part.rows() == part.end - part.first);
        for (const tool::ExportedFile& file : part.files) {
            ++named;
            REQUIRE(files.count(file.name) == 1);
            const std::string& content = files.at(file.name);
            CHECK(content.size() == file.bytes);
            CHECK(file.xxh3 ==
                  fmt::format("{:016x}",
                              checksum64(std::as_bytes(std::span<const char>(content)), 0)));
        }
    }
    CHECK(named == files.size());
    // Nothing but these and the manifest.
    const std::filesystem::directory_iterator all(path);
    CHECK(static_cast<std::size_t>(std::distance(begin(all), end(all))) == named + 1);
}

// True: the child was killed there. Then the next one finishes it.
bool survives_kill_at(const char* step, unsigned nth) {
    const test::TemporaryDirectory directory;
    const std::string path = directory.path() + "/out";
    ChildProcess child([&] {
        StepScript script;
        script.die_at(step, nth);
        return export_all(path);
    });
    const test::Ending ending = child.wait();
    INFO("killed at " << step << ", time " << nth);
    if (!ending.was_killed()) {
        CHECK(ending.exit_code == 0);
        check_whole(path);
        return false;
    }
    const auto before = named_files(path);
    CHECK_FALSE(has_doubles(sequences_in(before)));
    ChildProcess next([&] { return export_all(path); });
    CHECK(next.wait().exit_code == 0);
    check_whole(path);
    // A file that had its name keeps it, and what it holds.
    const auto after = named_files(path);
    for (const auto& [name, content] : before) {
        REQUIRE(after.count(name) == 1);
        CHECK(after.at(name) == content);
    }
    return true;
}

}  // namespace

TEST_CASE("export: killed at any step, the next one leaves each event in one file, once",
          "[hand_over]") {
    const test::Watchdog watchdog("export killed at steps", 240);
    for (const char* const step : {"part.made",
                                   "part.written",
                                   "part.whole",
                                   "part.durable",
                                   "export.promised",
                                   "export.file_named",
                                   "export.files_named",
                                   "export.manifest_replaced"}) {
        unsigned nth = 1;
        while (survives_kill_at(step, nth))
            ++nth;
        CHECK(nth > 4);
    }
}

TEST_CASE("export: killed while it recovers, the one behind that still finishes it",
          "[hand_over]") {
    const test::Watchdog watchdog("export killed twice", 240);
    for (const char* const first : {"export.promised", "export.file_named"}) {
        for (const char* const second :
             {"export.file_named", "export.files_named", "export.manifest_replaced"}) {
            const test::TemporaryDirectory directory;
            const std::string path = directory.path() + "/out";
            for (const char* const step : {first, second}) {
                ChildProcess child([&] {
                    StepScript script;
                    script.die_at(step, step == first ? 3 : 1);
                    return export_all(path);
                });
                CHECK(child.wait().was_killed());
                CHECK_FALSE(has_doubles(sequences_in(named_files(path))));
            }
            ChildProcess last([&] { return export_all(path); });
            CHECK(last.wait().exit_code == 0);
            check_whole(path);
        }
    }
}

TEST_CASE("export: a promise that is torn or of another manifest isn't kept", "[hand_over]") {
    const test::Watchdog watchdog("export with a torn promise");
    const test::TemporaryDirectory directory;
    const std::string path = directory.path() + "/out";
    ChildProcess child([&] {
        StepScript script;
        script.die_at("export.promised", 3);  // the second part's
        return export_all(path);
    });
    REQUIRE(child.wait().was_killed());
    const std::string promise = content_of(path + "/.tailrace-manifest");
    REQUIRE(promise.size() > 100);
    // The power was cut before it was on the disk.
    for (const std::size_t size : {std::size_t{0}, std::size_t{20}, promise.size() - 3}) {
        std::ofstream(path + "/.tailrace-manifest") << promise.substr(0, size);
        auto opened = tool::ExportDirectory::open(path);
        REQUIRE(opened);
        CHECK(opened->manifest()->end() == kPart);
        CHECK_FALSE(std::filesystem::exists(path + "/.tailrace-manifest"));
    }
    std::ofstream(path + "/.tailrace-manifest") << std::string(promise.size(), '\0');
    CHECK(tool::ExportDirectory::open(path));
    // One that goes on elsewhere.
    CHECK(export_all(path) == 0);
    std::ofstream(path + "/.tailrace-manifest") << promise;
    auto opened = tool::ExportDirectory::open(path);
    REQUIRE(!opened);
    CHECK(opened.error().code == ErrorCode::corrupt);
}

TEST_CASE("export: one at a time writes a directory", "[hand_over]") {
    const test::TemporaryDirectory directory;
    const std::string path = directory.path() + "/out";
    auto one = tool::ExportDirectory::open(path);
    REQUIRE(one);
    auto other = tool::ExportDirectory::open(path);
    REQUIRE(!other);
    CHECK(other.error().code == ErrorCode::busy);
}

TEST_CASE("export: a foreign file of a part's name is left alone, and nothing is promised",
          "[hand_over]") {
    const test::TemporaryDirectory directory;
    const std::string path = directory.path() + "/out";
    {
        auto opened = tool::ExportDirectory::open(path);
        REQUIRE(opened);
        REQUIRE(opened->begin({}));
        std::ofstream(path + "/odd-0000-0010.txt") << "mine";
        auto written = write_part(*opened, 0, kPart);
        REQUIRE(!written);
        CHECK(written.error().code == ErrorCode::already_exists);
        opened->drop_unfinished();
    }
    CHECK(content_of(path + "/odd-0000-0010.txt") == "mine");
    std::filesystem::remove(path + "/odd-0000-0010.txt");
    CHECK(export_all(path) == 0);
    check_whole(path);
}

}  // namespace export_killed_test
