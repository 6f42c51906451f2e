// Fits, and makes no object.

#include "broken.hpp"

BROKEN_PLUGIN_ENTRY {
  static constexpr ferry_plugin_descriptor descriptor = [] {
    auto changed = sound_descriptor("makes_nothing");
    changed.make = []() -> void* { return nullptr; };
    return changed;
  }();
  return &descriptor;
}
