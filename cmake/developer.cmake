# Targets for people who change Etch: lists, regen, format, format-check, tidy, golden.

set(lint ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/lint)

add_custom_target(lists
  COMMAND ${lint}/cmake_lists.py --fix
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} USES_TERMINAL
  COMMENT "Rewriting the file lists of the CMakeLists.txt")

# Rewrites the files that are generated from the operator registry.
if(TARGET etch-opgen)
  add_custom_target(regen
    COMMAND etch-opgen ${CMAKE_SOURCE_DIR}
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} USES_TERMINAL
    COMMENT "Regenerating include/etch/ops.h, runtime/ops.gen.cpp, docs/ops.md")
endif()

foreach(mode format format-check)
  add_custom_target(${mode}
    COMMAND ${lint}/format.py --${mode}
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} USES_TERMINAL COMMENT "${mode}")
endforeach()

add_custom_target(tidy
  COMMAND ${lint}/tidy.py ${CMAKE_BINARY_DIR}
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} USES_TERMINAL COMMENT "clang-tidy")

# Writes tests/golden/vVERSION, once per release: tests/golden/README.md.
if(TARGET etch_tests)
  add_custom_target(golden
    COMMAND ${CMAKE_COMMAND} -E env ETCH_SOURCE_DIR=${CMAKE_SOURCE_DIR}
            $<TARGET_FILE:etch_tests> "[write_golden]"
    WORKING_DIRECTORY ${CMAKE_BINARY_DIR} USES_TERMINAL
    COMMENT "Writing the golden files of ${PROJECT_VERSION}")
  add_dependencies(golden etch_tests)
endif()
