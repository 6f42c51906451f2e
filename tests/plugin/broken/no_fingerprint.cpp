// Says nothing about how it was built.

#include "broken.hpp"

BROKEN_PLUGIN_ENTRY {
  static constexpr ferry_plugin_descriptor descriptor = [] {
    auto changed = sound_descriptor("no_fingerprint");
    changed.fingerprint = nullptr;
    return changed;
  }();
  return &descriptor;
}
