#include "broken.hpp"

BROKEN_PLUGIN_ENTRY { return nullptr; }
