// Fits, and throws what is no exception.

#include "broken.hpp"

BROKEN_PLUGIN_ENTRY {
  static constexpr ferry_plugin_descriptor descriptor = [] {
    auto changed = sound_descriptor("throws_number");
    changed.make = []() -> void* { throw 7; };
    return changed;
  }();
  return &descriptor;
}
