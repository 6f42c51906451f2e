#pragma once
// The capabilities of a transport, in words.

#include <span>
#include <string_view>

#include <nlohmann/json.hpp>

#include <ferry/spi/transport.hpp>

namespace ferry::tool {

struct Promise {
  std::string_view key;    ///< in JSON
  std::string_view words;  ///< in tables and sentences
  bool spi::Capabilities::* holds;
};

/// One for each capability there is.
std::span<const Promise> promises() noexcept;
/// `{"headers": true, ...}`
nlohmann::ordered_json promises_json(const spi::Capabilities& capabilities);

}  // namespace ferry::tool
