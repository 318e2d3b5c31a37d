# Two parts are installed, and packaged: `command`, and `development`, which is the libraries with
# their headers.
#
# From outside: find_package(tailrace COMPONENTS bus) or `pkg-config tailrace-bus`. A component is a
# library with what stands below it; each asks only for the packages that it needs itself.

include(CMakePackageConfigHelpers)

set(tailrace_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/tailrace")
install(
    EXPORT tailraceTargets
    NAMESPACE tailrace::
    DESTINATION "${tailrace_package_dir}"
    COMPONENT development)
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/tailraceConfig.cmake.in"
                              "${PROJECT_BINARY_DIR}/tailraceConfig.cmake"
                              INSTALL_DESTINATION "${tailrace_package_dir}")
# Before 1.0 a minor version may change what callers see.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/tailraceConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/tailraceConfig.cmake"
              "${PROJECT_BINARY_DIR}/tailraceConfigVersion.cmake"
        DESTINATION "${tailrace_package_dir}"
        COMPONENT development)

# tailrace_install_pkg_config(NAME DESCRIPTION PACKAGES LIBRARIES): NAME.pc. The libraries are
# static, so what they need is asked for in any case.
function(tailrace_install_pkg_config name description packages libraries)
    set(folder "${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/pkgconfig")
    file(RELATIVE_PATH up "${folder}" "${CMAKE_INSTALL_PREFIX}")
    configure_file("${PROJECT_SOURCE_DIR}/cmake/tailrace.pc.in"
                   "${PROJECT_BINARY_DIR}/${name}.pc" @ONLY)
    install(FILES "${PROJECT_BINARY_DIR}/${name}.pc"
            DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig"
            COMPONENT development)
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

# --- Debian packages: ./dev package, or cpack in the build directory

if(NOT PROJECT_IS_TOP_LEVEL OR NOT TAILRACE_TOOLS)
    return()
endif()

foreach(part IN ITEMS command development)
    set(name tailrace)
    if(part STREQUAL development)
        set(name libtailrace-dev)
    endif()
    install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "share/doc/${name}"
            RENAME copyright COMPONENT ${part})
endforeach()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME tailrace)
set(CPACK_PACKAGE_CONTACT "Tailrace maintainers <tailrace@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_DIRECTORY "${PROJECT_BINARY_DIR}/packages")
set(CPACK_COMPONENTS_ALL command development)
# By DESTDIR, so that what is installed may name its place (units).
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
# No directory of a package is more writable than others, whatever the umask.
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ
    GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMMAND_PACKAGE_NAME tailrace)
set(CPACK_DEBIAN_COMMAND_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_COMMAND_PACKAGE_SHLIBDEPS ON)
set(CPACK_COMPONENT_COMMAND_DESCRIPTION
    "The command tailrace: streams, their journals, lag, dashboard and benchmarks.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libtailrace-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
# The libraries are static and say in CMake and pkg-config what they need.
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libboost-dev, liburing-dev, libxxhash-dev")
if(libzstd_FOUND)
    string(APPEND CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS ", libzstd-dev")
endif()
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION
    "Headers and static libraries: publish, subscribe, record and replay from C++20.")
# What CPack has laid out is put where Debian wants it.
set(CPACK_PRE_BUILD_SCRIPTS "${PROJECT_SOURCE_DIR}/cmake/debian_layout.cmake")
include(CPack)
