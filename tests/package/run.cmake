# One test of the package: cmake -DWHAT=<test> ... -P run.cmake. See CMakeLists.txt for the other variables.
cmake_minimum_required(VERSION 3.24)

set(here "${CMAKE_CURRENT_LIST_DIR}")
set(prefix "${SCRATCH}/prefix")
set(build "${SCRATCH}/${WHAT}")

# What is built and installed has to be found without help.
foreach(variable FERRY_PLUGIN_PATH LD_LIBRARY_PATH CMAKE_PREFIX_PATH ferry_DIR ferry_ROOT)
  unset(ENV{${variable}})
endforeach()

if(CCACHE)   # as in ferry's own build
  set(ENV{CCACHE_SLOPPINESS} pch_defines,time_macros)
  set(ENV{CCACHE_BASEDIR} "${SOURCE}")
  set(ENV{CCACHE_NOHASHDIR} 1)
else()
  set(CCACHE "")
endif()

# Sets `output` to what the command printed; ends the test if it fails.
macro(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    string(JOIN " " command ${ARGN})
    message(FATAL_ERROR "${command}\nended with ${status}:\n${output}")
  endif()
endmacro()

# Another build type than ferry's own: nothing may depend on their being the same.
macro(configure source)
  run("${CMAKE_COMMAND}" -S "${source}" -B "${build}" -G "${GENERATOR}" -DCMAKE_BUILD_TYPE=Debug
    "-DCMAKE_CXX_FLAGS_DEBUG=-O0" "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_CXX_COMPILER_LAUNCHER=${CCACHE}" ${ARGN})
endmacro()

macro(expect_output text)
  if(NOT "${output}" STREQUAL "${text}")
    message(FATAL_ERROR "expected:\n${text}\nprinted:\n${output}")
  endif()
endmacro()

# What an earlier run found installed is not to be believed.
if(NOT WHAT STREQUAL "subdirectory")
  file(REMOVE "${build}/CMakeCache.txt")
endif()

if(WHAT STREQUAL "install")
  file(REMOVE_RECURSE "${prefix}" "${prefix}-before")
  run("${CMAKE_COMMAND}" --install "${BUILD}" --config "${BUILD_TYPE}" --prefix "${prefix}-before")
  file(RENAME "${prefix}-before" "${prefix}")

elseif(WHAT STREQUAL "find_package")
  configure("${here}/find_package" "-DCMAKE_PREFIX_PATH=${prefix}")
  run("${CMAKE_COMMAND}" --build "${build}" --parallel 2)
  run("${build}/app")
  file(GLOB_RECURSE plugin "${prefix}/*/libferry_transport_tcp.so")
  if(STATIC)
    set(plugin "built in")
  endif()
  expect_output("6\ntcp: ${plugin}\n")
  if(NOT EXISTS "${prefix}/include/ferry/protobuf.hpp")
    message(FATAL_ERROR "ferry/protobuf.hpp is not installed")
  endif()
  if(EXISTS "${build}/protobuf_app")
    run("${build}/protobuf_app")
    expect_output("3.5\n")
  endif()

elseif(WHAT STREQUAL "missing_component")
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -S "${here}/find_package" -B "${build}" -G "${GENERATOR}"
      "-DCMAKE_PREFIX_PATH=${prefix}" "-DCMAKE_CXX_COMPILER=${COMPILER}" -DCOMPONENTS=transport_carrier_pigeon
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  string(REGEX REPLACE "[ \n]+" " " output "${output}")   # CMake wraps lines
  if(status EQUAL 0 OR NOT output MATCHES "installed without transport_carrier_pigeon. Installed are: .*transport_tcp")
    message(FATAL_ERROR "a component that is not there should be refused, with those that are:\n${output}")
  endif()

elseif(WHAT STREQUAL "examples")
  configure("${SOURCE}/examples" "-DCMAKE_PREFIX_PATH=${prefix}")
  run("${CMAKE_COMMAND}" --build "${build}" --parallel 2)
  run("${CMAKE_CTEST_COMMAND}" --test-dir "${build}" --output-on-failure --no-tests=error)

elseif(WHAT STREQUAL "subdirectory")
  configure("${here}/subdirectory" "-DFERRY_SOURCES=${SOURCE}")
  run("${CMAKE_COMMAND}" --build "${build}" --parallel 2 --target app)   # no transport that the program does not use
  run("${build}/app")
  expect_output("6\nmemory: built in\n")

else()
  message(FATAL_ERROR "no test ${WHAT}")
endif()
