#pragma once
// What a Redis server refuses, told apart by the word its error begins with.

#include <string>
#include <string_view>
#include <system_error>

#include "ferry/error.hpp"

namespace ferry::redis {

enum class RedisError {
  refused = 1,        ///< an error whose word has no name below
  bad_credentials,    ///< WRONGPASS, NOAUTH
  no_permission,      ///< NOPERM
  loading,            ///< LOADING, BUSY, TRYAGAIN, MASTERDOWN, CLUSTERDOWN: later
  read_only,          ///< READONLY: a replica, or a master that was demoted
  out_of_memory,      ///< OOM
  too_large,          ///< longer than proto-max-bulk-len allows
  wrong_type,         ///< WRONGTYPE: the key holds something else
  moved,              ///< MOVED, ASK, CROSSSLOT: a cluster, and not its node for this
  unknown_command,    ///< an older server, or a command that was renamed away
  no_group,           ///< NOGROUP: the stream or its consumer group is gone
  group_exists,       ///< BUSYGROUP
  persistence,        ///< MISCONF, NOREPLICAS: writes are refused
  protocol,           ///< bytes that are no RESP
  silent,             ///< no answer to a ping
  no_master,          ///< no sentinel knows a master
};

const std::error_category& redis_category() noexcept;
std::error_code make_error_code(RedisError value) noexcept;

/// By the first word of an error reply, and by a few texts that begin with a mere "ERR".
RedisError error_kind(std::string_view text) noexcept;
/// "<what>: <the server's words>; <advice>". What a server refused it did not do.
Failure refusal(std::string_view what, std::string_view text);
/// True if a new connection may reach a server that takes it: this one is no master any more.
bool ends_connection(RedisError kind) noexcept;

}  // namespace ferry::redis

template <>
struct std::is_error_code_enum<ferry::redis::RedisError> : std::true_type {};
