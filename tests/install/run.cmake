# Installs BUILD into a fresh folder, and builds and runs PROJECT against what was installed.
#   cmake -DBUILD=... -DBUILD_TYPE=... -DPROJECT=... -P run.cmake
set(work ${BUILD}/install-test)
set(prefix ${work}/prefix)
file(REMOVE_RECURSE ${work})
# Whatever is found must be the installed files, with no help from the environment.
foreach(variable LD_LIBRARY_PATH CMAKE_PREFIX_PATH PKG_CONFIG_PATH CPATH LIBRARY_PATH)
  unset(ENV{${variable}})
endforeach()

function(run out)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${work}
    RESULT_VARIABLE code OUTPUT_VARIABLE text ERROR_VARIABLE errors)
  if(NOT code EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "exit code ${code}: ${command}\n${text}${errors}")
  endif()
  set(${out} "${text}" PARENT_SCOPE)
endfunction()

file(MAKE_DIRECTORY ${work})
run(log ${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix})
run(log ${CMAKE_COMMAND} -S ${PROJECT} -B ${work}/build -DCMAKE_BUILD_TYPE=Release
  -DCMAKE_PREFIX_PATH=${prefix} "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror"
  "-DCMAKE_C_FLAGS=-Wall -Wextra -Werror -pedantic")
run(log ${CMAKE_COMMAND} --build ${work}/build)

run(trained ${work}/build/train ${work}/net.etch)
run(from_c ${work}/build/deploy_c ${work}/net.etch)
run(from_cpp ${work}/build/deploy_cpp ${work}/net.etch)
if(NOT trained MATCHES "^0x[^\n]*\n0x" OR NOT trained STREQUAL from_c OR
   NOT trained STREQUAL from_cpp)
  message(FATAL_ERROR "different numbers:\n${trained}from C:\n${from_c}from C++:\n${from_cpp}")
endif()

# The deployment runtime needs the language's libraries and nothing else.
file(GLOB runtime ${prefix}/lib*/libetch_rt.so ${prefix}/lib*/*/libetch_rt.so)
run(needed ldd ${runtime})
string(REPLACE "\n" ";" needed "${needed}")
foreach(line IN LISTS needed)
  if(line AND NOT line MATCHES "(linux-vdso|libc|libm|libstdc\\+\\+|libgcc_s|ld-linux[^ ]*)\\.so")
    message(FATAL_ERROR "libetch_rt.so needs more than the language's libraries:${line}")
  endif()
endforeach()

# A release of it is small.
set(limit 2000000)
find_program(STRIP strip)
if(BUILD_TYPE STREQUAL "Release" AND STRIP)
  run(log ${STRIP} -s -o ${work}/stripped.so ${runtime})
  file(SIZE ${work}/stripped.so size)
  message("libetch_rt.so has ${size} bytes, stripped")
  if(size GREATER limit)
    message(FATAL_ERROR "libetch_rt.so has ${size} bytes, stripped; at most ${limit} are allowed")
  endif()
endif()

# The same numbers for a build that only knows pkg-config.
find_program(PKG_CONFIG pkg-config)
if(PKG_CONFIG)
  get_filename_component(libraries ${runtime} DIRECTORY)
  set(ENV{PKG_CONFIG_PATH} ${libraries}/pkgconfig)
  run(flags ${PKG_CONFIG} --cflags --libs etch-rt)
  string(STRIP "${flags}" flags)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  run(log cc -std=c99 ${PROJECT}/deploy.c ${flags} -Wl,-rpath,${libraries} -o ${work}/deploy_pc)
  run(from_pc ${work}/deploy_pc ${work}/net.etch)
  if(NOT trained STREQUAL from_pc)
    message(FATAL_ERROR "different numbers through pkg-config:\n${from_pc}")
  endif()
endif()

# The command, from its installed place.
file(GLOB command ${prefix}/bin/etch)
if(command)
  run(text ${command} inspect ${work}/net.etch)
endif()
message("installed, found, built and run; the same numbers from the library and the runtime")
