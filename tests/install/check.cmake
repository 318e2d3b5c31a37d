# Installs a build into an empty prefix, and builds and runs a program that knows only that prefix.
#   cmake -DBUILD_DIR=... -DSOURCE_DIR=... -DWORK_DIR=... -DCOMPILER=... -DLIBRARY_DIR=...
#         -P check.cmake

file(REMOVE_RECURSE "${WORK_DIR}")
set(prefix "${WORK_DIR}/prefix")

function(cmake)
    execute_process(COMMAND "${CMAKE_COMMAND}" ${ARGV} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endfunction()

function(run)
    execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

cmake(--install "${BUILD_DIR}" --prefix "${prefix}")
foreach(described share/man/man1/tailrace.1 share/bash-completion/completions/tailrace
                  share/zsh/site-functions/_tailrace share/fish/vendor_completions.d/tailrace.fish)
    file(SIZE "${prefix}/${described}" size)
    if(size EQUAL 0)
        message(FATAL_ERROR "${described} is empty")
    endif()
endforeach()
set(streams "${WORK_DIR}/streams")
file(MAKE_DIRECTORY "${streams}")

# Who wants the bus alone has no need of what the journal needs: here nothing but xxHash is to be
# found.
set(only_xxhash "${WORK_DIR}/only_xxhash")
execute_process(COMMAND pkg-config --variable=pcfiledir libxxhash OUTPUT_VARIABLE folder
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
file(COPY "${folder}/libxxhash.pc" DESTINATION "${only_xxhash}")
set(ENV{PKG_CONFIG_LIBDIR} "${only_xxhash}")
cmake(-S "${SOURCE_DIR}" -B "${WORK_DIR}/build" -G Ninja "-DCMAKE_PREFIX_PATH=${prefix}"
      "-DCMAKE_CXX_COMPILER=${COMPILER}" -DCMAKE_DISABLE_FIND_PACKAGE_Boost=ON)
cmake(--build "${WORK_DIR}/build")
run("${WORK_DIR}/build/outside" "${streams}")

# By pkg-config, without CMake.
set(ENV{PKG_CONFIG_PATH} "${prefix}/${LIBRARY_DIR}/pkgconfig")
execute_process(COMMAND pkg-config --cflags --libs tailrace-bus OUTPUT_VARIABLE flags
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(flags UNIX_COMMAND "${flags}")
run("${COMPILER}" -std=c++20 "${SOURCE_DIR}/main.cpp" -o "${WORK_DIR}/by_pkg_config" ${flags})
file(REMOVE_RECURSE "${streams}")
file(MAKE_DIRECTORY "${streams}")
run("${WORK_DIR}/by_pkg_config" "${streams}")
unset(ENV{PKG_CONFIG_LIBDIR})

# Everything, in a shared object: by CMake and by pkg-config.
cmake(-S "${SOURCE_DIR}" -B "${WORK_DIR}/plugin" -G Ninja "-DCMAKE_PREFIX_PATH=${prefix}"
      "-DCMAKE_CXX_COMPILER=${COMPILER}" -DEVERYTHING=ON)
cmake(--build "${WORK_DIR}/plugin")
execute_process(COMMAND pkg-config --cflags --libs tailrace OUTPUT_VARIABLE flags
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(flags UNIX_COMMAND "${flags}")
run("${COMPILER}" -std=c++20 -shared -fPIC -Wl,-z,defs "${SOURCE_DIR}/plugin.cpp"
    -o "${WORK_DIR}/plugin.so" ${flags})

if(EXISTS "${BUILD_DIR}/tailrace")
    execute_process(COMMAND "${prefix}/bin/tailrace" --version COMMAND_ERROR_IS_FATAL ANY)
    # It is small, and its symbols are a file of their own.
    file(SIZE "${prefix}/bin/tailrace" size_bytes)
    if(size_bytes GREATER 8388608 OR NOT EXISTS "${prefix}/bin/.debug/tailrace.debug")
        message(FATAL_ERROR "the installed command has ${size_bytes} bytes, more than 8 MiB, "
                            "or its symbols are not in bin/.debug")
    endif()
endif()
