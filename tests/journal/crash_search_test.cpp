// Every way in which a crash may end, for moments with up to twelve unflushed sectors; at sample
// length only for the stories with few.

#include "crash_search.hpp"

#include "support/test_length.hpp"

#include <catch2/catch.hpp>

#include <malloc.h>

namespace tailrace::journal::crash_search_test {

namespace {

// A sample of the stories, other ones in each run.
#if defined(TAILRACE_ADDRESS_SANITIZER)
constexpr std::uint64_t kStride = 6;
#else
constexpr std::uint64_t kStride = 2;
#endif

bool searches_everything() {
#if defined(TAILRACE_ADDRESS_SANITIZER) || defined(TAILRACE_THREAD_SANITIZER) || !defined(NDEBUG)
    return false;  // thousands of states: too dear there
#else
    return test::is_full_length();
#endif
}

}  // namespace

TEST_CASE("crash search: every subset of what was not flushed recovers to what it holds",
          "[journal][search][crash]") {
    ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
    ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
    std::uint64_t states = 0;
    std::uint64_t searches_of_twelve = 0;
    std::uint64_t nth = test::sample_offset(kStride);
    for (const NamedSearch& search : crash_searches()) {
        if (search.is_wide && !searches_everything()) continue;
        if (!test::is_full_length() && nth++ % kStride != 0) continue;
        CrashSearchCounts counts;
        const std::string wrong = search.run(counts);
        INFO(search.name << ": " << counts.states << " states at " << counts.moments
                         << " moments, at most " << counts.most_units << " sectors and "
                         << counts.most_names << " names");
        CHECK(wrong.empty());
        if (!wrong.empty()) UNSCOPED_INFO(wrong);
        CHECK(counts.states > counts.moments);
        states += counts.states;
        if (counts.most_units == 12) ++searches_of_twelve;
    }
    CHECK(states > 0);  // a short story has nine
    if (!searches_everything()) return;
    CHECK(searches_of_twelve >= 4);
    CHECK(states >= 4 * 4096);
}

}  // namespace tailrace::journal::crash_search_test
