#pragma once
// The last line of a plugin: `FERRY_TRANSPORT_PLUGIN("tcp", "0.1.0", make_tcp);`

#include <memory>

#include <asio/version.hpp>
#include <nlohmann/json.hpp>

#include "ferry/spi/plugin.h"
#include "ferry/spi/serializer.hpp"
#include "ferry/spi/transport.hpp"
#include "ferry/version.hpp"

#define FERRY_TEXT_(x) #x
#define FERRY_TEXT(x) FERRY_TEXT_(x)

#if defined(__clang__)
#define FERRY_COMPILER_ "clang=" FERRY_TEXT(__clang_major__)
#else
#define FERRY_COMPILER_ "gcc=" FERRY_TEXT(__GNUC__)
#endif
#if defined(_LIBCPP_VERSION)
#define FERRY_STDLIB_ "libc++"
#elif defined(_GLIBCXX_USE_CXX11_ABI) && _GLIBCXX_USE_CXX11_ABI
#define FERRY_STDLIB_ "libstdc++/cxx11"
#else
#define FERRY_STDLIB_ "libstdc++/old"
#endif
#if defined(_GLIBCXX_DEBUG)
#define FERRY_DEBUG_ " glibcxx-debug"
#else
#define FERRY_DEBUG_ ""
#endif
// GCC defines a macro for each sanitizer; Clang has to be asked.
#if defined(__has_feature)
#define FERRY_HAS_FEATURE_(name) __has_feature(name)
#else
#define FERRY_HAS_FEATURE_(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || FERRY_HAS_FEATURE_(address_sanitizer)
#define FERRY_SANITIZER_ "address"
#elif defined(__SANITIZE_THREAD__) || FERRY_HAS_FEATURE_(thread_sanitizer)
#define FERRY_SANITIZER_ "thread"
#else
#define FERRY_SANITIZER_ "none"
#endif

/// All that decides whether objects of one build may be used by another.
#define FERRY_FINGERPRINT                                                                                         \
  "ferry=" FERRY_VERSION " " FERRY_COMPILER_ " cxx=" FERRY_TEXT(__cplusplus) " lib=" FERRY_STDLIB_ FERRY_DEBUG_ \
      " san=" FERRY_SANITIZER_ " asio=" FERRY_TEXT(ASIO_VERSION) " json=" FERRY_TEXT(NLOHMANN_JSON_VERSION_MAJOR) "." \
      FERRY_TEXT(NLOHMANN_JSON_VERSION_MINOR)

// A plugin linked into the program has an entry named after it; the build's registry knows the names.
#ifdef FERRY_STATIC_PLUGIN_ENTRY
#define FERRY_PLUGIN_ENTRY_NAME_ FERRY_STATIC_PLUGIN_ENTRY
#else
#define FERRY_PLUGIN_ENTRY_NAME_ ferry_plugin_entry
#endif

#define FERRY_PLUGIN_(kind_, base_, name_, version_, make_)                                               \
  extern "C" __attribute__((visibility("default"))) const ferry_plugin_descriptor* FERRY_PLUGIN_ENTRY_NAME_(void) { \
    static constexpr ferry_plugin_descriptor descriptor{                                                  \
        FERRY_PLUGIN_MAGIC, FERRY_SPI_VERSION, FERRY_FINGERPRINT, kind_, name_, version_,                 \
        []() -> void* { return static_cast<base_*>(make_().release()); }};                                \
    return &descriptor;                                                                                   \
  }                                                                                                       \
  static_assert(true)

/// `make` returns a std::unique_ptr to a class derived from `ferry::spi::Transport`.
#define FERRY_TRANSPORT_PLUGIN(name, version, make) \
  FERRY_PLUGIN_("transport", ::ferry::spi::Transport, name, version, make)
/// `make` returns a std::unique_ptr to a class derived from `ferry::spi::Serializer`.
#define FERRY_SERIALIZER_PLUGIN(name, version, make) \
  FERRY_PLUGIN_("serializer", ::ferry::spi::Serializer, name, version, make)
