// From another compiler: C++ objects must not cross.

#include "broken.hpp"

BROKEN_PLUGIN_ENTRY {
  static constexpr ferry_plugin_descriptor descriptor = [] {
    auto changed = sound_descriptor("wrong_fingerprint");
    changed.fingerprint = "ferry=0.0.9 gcc=11 cxx=201703L";
    return changed;
  }();
  return &descriptor;
}
