# How ferry's own targets are made.
#
#   ferry_add_transport(<name> SOURCES plugin.cpp ... [LINK ...] [PACKAGES OpenSSL ...] [PKG_CONFIG libnats>=3 ...])
#   ferry_add_serializer(<name> ...)                  the same
#   ferry_add_transport_part(<part> SOURCES ... [LINK ...] [PACKAGES ...])   for `ferry_add_transport(... PARTS <part> ...)`
#   ferry_skip_plugin(<transport|serializer> <name> <reason>)
#   ferry_link_static_plugins(<target> [PLUGINS ...]) see FerryStaticPlugins.cmake
#   ferry_add_library(<name> HEADERS ... SOURCES ... [LINK core saga ...] [PRIVATE ...] [PACKAGES SQLite3 ...])
#   ferry_add_program(<target> SOURCES ... [LINK ...] [OUTPUT_NAME ...] [PLUGINS ...] [INSTALL])
#   ferry_add_test(<name> SOURCES ... LABEL unit [LINK ...] [PLUGINS ...] [PREFIX ...] [ARGS ...] [TIMEOUT 60]
#                  [PROPERTIES ...] [NO_DISCOVER] [NO_MAIN])
#   ferry_discover_tests(<target> LABEL ... [PREFIX ...] [ARGS ...] [TIMEOUT 60] [PROPERTIES ...])
#   ferry_add_fuzzer(<name> SOURCES ... [LINK ...] [DICTIONARY words.dict] [PLUGINS ...])

include(CMakePackageConfigHelpers)
include(FerryStaticPlugins)


set(FERRY_LIBRARY_DIR "${PROJECT_BINARY_DIR}/lib")          # libferry_core.so and every plugin beside it
set(FERRY_PROGRAM_DIR "${PROJECT_BINARY_DIR}/bin")
set(FERRY_FUZZER_DIR "${PROJECT_BINARY_DIR}/fuzzers")
set(FERRY_INSTALL_PLUGIN_DIR "${CMAKE_INSTALL_LIBDIR}/ferry")
set(FERRY_INSTALL_CMAKE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/ferry")
set_property(GLOBAL PROPERTY FERRY_PLUGINS_ARE_STATIC ${FERRY_STATIC_PLUGINS})

# --- flags ----------------------------------------------------------------------------------------------------------

# Our own code is held to these; whoever includes our headers is not.
function(ferry_own_code target)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Werror=return-type)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # ccache finds the precompiled header in preprocessed output by this.
    target_compile_options(${target} PRIVATE -fpch-preprocess)
    if(FERRY_SANITIZE STREQUAL "thread")
      target_compile_options(${target} PRIVATE -Wno-tsan)   # Asio's fences; TSan sees the atomics beside them
    elseif(FERRY_SANITIZE MATCHES "address")
      target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)   # false with -fsanitize, as GCC's manual says
    endif()
  elseif(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # ccache cannot serve what uses a precompiled header with a time in it.
    target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
  endif()
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF BUILD_RPATH_USE_ORIGIN ON)
endfunction()

