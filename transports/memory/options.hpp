#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "ferry/spi/options.hpp"

namespace ferry::memory {

spi::OptionTable client_option_table() noexcept;
spi::OptionTable server_option_table() noexcept;

/// What the options say, for client and service alike.
struct Settings {
  explicit Settings(const spi::Options& options);

  std::string name;
  std::size_t max_queue;   // messages
};

/// How a name is written for people: `memory://default`.
std::string url_of(std::string_view name);

std::span<const std::string_view> url_schemes() noexcept;
/// "memory://name", or "memory://" for the default name. Throws `ConfigError`.
nlohmann::json options_from_url(std::string_view url);

}  // namespace ferry::memory
