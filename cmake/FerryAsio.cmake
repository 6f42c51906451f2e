# ferry::asio: standalone Asio, header only. Used by the tree and by the installed package.
if(NOT TARGET ferry::asio)
  find_path(FERRY_ASIO_INCLUDE_DIR asio.hpp DOC "Directory of standalone Asio's asio.hpp")
  mark_as_advanced(FERRY_ASIO_INCLUDE_DIR)
  if(NOT FERRY_ASIO_INCLUDE_DIR)
    message(FATAL_ERROR "ferry needs standalone Asio 1.22 or newer: install libasio-dev, or set FERRY_ASIO_INCLUDE_DIR")
  endif()
  add_library(ferry::asio INTERFACE IMPORTED GLOBAL)
  target_include_directories(ferry::asio INTERFACE "${FERRY_ASIO_INCLUDE_DIR}")
  target_compile_definitions(ferry::asio INTERFACE ASIO_STANDALONE ASIO_NO_DEPRECATED
    # Asio 1.22 decides on this by what was included before it: one answer for every translation unit.
    ASIO_HAS_STD_ALIGNED_ALLOC=1)
  # Clang 14 compiles C++20 coroutines but does not say so to libstdc++ and Asio.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 15)
    target_compile_definitions(ferry::asio INTERFACE
      __cpp_impl_coroutine=201902L ASIO_HAS_CO_AWAIT=1 ASIO_HAS_STD_COROUTINE=1)
  endif()
endif()
