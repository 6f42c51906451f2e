#pragma once
// What an application would say to a config, without one: for `ferry check`, and for a program's own tests of its files.

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/config.hpp"
#include "ferry/needs.hpp"
#include "ferry/spi/transport.hpp"

namespace ferry {

/// What a service's transport gives of something that a handler may need (`needs::...`).
struct Grant {
  Needs need;
  std::string_view name;
  bool granted = false;
  std::string why;   ///< it is not, and what would give it
};

/// One service or client of a config.
struct CheckedPart {
  std::string name;
  std::string error;                           ///< as `Application` would say it; empty: it can be run
  const spi::Transport* transport = nullptr;   ///< never null without an error; lives as long as the process
  spi::Capabilities promises;                  ///< of the transport with these options
  std::string serializer;
  std::string address;                         ///< without secrets; empty if the transport has no word for it
  bool at_least_once = false;
  bool extensions = true;
  std::size_t at_once = 0;                     ///< `maxConcurrency` of a service, `maxInFlight` of a client
  bool adapts = false;                         ///< `adaptiveConcurrency` of a service
  std::chrono::milliseconds timeout{};         ///< of a client's requests
  std::vector<Grant> grants;                   ///< of a service: what its handlers may need, each
};

struct CheckedConfig {
  std::vector<std::string> errors;             ///< what belongs to no service or client
  std::vector<CheckedPart> services;
  std::vector<CheckedPart> clients;

  /// Those of the services and clients as well.
  std::vector<std::string> all_errors() const;
};

/// Finds what `Application` would refuse, and does not stop at the first: at most one error for the config's own keys, and
/// one for each service and client. Loads plugins, and lets transports read the files their options name, such as
/// certificates. Connects nowhere, listens nowhere.
///
/// Throws: nothing that could be wrong with a config.
/// Threads: any.
CheckedConfig check_config(const Config& config);

}  // namespace ferry
