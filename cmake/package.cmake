# From outside: find_package(tailrace COMPONENTS bus) or `pkg-config tailrace-bus`. A component is a
# library with what stands below it; each asks only for the packages that it needs itself.

include(CMakePackageConfigHelpers)

set(tailrace_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/tailrace")
install(
    EXPORT tailraceTargets
    NAMESPACE tailrace::
    DESTINATION "${tailrace_package_dir}")
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/tailraceConfig.cmake.in"
                              "${PROJECT_BINARY_DIR}/tailraceConfig.cmake"
                              INSTALL_DESTINATION "${tailrace_package_dir}")
# Before 1.0 a minor version may change what callers see.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/tailraceConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/tailraceConfig.cmake"
              "${PROJECT_BINARY_DIR}/tailraceConfigVersion.cmake"
        DESTINATION "${tailrace_package_dir}")

# tailrace_install_pkg_config(NAME DESCRIPTION PACKAGES LIBRARIES): NAME.pc. The libraries are
# static, so what they need is asked for in any case.
function(tailrace_install_pkg_config name description packages libraries)
    set(folder "${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/pkgconfig")
    file(RELATIVE_PATH up "${folder}" "${CMAKE_INSTALL_PREFIX}")
    configure_file("${PROJECT_SOURCE_DIR}/cmake/tailrace.pc.in"
                   "${PROJECT_BINARY_DIR}/${name}.pc" @ONLY)
    install(FILES "${PROJECT_BINARY_DIR}/${name}.pc"
            DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endfunction()

set(journal_packages "libxxhash >= 0.8, liburing >= 2.3")
if(libzstd_FOUND)
    string(APPEND journal_packages ", libzstd >= 1.4")
endif()
tailrace_install_pkg_config(
    tailrace-bus "A low-latency shared-memory event bus" "libxxhash >= 0.8"
    "-ltailrace_bus -ltailrace_schema -ltailrace_base")
tailrace_install_pkg_config(
    tailrace-journal "An append-only journal of events" "${journal_packages}"
    "-ltailrace_journal -ltailrace_schema -ltailrace_base -pthread")
set(ring_and_log "-ltailrace_journal -ltailrace_bus -ltailrace_schema -ltailrace_base -pthread")
tailrace_install_pkg_config(
    tailrace "${PROJECT_DESCRIPTION}" "${journal_packages}"
    "-ltailrace_observe -ltailrace_stream ${ring_and_log}")
