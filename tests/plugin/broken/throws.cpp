// Fits, and fails while it starts.

#include <stdexcept>

#include "broken.hpp"

BROKEN_PLUGIN_ENTRY {
  static constexpr ferry_plugin_descriptor descriptor = [] {
    auto changed = sound_descriptor("throws");
    changed.make = []() -> void* { throw std::runtime_error("its licence has run out"); };
    return changed;
  }();
  return &descriptor;
}
