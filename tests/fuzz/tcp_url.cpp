// Addresses as URLs: refused with a ConfigError, or read in a way that another spelling of the same reads alike.

#include <string>

#include <nlohmann/json.hpp>

#include "ferry/error.hpp"
#include "target.hpp"
#include "transports/tcp/options.hpp"

namespace ferry::fuzz {
namespace {

std::string percent_encode(std::string_view text) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += {'%', digits[byte >> 4], digits[byte & 15]};
  }
  return out;
}

std::string text_of(const nlohmann::json& value) {
  return value.is_string() ? value.get<std::string>() : std::to_string(value.get<unsigned>());
}

void append_query(std::string& url, const nlohmann::json& options) {
  for (const auto& [name, value] : options.items()) {
    if (value.is_object()) {
      append_query(url, value);
    } else {
      url.append(url.find('?') == url.npos ? "?" : "&").append(percent_encode(name)).append("=");
      url.append(percent_encode(text_of(value)));
    }
  }
}

/// All options in the query, every character escaped.
std::string other_spelling(const nlohmann::json& options) {
  const bool unix_socket = !options.contains("host");
  std::string url = unix_socket ? "tcp+unix://x" : options.contains("tlsOptions") ? "tcps://x" : "tcp://x";
  append_query(url, options);
  return url;
}

}  // namespace

void run(std::string_view input) {
  nlohmann::json options;
  try {
    options = tcp::options_from_url(input);
  } catch (const ConfigError&) {
    return;
  }
  FUZZ_CHECK(options.is_object());
  FUZZ_CHECK(options.contains("host") || options.contains("path"));
  const nlohmann::json again = tcp::options_from_url(other_spelling(options));
  for (const auto& [name, value] : options.items()) {
    FUZZ_CHECK(again.contains(name));
    FUZZ_CHECK(value.is_object() ? again[name] == value : text_of(again[name]) == text_of(value));
  }
  FUZZ_CHECK(again.size() == options.size());
}

}  // namespace ferry::fuzz
