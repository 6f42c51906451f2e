#pragma once
// Which messages were handled, remembered in Redis: by all instances of a service together. Links ferry::seen_redis.

#include <chrono>
#include <memory>
#include <string>

#include "ferry/interceptors.hpp"

namespace ferry {

struct SeenInRedisOptions {
  std::string host = "127.0.0.1";
  int port = 6379;
  std::string username;                ///< ACL user
  std::string password;
  int db = 0;
  std::string prefix = "ferry:seen:";  ///< before every id: one for each service whose instances share their work
  /// How long a message counts as handled.
  std::chrono::milliseconds time_to_live = std::chrono::hours(24);
  /// After so long a message whose handling was begun, and never said to have ended, may be handled again: its instance is dead.
  /// Longer than any handler takes.
  std::chrono::milliseconds running_for = std::chrono::minutes(5);
  /// For connecting, and for an answer.
  std::chrono::milliseconds timeout = std::chrono::seconds(2);
};

/// A store for `handle_once`: `app.use(Pipeline().interceptor(handle_once(seen_in_redis({.host = "redis"}), id_of)))`. Plain TCP,
/// over a connection of its own that is made at the first use and again after a loss, on a thread of its own: nothing waits on
/// a loop. While Redis cannot be asked, the event fails with `ConnectionError`, and comes again as the service's `retry` and
/// delivery say.
std::shared_ptr<SeenMessages> seen_in_redis(SeenInRedisOptions options = {});

}  // namespace ferry
