# Everything the build needs from outside. tools/apt.txt is the same list as Debian packages.

set(missing "")

find_package(Python3 COMPONENTS Interpreter QUIET)
if(NOT Python3_FOUND)
  list(APPEND missing python3)
endif()

find_path(XXHASH_INCLUDE_DIR xxhash.h)
if(NOT XXHASH_INCLUDE_DIR)
  list(APPEND missing libxxhash-dev)
endif()

find_path(CLI11_INCLUDE_DIR CLI/CLI.hpp)
if(NOT CLI11_INCLUDE_DIR)
  list(APPEND missing libcli11-dev)
endif()

find_package(ZLIB QUIET)
if(NOT ZLIB_FOUND)
  list(APPEND missing zlib1g-dev)
endif()

find_package(Protobuf QUIET)
if(NOT Protobuf_FOUND OR NOT TARGET protobuf::libprotobuf-lite OR NOT Protobuf_PROTOC_EXECUTABLE)
  list(APPEND missing protobuf-compiler libprotobuf-dev)
endif()

# Headers and the shared library only: LLVM's own CMake package wants the whole toolchain.
if(ETCH_LLVM)
  find_path(LLVM19_INCLUDE_DIR llvm/ExecutionEngine/Orc/LLJIT.h
    PATHS /usr/lib/llvm-19/include NO_DEFAULT_PATH)
  find_library(LLVM19_LIBRARY NAMES LLVM-19 PATHS /usr/lib/llvm-19/lib NO_DEFAULT_PATH)
  if(LLVM19_INCLUDE_DIR AND LLVM19_LIBRARY)
    add_library(etch_llvm19 INTERFACE)
    target_include_directories(etch_llvm19 SYSTEM INTERFACE ${LLVM19_INCLUDE_DIR})
    target_link_libraries(etch_llvm19 INTERFACE ${LLVM19_LIBRARY})
  else()
    list(APPEND missing llvm-19-dev)
  endif()
endif()

if(ETCH_ONEDNN)
  find_path(DNNL_INCLUDE_DIR dnnl.hpp)
  find_library(DNNL_LIBRARY dnnl)
  # Its threads are set through the OpenMP runtime that it links.
  find_package(OpenMP COMPONENTS CXX QUIET)
  if(DNNL_INCLUDE_DIR AND DNNL_LIBRARY AND OpenMP_CXX_FOUND)
    add_library(etch_dnnl INTERFACE)
    target_link_libraries(etch_dnnl INTERFACE ${DNNL_LIBRARY} OpenMP::OpenMP_CXX)
  else()
    message(STATUS "oneDNN (libdnnl-dev) or OpenMP not found: the module of level fast is left out")
  endif()
endif()

if(ETCH_TESTS)
  find_path(CATCH2_INCLUDE_DIR catch2/catch.hpp)
  if(NOT CATCH2_INCLUDE_DIR)
    list(APPEND missing catch2)
  endif()
endif()

if(missing)
  list(JOIN missing " " missing)
  message(FATAL_ERROR "Missing packages: ${missing}\nRun tools/setup.sh, or: apt-get install ${missing}")
endif()
