// Backups of journals with more segments than descriptors, and beside a retention that is faster.

#include "backup_core.hpp"
#include "many_segments.hpp"
#include "meddled_files.hpp"

#include <tailrace/journal/verify.hpp>

#include <catch2/catch.hpp>

#include <sys/resource.h>

namespace tailrace::journal::backup_retention_test {

namespace {

constexpr std::uint64_t kSegments = 100;

JournalOptions tiny_options(const std::string& directory) {
    JournalOptions options = small_options(directory);
    options.segment_size_bytes = kMinSegmentSizeBytes;
    options.segment_fill = SegmentFill::allocated;
    return options;
}

// Descriptors are few while it lives.
class FewDescriptors {
public:
    explicit FewDescriptors(rlim_t most) {
        TAILRACE_CHECK(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
        rlimit now = before_;
        now.rlim_cur = most;
        TAILRACE_CHECK(::setrlimit(RLIMIT_NOFILE, &now) == 0);
    }
    FewDescriptors(const FewDescriptors&) = delete;
    FewDescriptors& operator=(const FewDescriptors&) = delete;
    ~FewDescriptors() { (void)::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

Sequence first_of(const std::string& directory, std::uint64_t number) {
    const std::string path = segment_path(directory, number);
    auto file = open_file(posix_files(), path, {});
    REQUIRE(file);
    auto header = read_segment_header(posix_files(), *file, path, Access::reading);
    REQUIRE(header);
    return header->first_sequence;
}

void check_copy(const std::string& directory, Sequence first, Sequence end) {
    const auto report = verify(directory);
    REQUIRE(report);
    for (const Finding& finding : report->findings)
        FAIL_CHECK(finding.text);
    CHECK(report->first_sequence == first);
    CHECK(report->end_sequence == end);
    CHECK(is_dense(read_all(directory), first, end));
}

Result<BackupReport> run_backup(FileStore& files,
                                const std::string& source,
                                const std::string& destination) {
    std::filesystem::create_directories(destination);
    const BackupOptions options;
    return BackupCore(files, source, destination, options, [] { return false; }).run();
}

}  // namespace

TEST_CASE("backup: a journal may have more segments than there are descriptors",
          "[journal][backup]") {
    const TempDirectory temp;
    const std::string copy = temp.path() + "/copy";
    write_segments(tiny_options(temp.journal()), kSegments);
    // A window that fits, and one that doesn't.
    const rlim_t most = GENERATE(80U, 40U);
    const FewDescriptors few(most);
    const auto report = run_backup(posix_files(), temp.journal(), copy);
    INFO((report ? "" : report.error().message));
    REQUIRE(report);
    CHECK(report->copied_segments > most);
    check_copy(copy, 0, kSegments * 16);
}

TEST_CASE("backup: what retention takes away before its turn is not in the copy",
          "[journal][backup][retention]") {
    const TempDirectory temp;
    const std::string copy = temp.path() + "/copy";
    const Sequence end = kSegments * 16;
    write_segments(tiny_options(temp.journal()), kSegments);
    const std::uint64_t oldest = 90;
    const Sequence begin = first_of(temp.journal(), oldest);
    MeddledFiles files;
    std::string acts_at = segment_path(copy, 5) + ".copying";
    bool has_acted = false;
    const auto act = [&](const std::string& path) {
        if (path != acts_at || std::exchange(has_acted, true)) return;
        give_up_below(temp.journal(), oldest);
    };
    SECTION("a new copy begins behind it") {
        files.before_open = act;
        const auto report = run_backup(files, temp.journal(), copy);
        INFO((report ? "" : report.error().message));
        REQUIRE(report);
        CHECK(report->first_sequence == begin);
        check_copy(copy, begin, end);
        CHECK(run_backup(posix_files(), temp.journal(), copy)->copied_bytes == 0);
    }
    SECTION("before anything is copied") {
        files.before_open = act;
        acts_at = segment_path(temp.journal(), 7);
        const auto report = run_backup(files, temp.journal(), copy);
        INFO((report ? "" : report.error().message));
        REQUIRE(report);
        check_copy(copy, begin, end);
    }
    SECTION("one that was to be gone on with is told, and stays a journal") {
        const std::string short_source = temp.path() + "/short";
        std::filesystem::create_directory(short_source);
        for (std::uint64_t number = 1; number <= 3; ++number) {
            std::filesystem::copy_file(segment_path(temp.journal(), number),
                                       segment_path(short_source, number));
        }
        REQUIRE(run_backup(posix_files(), short_source, copy));
        files.before_open = act;
        const auto report = run_backup(files, temp.journal(), copy);
        REQUIRE_FALSE(report);
        CHECK(report.error().code == ErrorCode::sequence_gone);
        const auto left = verify(copy);
        REQUIRE(left);
        CHECK(left->is_sound());
        CHECK(left->first_sequence == 0);
        CHECK(left->end_sequence >= first_of(copy, 4));
    }
    CHECK(has_acted);
}

}  // namespace tailrace::journal::backup_retention_test
