// Its file was renamed.

#include "broken.hpp"

BROKEN_PLUGIN_ENTRY {
  static constexpr auto descriptor = sound_descriptor("cheese");
  return &descriptor;
}