# Sanitizers: on core, and through it on everything in this tree that links core.
function(ferry_tree_flags target)
  set(flags "")
  if(FERRY_SANITIZE MATCHES "thread" AND FERRY_SANITIZE MATCHES "address")
    message(FATAL_ERROR "FERRY_SANITIZE=${FERRY_SANITIZE}: thread and address exclude each other")
  endif()
  if(FERRY_SANITIZE)
    list(APPEND flags -fsanitize=${FERRY_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    if(FERRY_SANITIZE MATCHES "undefined" AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
      list(APPEND flags -fno-sanitize=function)   # Clang 14 does not assemble coroutines with it
    elseif(FERRY_SANITIZE MATCHES "undefined")
      # A check at every access: half of the time that compiling takes. The fuzz targets, which Clang compiles, have them.
      list(APPEND flags -fno-sanitize=null,alignment,object-size,pointer-overflow,vptr)
    endif()
  endif()
  if(FERRY_BUILD_FUZZERS)
    list(APPEND flags -fsanitize=fuzzer-no-link)
  endif()
  target_compile_options(${target} PUBLIC "$<BUILD_INTERFACE:${flags}>")
  target_link_options(${target} PUBLIC "$<BUILD_INTERFACE:${flags}>")
endfunction()

# --- plugins --------------------------------------------------------------------------------------------------------

define_property(GLOBAL PROPERTY FERRY_SKIPPED BRIEF_DOCS "Plugins left out: kind_name=reason")

function(ferry_skip_plugin kind name reason)
  set_property(GLOBAL APPEND PROPERTY FERRY_SKIPPED "${kind}_${name}=${reason}")
endfunction()

function(ferry_add_transport name)
  ferry_add_plugin(transport ${name} ${ARGN})
endfunction()

function(ferry_add_serializer name)
  ferry_add_plugin(serializer ${name} ${ARGN})
endfunction()

# Makes ferry_<kind>_<name> (alias ferry::<kind>_<name>): lib/libferry_<kind>_<name>.so, or a static library under
# FERRY_STATIC_PLUGINS. Left out, with the reason in the summary, where a package or a pkg-config module is missing.
#
# All sources but plugin.cpp (which holds the entry symbol) are compiled once into ferry_<kind>_<name>_impl, which unit
# tests of the plugin link: `#include "transports/tcp/framing.hpp"` is how they see it.
#
# Hidden visibility is safe with header-only Asio: Asio's headers push default visibility around themselves, so its
# statics (call_stack<>::top_, service ids, error categories) stay exported, STB_GNU_UNIQUE under GCC, and resolve to
# the one copy in the process even for RTLD_LOCAL. What would break it, with a crash in the first async operation that
# meets another copy: a version script with `local: *`, ASIO_DISABLE_VISIBILITY, -Bsymbolic with -fno-gnu-unique.
function(ferry_add_plugin kind name)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "SOURCES;PARTS;LINK;PACKAGES;PKG_CONFIG")
  if(NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "ferry_add_${kind}(${name}): needs SOURCES; unexpected: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  set(plugin ${kind}_${name})
  set(target ferry_${plugin})
  foreach(part IN LISTS arg_PARTS)
    foreach(wants LINK PACKAGES)
      get_property(more GLOBAL PROPERTY FERRY_PART_${part}_${wants})
      list(APPEND arg_${wants} ${more})
    endforeach()
  endforeach()
  ferry_find_plugin_dependencies(${plugin} reason "${arg_PACKAGES}" "${arg_PKG_CONFIG}")
  if(reason)
    ferry_skip_plugin(${kind} ${name} "${reason}")
    return()
  endif()
  if(arg_PKG_CONFIG)
    list(APPEND arg_LINK PkgConfig::FERRY_${plugin})
  endif()

  set(entry_sources ${arg_SOURCES})
  set(impl_sources ${arg_SOURCES})
  list(FILTER entry_sources INCLUDE REGEX "(^|/)plugin\\.cpp$")
  list(FILTER impl_sources EXCLUDE REGEX "(^|/)plugin\\.cpp$")
  if(FERRY_STATIC_PLUGINS)
    add_library(${target} STATIC ${entry_sources})
    target_compile_definitions(${target} PRIVATE FERRY_STATIC_PLUGIN_ENTRY=ferry_${plugin}_entry)
  else()
    add_library(${target} MODULE ${entry_sources})
    # Clang leaves the sanitizers' symbols in a shared object to the executable.
    if(NOT (FERRY_SANITIZE AND CMAKE_CXX_COMPILER_ID MATCHES "Clang"))
      target_link_options(${target} PRIVATE LINKER:-z,defs)
    endif()
  endif()
  add_library(ferry::${plugin} ALIAS ${target})
  set(made ${target})
  if(impl_sources)
    add_library(${target}_impl OBJECT ${impl_sources})
    target_include_directories(${target}_impl PUBLIC "${PROJECT_SOURCE_DIR}")
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${target}_impl>)
    target_link_libraries(${target}_impl PUBLIC ferry::core ${arg_LINK})
    list(APPEND made ${target}_impl)
  endif()
  foreach(part IN LISTS arg_PARTS)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:ferry_transport_${part}>)
  endforeach()
  # Named once more: an imported archive or library has to follow the objects that need it.
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${target} PRIVATE ferry::core ${arg_LINK})
  foreach(each IN LISTS made)
    ferry_own_code(${each})
    ferry_reuse_pch(${each} ferry_plugin_pch)
    set_target_properties(${each} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden)
  endforeach()
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME ${plugin}
    LIBRARY_OUTPUT_DIRECTORY "${FERRY_LIBRARY_DIR}"
    ARCHIVE_OUTPUT_DIRECTORY "${FERRY_LIBRARY_DIR}"
    INSTALL_RPATH "$ORIGIN/..")
  set_property(GLOBAL APPEND PROPERTY FERRY_PLUGINS ${plugin})
  if(FERRY_INSTALL)
    ferry_install_plugin(${plugin})
  endif()
