// A transport in the file of a serializer: made, it would be used as something that it is not.

#include "broken.hpp"

BROKEN_PLUGIN_ENTRY {
  static constexpr ferry_plugin_descriptor descriptor = [] {
    auto changed = sound_descriptor("wrong_kind");
    changed.kind = "transport";
    return changed;
  }();
  return &descriptor;
}
