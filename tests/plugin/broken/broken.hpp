#pragma once
// For plugins that are broken in one point each.

#include <cstdlib>

#include "ferry/spi/plugin.hpp"

/// Nothing wrong with it, but for `make`, which ends the process: what is refused must not be run.
constexpr ferry_plugin_descriptor sound_descriptor(const char* name) {
  return {FERRY_PLUGIN_MAGIC, FERRY_SPI_VERSION, FERRY_FINGERPRINT,
          "serializer",       name,              "0.1.0",
          []() -> void* { std::abort(); }};
}

/// The entry of a broken plugin.
#define BROKEN_PLUGIN_ENTRY \
  extern "C" __attribute__((visibility("default"))) const ferry_plugin_descriptor* ferry_plugin_entry()
