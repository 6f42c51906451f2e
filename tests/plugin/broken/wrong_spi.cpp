// Built for another plugin interface: nothing behind the version may be read, so all of it points nowhere.

#include "broken.hpp"

BROKEN_PLUGIN_ENTRY {
  static const auto nowhere = reinterpret_cast<const char*>(16);
  static const ferry_plugin_descriptor descriptor{FERRY_PLUGIN_MAGIC, FERRY_SPI_VERSION + 41, nowhere, nowhere,
                                                  nowhere,            nowhere,                nullptr};
  return &descriptor;
}
