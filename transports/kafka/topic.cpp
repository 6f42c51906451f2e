#include "transports/kafka/topic.hpp"

#include <algorithm>

namespace ferry::kafka {
namespace {

constexpr std::size_t longest_name = 249;     // Kafka's
constexpr std::size_t longest_suffix = 24;    // of replies and dead letters
constexpr std::string_view own_prefix = "ferry.route.";

bool is_plain(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
}

std::string escaped(std::string_view route) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string name(own_prefix);
  for (const char c : route) {
    if (is_plain(c)) {
      name += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    name.append({'-', digits[byte >> 4], digits[byte & 15]});
  }
  return name;
}

}  // namespace

bool is_topic(std::string_view name) noexcept {
  return !name.empty() && name.size() <= longest_name && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_plain(c) || c == '-'; });
}

Result<std::string> topic_of(std::string_view route) {
  std::string name = is_topic(route) && !route.starts_with(own_prefix) ? std::string(route) : escaped(route);
  if (!route.empty() && name.size() + longest_suffix <= longest_name) return name;
  return Failure(errc::bad_pattern,
                 "the pattern \"" + std::string(route.substr(0, 300)) + "\" cannot be a Kafka topic: " +
                     (route.empty() ? "it is empty" : "its name would be too long; shorten it"),
                 Fate::not_sent);
}

std::string reply_topic_of(std::string_view topic) { return std::string(topic).append(reply_suffix); }

}  // namespace ferry::kafka
