# One list of warnings for every target of ours, applied PRIVATE: a program that links Tailrace
# keeps its own. TAILRACE_WERROR=KNOWN makes them errors only with the compilers that the checks run
# on (gcc 12, clang 14), so that a newer compiler with a new warning can still build.

set(tailrace_warning_flags
    -Wall
    -Wextra
    -Wpedantic
    -Wconversion
    -Wsign-conversion
    -Wshadow
    -Wnon-virtual-dtor
    -Wold-style-cast
    -Wcast-align
    -Wundef
    -Wdouble-promotion
    -Wformat=2
    -Wimplicit-fallthrough)

# gcc 12 takes the inlined `"text" + string` for a copy onto itself (its bug 105651, mended in 13).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    list(APPEND tailrace_warning_flags -Wno-restrict)
endif()

# Its manual says that it takes the code a sanitizer adds for reads of uninitialised variables. The
# release build, with more optimisation and no sanitizer, keeps the warning.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND TAILRACE_SANITIZE)
    list(APPEND tailrace_warning_flags -Wno-maybe-uninitialized)
endif()

set(tailrace_known_compiler FALSE)
if((CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION MATCHES "^12\\.")
   OR (CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION MATCHES "^14\\."))
    set(tailrace_known_compiler TRUE)
endif()

if(TAILRACE_WERROR STREQUAL "KNOWN")
    if(tailrace_known_compiler)
        list(APPEND tailrace_warning_flags -Werror)
    endif()
elseif(TAILRACE_WERROR)
    list(APPEND tailrace_warning_flags -Werror)
endif()