endfunction()

# Objects that several plugins take into themselves; unit tests link ferry_transport_<part> once for all of them. Without
# its packages there is no part, and no plugin that wants it.
function(ferry_add_transport_part part)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK;PACKAGES")
  set_property(GLOBAL PROPERTY FERRY_PART_${part}_LINK ${arg_LINK})
  set_property(GLOBAL PROPERTY FERRY_PART_${part}_PACKAGES ${arg_PACKAGES})
  ferry_find_plugin_dependencies(transport_part_${part} reason "${arg_PACKAGES}" "")
  if(reason)
    return()
  endif()
  set(target ferry_transport_${part})
  add_library(${target} OBJECT ${arg_SOURCES})
  target_include_directories(${target} PUBLIC "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${target} PUBLIC ferry::core ${arg_LINK})
  ferry_own_code(${target})
  ferry_reuse_pch(${target} ferry_plugin_pch)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden)
endfunction()

# Sets <reason_variable> to what is missing, or to nothing. What was found goes into FERRY_<plugin>_FIND, as the code
# that the installed package runs to find it again (only a static plugin makes its users link its driver).
function(ferry_find_plugin_dependencies plugin reason_variable packages pkg_config)
  set(reason "")
  set(code "")
  foreach(package IN LISTS packages)
    separate_arguments(words UNIX_COMMAND "${package}")
    list(GET words 0 package_name)
    find_package(${words} QUIET GLOBAL)
    if(NOT ${package_name}_FOUND)
      string(APPEND reason "package ${package} not found; ")
    endif()
    string(APPEND code "find_dependency(${package})\n")
  endforeach()
  if(pkg_config)
    find_package(PkgConfig QUIET)
    if(NOT PkgConfig_FOUND)
      string(APPEND reason "pkg-config not found; ")
    else()
      pkg_check_modules(FERRY_${plugin} QUIET IMPORTED_TARGET GLOBAL ${pkg_config})
      if(NOT FERRY_${plugin}_FOUND)
        list(JOIN pkg_config ", " modules)
        string(APPEND reason "pkg-config module ${modules} not found; ")
      endif()
    endif()
    list(JOIN pkg_config " " modules)
    string(APPEND code "find_dependency(PkgConfig)\n"
      "pkg_check_modules(FERRY_${plugin} QUIET REQUIRED IMPORTED_TARGET ${modules})\n")
  endif()
  string(REGEX REPLACE "; $" "" reason "${reason}")
  set(${reason_variable} "${reason}" PARENT_SCOPE)
  set_property(GLOBAL PROPERTY FERRY_${plugin}_FIND "${code}")
endfunction()

# --- libraries beside core ------------------------------------------------------------------------------------------

