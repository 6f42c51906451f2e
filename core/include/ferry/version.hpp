#pragma once

/// The release this header belongs to; the same as in the top level CMakeLists.txt, which checks it.
#define FERRY_VERSION "0.1.0"
