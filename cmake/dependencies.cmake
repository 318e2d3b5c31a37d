# Everything comes from the distribution; nothing is downloaded. Who may link what:
#
#   Boost::headers            base, bus, journal (Boost.Interprocess: mappings, names, permissions)
#   PkgConfig::xxhash         base, bus, journal (checksums); schema by base; tools/hand_over
#   PkgConfig::liburing       journal only, and there only src/uring_storage.*
#   PkgConfig::libzstd        journal, and there only src/compression.cpp; links/parquet, and there
#                             only src/page_compression.cpp; may be missing
#   CLI11::CLI11 fmt::fmt nlohmann_json::nlohmann_json     tools, tests, bench; never a library
#   PkgConfig::ncursesw       tools, and there only top/top_terminal.cpp
#   Catch2::Catch2WithMain    tests (linked by tailrace_add_test)
#   benchmark::benchmark      bench (linked by tailrace_add_bench)

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(Boost 1.74 REQUIRED)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash>=0.8)
pkg_check_modules(liburing REQUIRED IMPORTED_TARGET liburing>=2.3)
pkg_check_modules(libzstd IMPORTED_TARGET libzstd>=1.4)

if(TAILRACE_TOOLS OR TAILRACE_DEVELOPER)
    find_package(CLI11 2.1 REQUIRED)
    find_package(fmt 9 REQUIRED)
    find_package(nlohmann_json 3.11 REQUIRED)
    pkg_check_modules(ncursesw REQUIRED IMPORTED_TARGET ncursesw>=6.3)
endif()

if(TAILRACE_DEVELOPER)
    find_package(Catch2 2.13 REQUIRED)
    include(Catch)
    find_package(benchmark 1.7 REQUIRED)
    # The distribution's own interpreter first: its modules (python3-xxhash) are there.
    find_program(Python3_EXECUTABLE python3 PATHS /usr/bin NO_DEFAULT_PATH)
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
endif()