# Makes ferry_<name> (alias ferry::<name>), a component of the package: shared as core is, or static with it. HEADERS are below
# include/. LINK: libraries of ferry's own, without "ferry::". PACKAGES: what PRIVATE comes from.
function(ferry_add_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "HEADERS;SOURCES;LINK;PRIVATE;PACKAGES")
  if(NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "ferry_add_library(${name}): needs SOURCES; unexpected: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  set(target ferry_${name})
  if(FERRY_STATIC_PLUGINS)
    add_library(${target} STATIC ${arg_SOURCES})
  else()
    add_library(${target} SHARED ${arg_SOURCES})
  endif()
  add_library(ferry::${name} ALIAS ${target})
  target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS include FILES ${arg_HEADERS})
  list(TRANSFORM arg_LINK PREPEND ferry::)
  target_link_libraries(${target} PUBLIC ferry::core ${arg_LINK} PRIVATE ${arg_PRIVATE})
  ferry_own_code(${target})
  target_precompile_headers(${target} PRIVATE <asio.hpp> <nlohmann/json.hpp>)
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME ${name}
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
    POSITION_INDEPENDENT_CODE ON
    LIBRARY_OUTPUT_DIRECTORY "${FERRY_LIBRARY_DIR}"
    INSTALL_RPATH "$ORIGIN"
    VERIFY_INTERFACE_HEADER_SETS ON)
  set_property(GLOBAL APPEND PROPERTY FERRY_LIBRARIES ${name})
  if(FERRY_INSTALL)
    ferry_install_library(${name} "${arg_LINK}" "${arg_PACKAGES}")
  endif()
endfunction()

# --- precompiled headers --------------------------------------------------------------------------------------------
# One PCH for all plugins and one for all tests: same flags, so that GCC takes it.

function(ferry_reuse_pch target holder)
  if(NOT TARGET ${holder})
    cmake_language(CALL ferry_make_${holder})
  endif()
  target_precompile_headers(${target} REUSE_FROM ${holder})
endfunction()

function(ferry_make_ferry_plugin_pch)
  file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/plugin_pch.cpp" CONTENT "// Holds the plugins' precompiled header.\n")
  add_library(ferry_plugin_pch OBJECT "${PROJECT_BINARY_DIR}/plugin_pch.cpp")
  target_link_libraries(ferry_plugin_pch PRIVATE ferry::core)
  target_precompile_headers(ferry_plugin_pch PRIVATE <asio.hpp> <nlohmann/json.hpp>)
  set_target_properties(ferry_plugin_pch PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden)
  ferry_own_code(ferry_plugin_pch)
endfunction()

# Catch2's main, and the tests' precompiled header. Written for Catch2 2.13 and 3.
function(ferry_make_ferry_test_pch)
  if(Catch2_VERSION VERSION_GREATER_EQUAL 3)
    set(main_text "// Catch2::Catch2WithMain brings main.\n")
    set(catch_header <catch2/catch_all.hpp>)
    set(catch_target Catch2::Catch2WithMain)
  else()
    set(main_text "#define CATCH_CONFIG_MAIN\n#include <catch2/catch.hpp>\n")
    set(catch_header <catch2/catch.hpp>)
    set(catch_target Catch2::Catch2)
  endif()
  file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/test_include/ferry_test_paths.hpp" @ONLY CONTENT [[
#pragma once
#define FERRY_TESTS_DIR "@PROJECT_SOURCE_DIR@/tests"
#define FERRY_BUILD_PLUGIN_DIR "@FERRY_LIBRARY_DIR@"
#define FERRY_BUILD_PROGRAM_DIR "@FERRY_PROGRAM_DIR@"
]])
  file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/test_main.cpp" CONTENT "${main_text}")
  file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/test_pch.cpp" CONTENT "// Holds the tests' precompiled header.\n")
  add_library(ferry_test_pch OBJECT "${PROJECT_BINARY_DIR}/test_pch.cpp")
  target_precompile_headers(ferry_test_pch PRIVATE ${catch_header} <asio.hpp> <nlohmann/json.hpp> <ferry/ferry.hpp>)
  add_library(ferry_test_main OBJECT "${PROJECT_BINARY_DIR}/test_main.cpp")
  foreach(each ferry_test_pch ferry_test_main)
    target_link_libraries(${each} PUBLIC ferry::core ${catch_target})
    ferry_own_code(${each})
    ferry_test_flags(${each})
  endforeach()
