#include "options.hpp"

#include "ferry/error.hpp"

namespace ferry::memory {
namespace {

using spi::Option;
using spi::OptionKind;

constexpr std::string_view scheme = "memory";
constexpr std::string_view schemes[] = {scheme};

constexpr Option name_option{"name", OptionKind::string, "\"default\"", "where clients find services of this process"};

constexpr Option client_table[] = {
    name_option,
    {"maxQueue", OptionKind::integer, "65536", "messages that may wait for one service; more are refused", 1, 1 << 30},
};
constexpr Option server_table[] = {
    name_option,
    {"maxQueue", OptionKind::integer, "65536", "items of reply streams that may wait for one client", 1, 1 << 30},
};

}  // namespace

spi::OptionTable client_option_table() noexcept { return client_table; }
spi::OptionTable server_option_table() noexcept { return server_table; }

Settings::Settings(const spi::Options& options)
    : name(options.string("name")), max_queue(static_cast<std::size_t>(options.integer("maxQueue"))) {}

std::string url_of(std::string_view name) { return std::string(scheme).append("://").append(name); }

std::span<const std::string_view> url_schemes() noexcept { return schemes; }

nlohmann::json options_from_url(std::string_view url) {
  const std::string prefix = url_of("");
  const bool known = url.starts_with(prefix);
  const std::string_view name = url.substr(known ? prefix.size() : 0);
  if (!known || name.find_first_of("/?#@ ") != std::string_view::npos) {
    throw ConfigError(errc::bad_config, "\"" + std::string(url) + "\" is no URL of the memory transport; write memory://name");
  }
  return name.empty() ? nlohmann::json::object() : nlohmann::json{{"name", name}};
}

}  // namespace ferry::memory
