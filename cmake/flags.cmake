# Compiler settings of every target: one interface target, `etch_flags`.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_BUILD_RPATH_USE_ORIGIN ON)

# -O2 keeps the deployment runtime small; kernels ask for more by themselves (etch_isa_flags).
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g -D_GLIBCXX_ASSERTIONS")

add_library(etch_flags INTERFACE)
target_include_directories(etch_flags INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/include)
target_compile_definitions(etch_flags INTERFACE ETCH_VERSION_TEXT="${PROJECT_VERSION}")
# The numerics contract: no contraction, no fast-math. errno and FP traps are never observed.
target_compile_options(etch_flags INTERFACE
  -ffp-contract=off -fno-math-errno -fno-trapping-math -fno-semantic-interposition
  $<$<COMPILE_LANGUAGE:CXX>:-fvisibility-inlines-hidden>
  -Wall -Wextra "$<$<CXX_COMPILER_ID:GNU>:-Wshadow=local>"
  # GCC 12 sees overflows and overlaps in inlined std::string code that cannot happen.
  "$<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds;-Wno-restrict;-Wno-stringop-overflow>"
  # Source names in messages are relative to the root, so binaries do not depend on where it lies.
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(etch_flags INTERFACE -march=x86-64-v2)
endif()
if(ETCH_WERROR)
  target_compile_options(etch_flags INTERFACE -Werror)
endif()
target_link_options(etch_flags INTERFACE -Wl,--as-needed)

# Optimisation at link time, by which the deployment runtime shrinks by a twentieth (etch_runtime_flags).
set(ETCH_LTO "")
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT ETCH_SANITIZE)
  include(CheckIPOSupported)
  check_ipo_supported(RESULT ETCH_LTO_WORKS LANGUAGES CXX)
  if(ETCH_LTO_WORKS)
    set(ETCH_LTO -flto)
  endif()
endif()

if(ETCH_SANITIZE)
  target_compile_options(etch_flags INTERFACE
    -fsanitize=${ETCH_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(etch_flags INTERFACE -fsanitize=${ETCH_SANITIZE})
else()
  target_link_options(etch_flags INTERFACE -Wl,-z,defs)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Without these, ccache refuses every source that uses a precompiled header.
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE_PROGRAM})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(etch_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
  endif()
endif()