endfunction()

# Tests are compiled for quick builds: what they measure is in core and the plugins, which keep their own flags.
function(ferry_test_flags target)
  target_compile_options(${target} PRIVATE -O0 -g1)
endfunction()

# --- programs and tests ---------------------------------------------------------------------------------------------

function(ferry_add_program target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "INSTALL" "OUTPUT_NAME" "SOURCES;LINK;PLUGINS")
  if(NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "ferry_add_program(${target}): needs SOURCES; unexpected: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  add_executable(${target} ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE ferry::core ${arg_LINK})
  ferry_own_code(${target})
  file(RELATIVE_PATH to_lib "/${CMAKE_INSTALL_BINDIR}" "/${CMAKE_INSTALL_LIBDIR}")
  set_target_properties(${target} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${FERRY_PROGRAM_DIR}" INSTALL_RPATH "$ORIGIN/${to_lib}")
  if(arg_OUTPUT_NAME)
    set_target_properties(${target} PROPERTIES OUTPUT_NAME ${arg_OUTPUT_NAME})
  endif()
  ferry_link_chosen_plugins(${target} ${arg_PLUGINS})
  if(arg_INSTALL AND FERRY_INSTALL)
    install(TARGETS ${target} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  endif()
endfunction()

function(ferry_link_chosen_plugins target)
  if(ARGN)
    ferry_link_static_plugins(${target} PLUGINS ${ARGN})
  else()
    ferry_link_static_plugins(${target})
  endif()
endfunction()

# A Catch2 program. It finds core's private headers ("router.hpp" or "core/src/router.hpp"), tests/ ("support/...") and
# "ferry_test_paths.hpp", which defines FERRY_TESTS_DIR (tests/ in the sources), FERRY_BUILD_PLUGIN_DIR (where this build
# leaves its plugins) and FERRY_BUILD_PROGRAM_DIR. A header, and not flags, so that ccache serves a second clone.
# PLUGINS: those it loads at run time; without it, none. NO_MAIN: the sources bring their own main.
function(ferry_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "NO_DISCOVER;NO_MAIN" "LABEL;PREFIX;TIMEOUT"
    "SOURCES;LINK;PLUGINS;ARGS;PROPERTIES")
  if(NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "ferry_add_test(${name}): needs SOURCES; unexpected: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  add_executable(${name} ${arg_SOURCES})
  ferry_own_code(${name})
  ferry_test_flags(${name})
  ferry_reuse_pch(${name} ferry_test_pch)
  target_link_libraries(${name} PRIVATE ferry::core Catch2::Catch2 ${arg_LINK})
  if(NOT arg_NO_MAIN)
    target_link_libraries(${name} PRIVATE ferry_test_main)
  endif()
  target_include_directories(${name} PRIVATE
    "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/core/src" "${PROJECT_SOURCE_DIR}/tests"
    "${PROJECT_BINARY_DIR}/test_include")
  if(arg_PLUGINS)
    ferry_link_static_plugins(${name} PLUGINS ${arg_PLUGINS})
  endif()
  if(NOT arg_NO_DISCOVER)
    ferry_discover_tests(${name} LABEL "${arg_LABEL}" PREFIX "${arg_PREFIX}" TIMEOUT "${arg_TIMEOUT}"
      ARGS ${arg_ARGS} PROPERTIES ${arg_PROPERTIES})
  endif()
endfunction()

# Call it once for each configuration that a test program runs with. Exactly one label: Catch2 2.13 splits a list of
# them, and then loses TIMEOUT and the skip rules that follow.
function(ferry_discover_tests target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LABEL;PREFIX;TIMEOUT" "ARGS;PROPERTIES")
  list(LENGTH arg_LABEL labels)
  if(NOT labels EQUAL 1)
    message(FATAL_ERROR "ferry_discover_tests(${target}): needs exactly one LABEL")
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  if(FERRY_SANITIZE)   # a process takes long to start: one for all cases, whose names are in the output
    add_test(NAME ${arg_PREFIX}${target} COMMAND ${target} ${arg_ARGS} --durations yes)
    set_tests_properties(${arg_PREFIX}${target} PROPERTIES LABELS ${arg_LABEL} TIMEOUT 900)
    return()
  endif()
  string(MAKE_C_IDENTIFIER "${target}_${arg_PREFIX}_TESTS" test_list)
  catch_discover_tests(${target} TEST_PREFIX "${arg_PREFIX}" TEST_LIST ${test_list} EXTRA_ARGS ${arg_ARGS}
    PROPERTIES LABELS ${arg_LABEL} TIMEOUT ${arg_TIMEOUT} ${arg_PROPERTIES})
endfunction()

# DICTIONARY: words for the fuzzer to try, put beside the program as <name>.dict.
function(ferry_add_fuzzer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "DICTIONARY" "SOURCES;LINK;PLUGINS")
  if(NOT FERRY_BUILD_FUZZERS)
    return()
  endif()
  add_executable(${name} ${arg_SOURCES})
  if(NOT TARGET ferry_fuzzers)   # all of them, without the plugins that none of them needs
    add_custom_target(ferry_fuzzers)
  endif()
  add_dependencies(ferry_fuzzers ${name})
  ferry_own_code(${name})
  target_link_libraries(${name} PRIVATE ferry::core ${arg_LINK})
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/core/src")
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${FERRY_FUZZER_DIR}")
  if(arg_PLUGINS)
    ferry_link_static_plugins(${name} PLUGINS ${arg_PLUGINS})
  endif()
  if(arg_DICTIONARY)
    configure_file("${arg_DICTIONARY}" "${FERRY_FUZZER_DIR}/${name}.dict" COPYONLY)
  endif()
endfunction()

# --- install and summary --------------------------------------------------------------------------------------------

# Each plugin is a component of the package, with an export file of its own and what finds its driver again.
function(ferry_install_plugin plugin)
  install(TARGETS ferry_${plugin} EXPORT ferry-${plugin}-targets
    LIBRARY DESTINATION "${FERRY_INSTALL_PLUGIN_DIR}"
    ARCHIVE DESTINATION "${FERRY_INSTALL_PLUGIN_DIR}")
  install(EXPORT ferry-${plugin}-targets NAMESPACE ferry:: DESTINATION "${FERRY_INSTALL_CMAKE_DIR}")
  set(code "")
  if(FERRY_STATIC_PLUGINS)
    get_property(code GLOBAL PROPERTY FERRY_${plugin}_FIND)
  endif()
  set(file "${PROJECT_BINARY_DIR}/package/ferry-${plugin}-dependencies.cmake")
  file(CONFIGURE OUTPUT "${file}" CONTENT "${code}")
  install(FILES "${file}" DESTINATION "${FERRY_INSTALL_CMAKE_DIR}")
endfunction()

# As a plugin, but with headers, beside core, and after the libraries that it links.
function(ferry_install_library name link packages)
  install(TARGETS ferry_${name} EXPORT ferry-${name}-targets
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
  install(EXPORT ferry-${name}-targets NAMESPACE ferry:: DESTINATION "${FERRY_INSTALL_CMAKE_DIR}")
  set(code "set(_ferry_is_plugin FALSE)\n")
  foreach(other IN LISTS link)
    string(REPLACE "ferry::" "" other "${other}")
    string(APPEND code "include(\"\${CMAKE_CURRENT_LIST_DIR}/ferry-${other}-targets.cmake\")\n")
  endforeach()
  if(FERRY_STATIC_PLUGINS)
    foreach(package IN LISTS packages)
      string(APPEND code "find_dependency(${package})\n")
    endforeach()
  endif()
  set(file "${PROJECT_BINARY_DIR}/package/ferry-${name}-dependencies.cmake")
  file(CONFIGURE OUTPUT "${file}" CONTENT "${code}" @ONLY)
  install(FILES "${file}" DESTINATION "${FERRY_INSTALL_CMAKE_DIR}")
endfunction()

function(ferry_install_package)
  install(TARGETS ferry_core EXPORT ferry-core-targets
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
  # Not of core's file set, whose headers compile without Protobuf.
  install(FILES "${PROJECT_SOURCE_DIR}/core/include/ferry/protobuf.hpp" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/ferry")
  install(EXPORT ferry-core-targets NAMESPACE ferry:: DESTINATION "${FERRY_INSTALL_CMAKE_DIR}")
  set(find_icu "")
  if(FERRY_STATIC_PLUGINS AND FERRY_WITH_ICU)
    set(find_icu "find_dependency(ICU COMPONENTS uc i18n)")
  endif()
  configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/ferry-config.cmake.in"
    "${PROJECT_BINARY_DIR}/package/ferry-config.cmake" INSTALL_DESTINATION "${FERRY_INSTALL_CMAKE_DIR}")
  write_basic_package_version_file("${PROJECT_BINARY_DIR}/package/ferry-config-version.cmake"
    COMPATIBILITY SameMinorVersion)
  install(FILES
    "${PROJECT_BINARY_DIR}/package/ferry-config.cmake"
    "${PROJECT_BINARY_DIR}/package/ferry-config-version.cmake"
    "${PROJECT_SOURCE_DIR}/cmake/FerryAsio.cmake"
    "${PROJECT_SOURCE_DIR}/cmake/FerryStaticPlugins.cmake"
    DESTINATION "${FERRY_INSTALL_CMAKE_DIR}")
endfunction()

function(ferry_print_summary)
  get_property(plugins GLOBAL PROPERTY FERRY_PLUGINS)
  get_property(skipped GLOBAL PROPERTY FERRY_SKIPPED)
  set(linkage "shared, beside libferry_core.so")
  if(FERRY_STATIC_PLUGINS)
    set(linkage "static, linked into programs")
  endif()
  message(STATUS "ferry ${PROJECT_VERSION}: ${CMAKE_BUILD_TYPE}, ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}")
  foreach(kind transport serializer)
    set(names ${plugins})
    list(FILTER names INCLUDE REGEX "^${kind}_")
    list(TRANSFORM names REPLACE "^${kind}_" "")
    list(JOIN names " " names)
    message(STATUS "  ${kind}s: ${names}")
  endforeach()
  message(STATUS "  plugins: ${linkage}")
  get_property(libraries GLOBAL PROPERTY FERRY_LIBRARIES)
  list(JOIN libraries " " libraries)
  message(STATUS "  libraries beside core: ${libraries}")
  foreach(entry IN LISTS skipped)
    string(REGEX REPLACE "^([^=]*)=(.*)$" "  left out: \\1 (\\2)" line "${entry}")
    message(STATUS "${line}")
  endforeach()
  set(sanitize "${FERRY_SANITIZE}")
  if(NOT sanitize)
    set(sanitize none)
  endif()
  message(STATUS "  sanitizers: ${sanitize}; ICU: ${FERRY_WITH_ICU}")
  message(STATUS "  tests: ${FERRY_BUILD_TESTS}; examples: ${FERRY_BUILD_EXAMPLES}; tools: ${FERRY_BUILD_TOOLS}; \
fuzzers: ${FERRY_BUILD_FUZZERS}; bench: ${FERRY_BUILD_BENCH}")
endfunction()
