// Needs a function that no library it was linked with has.

#include "broken.hpp"

extern "C" int ferry_test_function_that_is_nowhere();

BROKEN_PLUGIN_ENTRY {
  static constexpr auto descriptor = sound_descriptor("missing_symbol");
  return ferry_test_function_that_is_nowhere() == 0 ? &descriptor : nullptr;
}
