# How a target of ours is made. Every source and header is listed by hand, so that a new file shows
# up in review (tests/house_rules.py fails on one that no list names).
#
# Sources are compiled several at a time (TAILRACE_UNITY): half of the work is reading headers and
# making the same templates anew. So a file's own names are unique in its library. Each
# file still includes what it uses: clang-tidy and -DTAILRACE_UNITY=OFF compile them one by one.
#
# COLD: what waits for people, disks or assertions, not for nanoseconds. The release build optimises
# it less, which halves its compile time.
#
#   tailrace_add_library(NAME bus HEADERS ... SOURCES ... [DEPS ...] [PRIVATE_DEPS ...] [INTERNAL]
#                        [COLD])
#       static library tailrace_bus = tailrace::bus; public headers below include/, private ones
#       below src/ (list those with the SOURCES). INTERNAL: headers beside the sources, not
#       installed.
#   tailrace_add_program(NAME x SOURCES ... [DEPS ...] [INSTALL] [COLD])
#       an executable. INSTALL: lands at the top of the build directory, and is installed.
#   tailrace_add_test(NAME bus_tests SOURCES ... DEPS ... LABELS unit
#                     [PRIVATE_INCLUDES ...] [TIMEOUT_S 120] [SERIAL] [ONE_AT_A_TIME]
#                     [THREADS] [SOAK_SANITIZED])
#       a Catch2 program whose test cases become tests of their own; COLD, but for model and
#       stress. A file's content is in a namespace of its name, so that files can be compiled
#       together. One program per library: the header of Catch2 is dear to compile. SERIAL: no
#       other test runs beside it; ONE_AT_A_TIME: no other of the same program does. THREADS: its
#       threads share something, so ThreadSanitizer runs it too; SOAK_SANITIZED: only ./dev soak
#       runs it under a sanitizer. A case that warns "SKIPPED: why" and fails nothing is skipped.
#   tailrace_add_command_test(NAME x COMMAND ... LABELS tools [TIMEOUT_S 120] [SERIAL])
#       a script or program as one test: exit code 0 passes, 77 skips (and a line "SKIPPED: why").
#   tailrace_add_bench(NAME ring_bench SOURCES ... DEPS ... [PRIVATE_INCLUDES ...])
#       a Google Benchmark program, also run for a few iterations as a smoke test (label bench).

set(TAILRACE_UNITY_SOURCES 24 CACHE STRING "How many sources are compiled at a time")

# gcc looks for garbage each time its heap has doubled, a tenth of its time. Two dozen sources need
# less than this by the end.
set(tailrace_compiler_memory)
if(TAILRACE_DEVELOPER AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    set(tailrace_compiler_memory "SHELL:--param ggc-min-heapsize=1048576")
endif()

function(tailrace_apply_build_rules target)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ${TAILRACE_UNITY}
                                               UNITY_BUILD_BATCH_SIZE ${TAILRACE_UNITY_SOURCES})
    target_compile_options(${target} PRIVATE ${tailrace_warning_flags}
                                             ${tailrace_compiler_memory})
    target_compile_features(${target} PUBLIC cxx_std_20)
    set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
    if(TAILRACE_DCHECKS)
        # PUBLIC: the checks live in inline functions too, and one program must agree about them.
        target_compile_definitions(${target} PUBLIC TAILRACE_DCHECKS)
    endif()
endfunction()

# After the flags of the configuration, so it is this one that counts.
function(tailrace_make_cold target)
    # Under a sanitizer such code is compiled once and run once: unoptimised it compiles in half the
    # time, and runs no longer.
    target_compile_options(${target} PRIVATE $<$<CONFIG:RelWithDebInfo,Release>:-O1>
                                             $<$<CONFIG:Debug>:-O0>)
endfunction()

# Stops at a misspelt keyword and at a missing one; used by every function below.
macro(tailrace_require_arguments)
    if(arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "${CMAKE_CURRENT_FUNCTION}: unknown: ${arg_UNPARSED_ARGUMENTS}")
    endif()
    foreach(name IN ITEMS ${ARGN})
        if(NOT DEFINED arg_${name})
            message(FATAL_ERROR "${CMAKE_CURRENT_FUNCTION}: ${name} is missing")
        endif()
    endforeach()
endmacro()

