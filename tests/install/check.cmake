# Installs a build into an empty prefix, and builds and runs a program that knows only that prefix.
#   cmake -DBUILD_DIR=... -DSOURCE_DIR=... -DWORK_DIR=... -DCOMPILER=... -P check.cmake

file(REMOVE_RECURSE "${WORK_DIR}")
set(prefix "${WORK_DIR}/prefix")

function(cmake)
    execute_process(COMMAND "${CMAKE_COMMAND}" ${ARGV} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endfunction()

cmake(--install "${BUILD_DIR}" --prefix "${prefix}")
cmake(-S "${SOURCE_DIR}" -B "${WORK_DIR}/build" -G Ninja "-DCMAKE_PREFIX_PATH=${prefix}"
      "-DCMAKE_CXX_COMPILER=${COMPILER}")
cmake(--build "${WORK_DIR}/build")
file(MAKE_DIRECTORY "${WORK_DIR}/streams")
execute_process(COMMAND "${WORK_DIR}/build/outside" "${WORK_DIR}/streams"
                COMMAND_ERROR_IS_FATAL ANY)
if(EXISTS "${BUILD_DIR}/tailrace")
    execute_process(COMMAND "${prefix}/bin/tailrace" --version COMMAND_ERROR_IS_FATAL ANY)
    # It is small, and its symbols are a file of their own.
    file(SIZE "${prefix}/bin/tailrace" size_bytes)
    if(size_bytes GREATER 8388608 OR NOT EXISTS "${prefix}/bin/.debug/tailrace.debug")
        message(FATAL_ERROR "the installed command has ${size_bytes} bytes, more than 8 MiB, "
                            "or its symbols are not in bin/.debug")
    endif()
endif()
