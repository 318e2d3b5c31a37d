# TAILRACE_SANITIZE=address,undefined or thread. A sanitizer must see every target, so this is one
# of the two places that set flags for the whole build. The first report ends the program, so that a
# test can't pass over it.

if(TAILRACE_SANITIZE)
    if(NOT TAILRACE_SANITIZE MATCHES "^(address|undefined|address,undefined|thread)$")
        message(FATAL_ERROR "TAILRACE_SANITIZE='${TAILRACE_SANITIZE}' is not one of: "
                            "address | undefined | address,undefined | thread")
    endif()
    add_compile_options(-fsanitize=${TAILRACE_SANITIZE} -fno-sanitize-recover=all
                        -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${TAILRACE_SANITIZE})
    # Tests that are slower under one do less there; the compilers' own macros differ.
    if(TAILRACE_SANITIZE MATCHES "address")
        add_compile_definitions(TAILRACE_ADDRESS_SANITIZER)
    elseif(TAILRACE_SANITIZE STREQUAL "thread")
        add_compile_definitions(TAILRACE_THREAD_SANITIZER)
    endif()
endif()

if(TAILRACE_FUZZ)
    # Every target is watched for what it covers; the fuzz targets alone get the fuzzer's main.
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()

if(TAILRACE_NATIVE)
    add_compile_options(-march=native)
endif()
