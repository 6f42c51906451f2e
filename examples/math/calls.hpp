#pragma once

#include <ferry/client.hpp>

/// Calls each handler of the service and prints what comes of it. Returns what `main` should: 0 if all went well.
int make_calls(ferry::Client math);
