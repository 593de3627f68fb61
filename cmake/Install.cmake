# Headers, targets and the package files of find_package(tslive).
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_DATADIR}/cmake/tslive")
get_property(modules GLOBAL PROPERTY tslive_modules)
list(TRANSFORM modules PREPEND tslive_)

install(TARGETS ${modules}
    EXPORT tslive
    FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
    FILE_SET bodies DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(TARGETS tslive_tslive EXPORT tslive FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT tslive NAMESPACE tslive:: FILE tslive-targets.cmake DESTINATION "${package_dir}")

configure_package_config_file(cmake/tslive-config.cmake.in "${PROJECT_BINARY_DIR}/tslive-config.cmake"
    INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/tslive-config-version.cmake"
    COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES
    "${PROJECT_BINARY_DIR}/tslive-config.cmake"
    "${PROJECT_BINARY_DIR}/tslive-config-version.cmake"
    DESTINATION "${package_dir}")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
