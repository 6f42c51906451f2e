#include "transports/redis/error.hpp"

#include <utility>

#include "ferry/detail/utf.hpp"

namespace ferry::redis {
namespace {

constexpr std::size_t longest_quote = 512;

class RedisCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "ferry.redis"; }

  std::string message(int value) const override {
    switch (static_cast<RedisError>(value)) {
      case RedisError::refused: return "Redis refused the command";
      case RedisError::bad_credentials: return "Redis did not accept the credentials";
      case RedisError::no_permission: return "Redis does not permit this user to do that";
      case RedisError::loading: return "Redis is not ready";
      case RedisError::read_only: return "Redis takes no writes: it is a replica";
      case RedisError::out_of_memory: return "Redis has no memory left";
      case RedisError::too_large: return "longer than Redis allows";
      case RedisError::wrong_type: return "the key holds something else";
      case RedisError::moved: return "another node of the cluster has that key";
      case RedisError::unknown_command: return "Redis does not know the command";
      case RedisError::no_group: return "the consumer group is gone";
      case RedisError::group_exists: return "the consumer group exists";
      case RedisError::persistence: return "Redis cannot save what is written, and refuses it";
      case RedisError::protocol: return "the server does not speak Redis's protocol";
      case RedisError::silent: return "Redis does not answer";
      case RedisError::no_master: return "no sentinel knows a master";
    }
    return "unknown Redis transport error " + std::to_string(value);
  }

  std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<RedisError>(value)) {
      case RedisError::loading:
      case RedisError::read_only:
      case RedisError::bad_credentials:
      case RedisError::no_master: return errc::not_connected;
      case RedisError::out_of_memory: return errc::overloaded;
      case RedisError::too_large: return errc::bad_payload;
      case RedisError::moved:
      case RedisError::unknown_command: return errc::unsupported;
      case RedisError::protocol: return errc::bad_message;
      case RedisError::silent: return errc::connection_lost;
      case RedisError::refused:
      case RedisError::no_permission:
      case RedisError::wrong_type:
      case RedisError::no_group:
      case RedisError::group_exists:
      case RedisError::persistence: return errc::transport_failure;
    }
    return errc::transport_failure;
  }
};

std::string_view advice(RedisError kind) noexcept {
  switch (kind) {
    case RedisError::bad_credentials: return "check username and password in the options";
    case RedisError::no_permission: return "give the user this command and channel or key (ACL SETUSER)";
    case RedisError::loading: return "it may be loading its data, or busy with a script: try again";
    case RedisError::read_only: return "connect to the master, or give sentinels and name";
    case RedisError::out_of_memory: return "raise maxmemory, or trim what is stored";
    case RedisError::too_large: return "send less at once, or raise proto-max-bulk-len";
    case RedisError::wrong_type: return "choose another streams.prefix, or remove the key";
    case RedisError::moved: return "streams need a server that is no cluster";
    case RedisError::unknown_command: return "Redis 6.2 or later is needed";
    case RedisError::persistence: return "look at the server's log and disk";
    default: return {};
  }
}

}  // namespace

const std::error_category& redis_category() noexcept {
  static const RedisCategory& category = *new RedisCategory;   // outlives whoever compares codes while the process exits
  return category;
}

std::error_code make_error_code(RedisError value) noexcept { return {static_cast<int>(value), redis_category()}; }

RedisError error_kind(std::string_view text) noexcept {
  constexpr std::pair<std::string_view, RedisError> words[] = {
      {"WRONGPASS", RedisError::bad_credentials}, {"NOAUTH", RedisError::bad_credentials},
      {"NOPERM", RedisError::no_permission},      {"DENIED", RedisError::no_permission},
      {"LOADING", RedisError::loading},           {"BUSY", RedisError::loading},
      {"TRYAGAIN", RedisError::loading},          {"MASTERDOWN", RedisError::loading},
      {"CLUSTERDOWN", RedisError::loading},       {"READONLY", RedisError::read_only},
      {"OOM", RedisError::out_of_memory},         {"WRONGTYPE", RedisError::wrong_type},
      {"MOVED", RedisError::moved},               {"ASK", RedisError::moved},
      {"CROSSSLOT", RedisError::moved},           {"NOGROUP", RedisError::no_group},
      {"BUSYGROUP", RedisError::group_exists},    {"MISCONF", RedisError::persistence},
      {"NOREPLICAS", RedisError::persistence},
  };
  const std::string_view first = text.substr(0, text.find(' '));
  for (const auto& [word, kind] : words) {
    if (first == word) return kind;
  }
  if (text.find("invalid bulk length") != std::string_view::npos) return RedisError::too_large;
  if (text.starts_with("ERR unknown command") || text.starts_with("ERR unknown subcommand")) {
    return RedisError::unknown_command;
  }
  if (text.starts_with("ERR invalid password") || text.starts_with("ERR Client sent AUTH") ||
      text.starts_with("ERR AUTH")) {
    return RedisError::bad_credentials;
  }
  return RedisError::refused;
}

Failure refusal(std::string_view what, std::string_view text) {
  const RedisError kind = error_kind(text);
  std::string detail(what);
  detail += detail.empty() ? "" : ": ";
  detail += detail::replace_invalid_utf8(text.substr(0, longest_quote));
  if (const std::string_view hint = advice(kind); !hint.empty()) detail.append("; ").append(hint);
  return Failure(kind, std::move(detail), Fate::not_sent);
}

bool ends_connection(RedisError kind) noexcept {
  return kind == RedisError::read_only || kind == RedisError::too_large;
}

}  // namespace ferry::redis
