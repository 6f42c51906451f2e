// Some other program's plugin that has a function of the same name.

#include "broken.hpp"

BROKEN_PLUGIN_ENTRY {
  static const auto nowhere = reinterpret_cast<const char*>(16);
  static const ferry_plugin_descriptor descriptor{0x7f454c46, FERRY_SPI_VERSION, nowhere, nowhere,
                                                  nowhere,    nowhere,           nullptr};
  return &descriptor;
}
