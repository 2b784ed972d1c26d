# Helpers that the folders' CMakeLists.txt use.

# Compiles the sources of one instruction set (`*_avx2.cpp`, `*_avx512.cpp`) with its flags.
# Such files keep to their own namespace and hold no std containers: the linker may pick their
# copy of any inline function for the whole program.
function(etch_isa_flags)
  set(avx2 -mavx2 -mfma -mf16c)
  set(avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c -mprefer-vector-width=512)
  # GCC 12 puts 64-byte locals at 32 bytes in the address sanitizer's heap frames (its bug 110027).
  if(ETCH_SANITIZE MATCHES "address" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND avx512 --param=asan-use-after-return=0)
  endif()
  foreach(source IN LISTS ARGN)
    foreach(isa avx2 avx512)
      if(source MATCHES "_${isa}\\.cpp$")
        set_source_files_properties(${source} PROPERTIES
          COMPILE_OPTIONS "${${isa}}" SKIP_PRECOMPILE_HEADERS ON)
      endif()
    endforeach()
  endforeach()
endfunction()

# Optimisation of the deployment runtime, release builds only. Most of it runs once per graph or call and
# takes the least space; the tiles of contractions take -O3, vector loops what their sizes were measured
# with, and what runs per call or element -O2. The generic tier is only there to be right.
function(etch_runtime_flags name)
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Release")
    return()
  endif()
  # Clones of inline functions, which that analysis makes, are not merged across files.
  target_compile_options(${name} PRIVATE -Os ${ETCH_LTO} $<$<CXX_COMPILER_ID:GNU>:-fno-ipa-sra>)
  set(vectorised -O2 -ftree-vectorize -fvect-cost-model=dynamic)
  # Not optimised at link time: what eager operators pass through, to keep its small functions inline;
  # and the registry, whose template instances other libraries refer to.
  set(apart
    "^(attrs|dim|execute|interp/plan|isa|operators|registry|scope|tape|tensor|type|var)\\.cpp$")
  # Nothing throws through loops and tiles: they need no tables for unwinding.
  set(leaf -fno-exceptions -fno-asynchronous-unwind-tables)
  foreach(source IN LISTS ARGN)
    if(source MATCHES "(loops|kernels)[a-z_]*_generic\\.cpp$")
      set(options ${leaf})
    elseif(source MATCHES "loops[a-z_]*_avx[0-9]+\\.cpp$")
      # A second loop of half vectors, for the last elements, would be a fourth of the size.
      set(options ${vectorised} ${leaf}
          $<$<CXX_COMPILER_ID:GNU>:--param=vect-epilogues-nomask=0>)
    elseif(source MATCHES "kernels_avx[0-9]+\\.cpp$")
      # A second loop for neighbours in memory would be the same instructions.
      set(options -O3 ${leaf} $<$<CXX_COMPILER_ID:GNU>:-fno-version-loops-for-strides>)
    elseif(source MATCHES "contract/")
      set(options ${vectorised})
    elseif(source MATCHES "^(interp/(interp|runner|walk)|allocator|copy|contractions|direct|eager|tensor_impl|threads)")
      set(options -O2)
    elseif(source MATCHES "${apart}")
      set(options -Os)
    else()
      continue()
    endif()
    if(ETCH_LTO)
      list(APPEND options -fno-lto)
    endif()
    set_property(SOURCE ${source} APPEND PROPERTY COMPILE_OPTIONS ${options})
    set_property(SOURCE ${source} PROPERTY SKIP_PRECOMPILE_HEADERS ON)
  endforeach()
endfunction()

# One folder's sources as an object library. An empty list gives an empty interface library.
function(etch_objects name)
  if(NOT ARGN)
    add_library(${name} INTERFACE)
    return()
  endif()
  add_library(${name} OBJECT ${ARGN})
  target_link_libraries(${name} PRIVATE etch_flags)
  etch_isa_flags(${ARGN})
  if(ETCH_PCH)
    target_precompile_headers(${name} PRIVATE ${CMAKE_SOURCE_DIR}/cmake/std_pch.h)
  endif()
endfunction()

# A shared library made of object libraries.
function(etch_shared name)
  file(WRITE ${CMAKE_BINARY_DIR}/empty.cpp.new "")
  configure_file(${CMAKE_BINARY_DIR}/empty.cpp.new ${CMAKE_BINARY_DIR}/empty.cpp COPYONLY)
  add_library(${name} SHARED ${CMAKE_BINARY_DIR}/empty.cpp)
  foreach(objects IN LISTS ARGN)
    target_link_libraries(${name} PRIVATE ${objects})
  endforeach()
  target_link_libraries(${name} PRIVATE $<BUILD_INTERFACE:etch_flags>)
  set_target_properties(${name} PROPERTIES INSTALL_RPATH "$ORIGIN")
endfunction()

# A library opened with dlopen at first use; installed under lib/etch.
function(etch_module name)
  add_library(${name} MODULE ${ARGN})
  set_target_properties(${name} PROPERTIES PREFIX "" INSTALL_RPATH "$ORIGIN/..")
  target_link_libraries(${name} PRIVATE etch_flags)
  install(TARGETS ${name} LIBRARY DESTINATION ${ETCH_MODULE_INSTALL_DIR})
endfunction()

# A program in build/bin.
function(etch_program name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE etch_flags)
  etch_isa_flags(${ARGN})
  set_target_properties(${name} PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
endfunction()

# Include folders of a product, here and installed. Public headers reach the folders' headers by
# their root-relative names; those are installed under include/etch/internal.
function(etch_public_includes name)
  target_compile_features(${name} PUBLIC cxx_std_20)
  target_include_directories(${name} INTERFACE
    $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}> $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/etch/internal>)
endfunction()
