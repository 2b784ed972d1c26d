# Installed: the libraries, the modules, the command, the headers, and the package descriptions.

include(CMakePackageConfigHelpers)

install(TARGETS etch_rt etch EXPORT EtchTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT EtchTargets NAMESPACE Etch:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Etch)

install(DIRECTORY include/etch DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
install(DIRECTORY ir runtime passes codegen tracer onnx_export
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/etch/internal
  FILES_MATCHING PATTERN "*.h" PATTERN "*.def"
  PATTERN "codegen/llvm" EXCLUDE PATTERN "runtime/cpu" EXCLUDE)
install(FILES LICENSE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

configure_package_config_file(cmake/EtchConfig.cmake.in ${CMAKE_BINARY_DIR}/EtchConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Etch)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/EtchConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/EtchConfig.cmake ${CMAKE_BINARY_DIR}/EtchConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Etch)

# Relative to the file, so that the installed tree can be moved.
file(RELATIVE_PATH ETCH_PC_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" ETCH_PC_PREFIX ${ETCH_PC_PREFIX})
configure_file(cmake/etch-rt.pc.in ${CMAKE_BINARY_DIR}/etch-rt.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/etch-rt.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
