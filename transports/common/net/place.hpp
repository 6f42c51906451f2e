#pragma once
// Where to connect to, or to listen, as options say it.

#include <cstdint>
#include <string>

#include "ferry/spi/options.hpp"

namespace ferry::net {

struct Place {
  std::string host;
  std::uint16_t port = 0;
  std::string path;      // not empty: a Unix-domain socket instead
  bool no_delay = true;
  bool keep_alive = false;
};

/// Of `host`, `port` and, where the transport has it, `path`, which is relative to the configuration's directory.
/// Errors: `ConfigError` for a path that the system cannot take.
Place read_place(const spi::Options& options, const std::string& directory);

}  // namespace ferry::net
