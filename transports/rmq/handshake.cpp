// What a connection begins with: the broker's offer, the log-in, the limits, the virtual host.

#include <algorithm>

#include "ferry/version.hpp"
#include "transports/rmq/arguments.hpp"
#include "transports/rmq/connection.hpp"
#include "transports/rmq/error.hpp"

namespace ferry::rmq {
namespace {

constexpr const char* mechanism = "PLAIN";
constexpr std::size_t usual_frame_max = 128 * 1024;

/// `mechanisms` are words in a text.
bool offers(std::string_view mechanisms, std::string_view wanted) {
  while (!mechanisms.empty()) {
    const std::string_view word = mechanisms.substr(0, mechanisms.find(' '));
    if (word == wanted) return true;
    mechanisms.remove_prefix(std::min(mechanisms.size(), word.size() + 1));
  }
  return false;
}

/// 0 stands for "no limit" on either side.
template <class T>
T lower(T ours, T theirs) {
  if (ours == 0 || theirs == 0) return std::max(ours, theirs);
  return std::min(ours, theirs);
}

}  // namespace

void Connection::take_handshake(const Method& method) {
  switch (method.id) {
    case AMQP_CONNECTION_START_METHOD: return answer_start(method.as<amqp_connection_start_t>());
    case AMQP_CONNECTION_TUNE_METHOD: return answer_tune(method.as<amqp_connection_tune_t>());
    case AMQP_CONNECTION_OPEN_OK_METHOD:
      started();
      if (beat_interval_.count() > 0 && !gone()) beat();
      return;
    default: return broken(std::string("said ") + amqp_method_name(method.id) + " while logging in");
  }
}

void Connection::answer_start(const amqp_connection_start_t& start) {
  if (!offers(text_of(start.mechanisms), mechanism)) {
    return destroy(Failure(RmqError::access_refused,
                           "the broker does not take user and password: it offers " + std::string(text_of(start.mechanisms)),
                           Fate::not_sent));
  }
  nlohmann::json properties = access_->client_properties;
  const auto add = [&](const char* name, nlohmann::json value) {
    if (!properties.contains(name)) properties[name] = std::move(value);
  };
  add("product", "ferry");
  add("version", FERRY_VERSION);
  add("platform", "C++");
  // What we can take: the broker tells us of it only then.
  add("capabilities", {{"publisher_confirms", true}, {"basic.nack", true}, {"consumer_cancel_notify", true},
                       {"connection.blocked", true}, {"authentication_failure_close", true}});
  const Arguments table(properties);
  const std::string response = std::string(1, '\0') + target_.user + std::string(1, '\0') + target_.password;
  const amqp_connection_start_ok_t ok{table.table(), bytes_of(mechanism), bytes_of(response), bytes_of("en_US")};
  if (!send(0, AMQP_CONNECTION_START_OK_METHOD, ok)) {
    destroy(Failure(errc::bad_config, "clientProperties are too long", Fate::not_sent));
  }
}

void Connection::answer_tune(const amqp_connection_tune_t& tune) {
  frame_max_ = lower(access_->frame_max == 0 ? usual_frame_max : access_->frame_max, std::size_t{tune.frame_max});
  const auto heartbeat = static_cast<std::uint16_t>(lower(static_cast<unsigned>(access_->heartbeat.count()),
                                                          static_cast<unsigned>(tune.heartbeat)));
  beat_interval_ = std::chrono::milliseconds(heartbeat * 500);
  send(0, AMQP_CONNECTION_TUNE_OK_METHOD,
       amqp_connection_tune_ok_t{tune.channel_max, static_cast<std::uint32_t>(frame_max_), heartbeat});
  send(0, AMQP_CONNECTION_OPEN_METHOD, amqp_connection_open_t{bytes_of(target_.vhost), amqp_bytes_t{}, 0});
}

}  // namespace ferry::rmq
