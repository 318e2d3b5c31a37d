# find_package(tailrace) from outside: the exported targets, and what they need themselves.

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
