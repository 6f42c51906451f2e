#pragma once
// URLs as the transports write them: scheme://user:password@host:port/path?name=value

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ferry::transports {

/// A URL taken apart, percent-decoded. What a transport has no place for it refuses with `refuse`.
struct Url {
  std::string scheme;
  std::string user;
  std::string password;
  std::string host;      ///< an IPv6 address stands here without its brackets
  std::optional<std::uint16_t> port;
  std::string path;      ///< what follows the host, with its "/"; empty if there is nothing
  std::vector<std::pair<std::string, std::string>> query;   ///< in order

  /// What kind of URL it is read as, and for errors how its transport writes one.
  struct Form {
    bool authority = true;       ///< false: everything after "://" is a path, as of a Unix-domain socket
    std::string_view examples;   ///< "write redis://host:port"
  };
  /// The scheme alone: text before "://", empty if there is none.
  static std::string_view scheme_of(std::string_view url) noexcept;
  /// Throws `ConfigError`.
  static Url parse(std::string_view url, const Form& form);
  /// Throws `ConfigError`: the URL, without its password, why it will not do, and the form's examples.
  [[noreturn]] static void refuse(std::string_view url, std::string_view why, const Form& form);
};

}  // namespace ferry::transports
