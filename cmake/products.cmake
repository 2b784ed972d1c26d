# The libraries that come out: etch_rt deploys, etch is everything.

etch_shared(etch_rt etch_ir etch_runtime)
set_target_properties(etch_rt PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0)
etch_public_includes(etch_rt)
# Calls within the library go straight, and what nobody outside refers to is not exported.
target_link_options(etch_rt PRIVATE -Wl,-O1 -Wl,-Bsymbolic-functions -Wl,--gc-sections
  -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/etch_rt.map)
if(ETCH_LTO)
  target_link_options(etch_rt PRIVATE -flto=auto -Os)
endif()
# Addresses to relocate as a bitmap, a thirtieth of the space, where the C library reads it.
include(CheckCXXSourceCompiles)
check_cxx_source_compiles("#include <features.h>
#if !defined(__GLIBC__) || !__GLIBC_PREREQ(2, 36)
#error
#endif
int main() {}" ETCH_GLIBC_READS_RELR)
if(ETCH_GLIBC_READS_RELR)
  target_link_options(etch_rt PRIVATE -Wl,-z,pack-relative-relocs)
endif()
target_link_options(etch_rt PRIVATE -Wl,-z,noseparate-code)
set_target_properties(etch_rt PROPERTIES LINK_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/etch_rt.map)

if(ETCH_NOTRACE)
  return()
endif()

etch_shared(etch etch_nn etch_passes etch_codegen etch_tracer etch_onnx)
set_target_properties(etch PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0)
target_link_libraries(etch PUBLIC etch_rt
  PRIVATE $<BUILD_INTERFACE:protobuf::libprotobuf-lite> ${CMAKE_DL_LIBS})
etch_public_includes(etch)