function(tailrace_add_library)
    cmake_parse_arguments(PARSE_ARGV 0 arg "INTERNAL;COLD" "NAME"
                          "HEADERS;SOURCES;DEPS;PRIVATE_DEPS")
    tailrace_require_arguments(NAME SOURCES)
    set(target tailrace_${arg_NAME})
    set(base_dir include)
    if(arg_INTERNAL)
        set(base_dir .)
    endif()

    add_library(${target} STATIC)
    add_library(tailrace::${arg_NAME} ALIAS ${target})
    target_sources(
        ${target}
        PUBLIC FILE_SET HEADERS BASE_DIRS ${base_dir} FILES ${arg_HEADERS}
        PRIVATE ${arg_SOURCES})
    target_include_directories(${target} PRIVATE src)
    target_link_libraries(${target} PUBLIC ${arg_DEPS} PRIVATE ${arg_PRIVATE_DEPS})
    # A user may link it into a plugin or a Python extension. What the library defines is not to be
    # replaced by another's, so it costs nothing (decision 0030).
    set_target_properties(${target} PROPERTIES EXPORT_NAME ${arg_NAME}
                                               POSITION_INDEPENDENT_CODE ON)
    target_compile_options(${target} PRIVATE -fno-semantic-interposition)
    tailrace_apply_build_rules(${target})
    if(arg_COLD)
        tailrace_make_cold(${target})
    endif()
    if(NOT arg_INTERNAL)
        install(
            TARGETS ${target}
            EXPORT tailraceTargets
            ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
            FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
    endif()
endfunction()

# What is installed is stripped. Its symbols are where gdb looks: .debug/NAME.debug beside it.
function(tailrace_split_symbols program)
    if(NOT CMAKE_OBJCOPY)
        return()
    endif()
    set(installed "\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}")
    install(
        CODE "set(program \"${installed}/${program}\")
              set(folder \"${installed}/.debug\")
              file(MAKE_DIRECTORY \"\${folder}\")
              foreach(step IN ITEMS
                      \"--only-keep-debug;\${program};\${folder}/${program}.debug\"
                      \"--strip-unneeded;\${program}\"
                      \"--add-gnu-debuglink=\${folder}/${program}.debug;\${program}\")
                  execute_process(COMMAND \"${CMAKE_OBJCOPY}\" \${step}
                                  COMMAND_ERROR_IS_FATAL ANY)
              endforeach()"
        COMPONENT command)
endfunction()

function(tailrace_add_program)
    cmake_parse_arguments(PARSE_ARGV 0 arg "INSTALL;COLD" "NAME" "SOURCES;DEPS")
    tailrace_require_arguments(NAME SOURCES)
    add_executable(${arg_NAME} ${arg_SOURCES})
    target_link_libraries(${arg_NAME} PRIVATE ${arg_DEPS})
    tailrace_apply_build_rules(${arg_NAME})
    if(arg_COLD)
        tailrace_make_cold(${arg_NAME})
    endif()
    if(arg_INSTALL)
        set_target_properties(${arg_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                                                     "${PROJECT_BINARY_DIR}")
        install(TARGETS ${arg_NAME} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
                                    COMPONENT command)
        tailrace_split_symbols(${arg_NAME})
    endif()
endfunction()

# The programs that a sanitizer run needs, and no others: of ThreadSanitizer those in which threads
# share something.
add_custom_target(tailrace_sanitized_tests)

# A quiet machine's time, and as much again as ./dev soak gives a watchdog beside other work.
function(tailrace_choose_timeout result timeout_s)
    if(timeout_s STREQUAL "")
        set(timeout_s 120)
    endif()
    math(EXPR timeout_s "4 * ${timeout_s}")
    set(${result} ${timeout_s} PARENT_SCOPE)
endfunction()

function(tailrace_add_test)
    cmake_parse_arguments(PARSE_ARGV 0 arg
                          "SERIAL;ONE_AT_A_TIME;THREADS;SEARCHES;SOAK_SANITIZED"
                          "NAME;TIMEOUT_S" "SOURCES;DEPS;LABELS;PRIVATE_INCLUDES")
    tailrace_require_arguments(NAME SOURCES LABELS)
    tailrace_choose_timeout(arg_TIMEOUT_S "${arg_TIMEOUT_S}")
    list(LENGTH arg_LABELS label_count)
    if(NOT label_count EQUAL 1)
        message(FATAL_ERROR "${arg_NAME}: one label per test program, not '${arg_LABELS}'")
    endif()

    add_executable(${arg_NAME} ${arg_SOURCES})
    target_link_libraries(${arg_NAME} PRIVATE ${arg_DEPS} Catch2::Catch2WithMain Threads::Threads)
    target_include_directories(${arg_NAME} PRIVATE ${arg_PRIVATE_INCLUDES})
    tailrace_apply_build_rules(${arg_NAME})
    if(arg_LABELS STREQUAL "unit")
        # What is tested is optimised; what asks is compiled once and run once.
        target_compile_options(${arg_NAME} PRIVATE -O0)
    elseif(NOT arg_LABELS MATCHES "^(model|stress)$")
        tailrace_make_cold(${arg_NAME})
    endif()
    if(TAILRACE_SANITIZE STREQUAL "thread" AND NOT arg_THREADS)
        set_target_properties(${arg_NAME} PROPERTIES EXCLUDE_FROM_ALL ON)
        return()
    endif()
    # What only the soak runs under a sanitizer, its build of all of it compiles.
    if(arg_LABELS MATCHES "^(unit|stress)$" AND NOT arg_SOAK_SANITIZED)
        add_dependencies(tailrace_sanitized_tests ${arg_NAME})
    endif()

    string(REGEX REPLACE "_tests?$" "" room "${arg_NAME}")
    # To ctest a match outweighs the exit code. So the sum at the end belongs to it, as Catch2 words
    # it where nothing failed.
    set(skipped "SKIPPED:.*(All tests passed|assertions: - none -)")
    set(properties LABELS ${arg_LABELS} TIMEOUT ${arg_TIMEOUT_S}
                   SKIP_REGULAR_EXPRESSION "${skipped}")
    if(arg_SERIAL)
        list(APPEND properties RUN_SERIAL ON)
    endif()
    if(arg_ONE_AT_A_TIME)
        list(APPEND properties RESOURCE_LOCK ${arg_NAME})
    endif()
    # The list of cases is asked of the program when it has been linked. A minute, because a
    # sanitized program on a busy machine starts slowly.
    set(discovery TEST_PREFIX "${room}/" DISCOVERY_TIMEOUT 60 PROPERTIES ${properties})
    if(NOT arg_SEARCHES)
        catch_discover_tests(${arg_NAME} ${discovery})
        return()
    endif()
    # Cases with the tag [search] try every crash, byte or order: too long for ./dev test quick.
    catch_discover_tests(${arg_NAME} TEST_SPEC ~[search]~[.] ${discovery})
    catch_discover_tests(${arg_NAME} TEST_SPEC [search] ${discovery} LABELS search)
endfunction()

function(tailrace_add_command_test)
    cmake_parse_arguments(PARSE_ARGV 0 arg "SERIAL" "NAME;TIMEOUT_S" "COMMAND;LABELS")
    tailrace_require_arguments(NAME COMMAND LABELS)
    if(TAILRACE_SANITIZE STREQUAL "thread")
        return()
    endif()
    tailrace_choose_timeout(arg_TIMEOUT_S "${arg_TIMEOUT_S}")
    add_test(NAME ${arg_NAME} COMMAND ${arg_COMMAND})
    set_tests_properties(${arg_NAME} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT_S}
                                                SKIP_RETURN_CODE 77)
    if(arg_SERIAL)
        set_tests_properties(${arg_NAME} PROPERTIES RUN_SERIAL ON)
    endif()
endfunction()

function(tailrace_add_bench)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME" "SOURCES;DEPS;PRIVATE_INCLUDES")
    tailrace_require_arguments(NAME SOURCES)
    add_executable(${arg_NAME} ${arg_SOURCES})
    target_link_libraries(${arg_NAME} PRIVATE ${arg_DEPS} benchmark::benchmark)
    target_include_directories(${arg_NAME} PRIVATE ${arg_PRIVATE_INCLUDES})
    tailrace_apply_build_rules(${arg_NAME})
    tailrace_add_command_test(NAME bench/${arg_NAME} COMMAND ${arg_NAME} --benchmark_min_time=0.0001
                              LABELS bench)
    # Google Benchmark ends with 0 even when a benchmark reported an error.
    if(TEST bench/${arg_NAME})
        set_tests_properties(bench/${arg_NAME} PROPERTIES FAIL_REGULAR_EXPRESSION "ERROR OCCURRED")
    endif()
endfunction()
