#pragma once
// One Kafka for all cases of a program, as it takes long to start; each case has topics and a group of its own.

#include <cstdlib>
#include <functional>
#include <string>

#include "../support/broker.hpp"
#include "ferry/ferry.hpp"

namespace ferry::test {

using nlohmann::json;

inline const json soon{{"backoff", "20ms"}, {"maxBackoff", "100ms"}};

inline Broker& broker() {
  static Broker one("kafka");
  if (!one.running()) one.start();
  return one;
}

inline json connection() { return {{"brokers", {"127.0.0.1:" + std::to_string(broker().port())}}}; }

inline json service(const std::string& group, const json& consumer = json::object(), const json& more = json::object()) {
  json options{{"client", connection()}, {"consumer", {{"groupId", group}}}, {"topics", {{"partitions", 6}}}, {"retryDelay", "20ms"}};
  options["consumer"].update(consumer);
  options.update(more);
  return {{"threads", 1},
          {"services", {{"s", {{"transport", "kafka"}, {"options", options}, {"reconnect", soon}, {"delivery", "at-least-once"}}}}}};
}

inline Config caller() {
  return Config::from_json({{"threads", 1}, {"clients", {{"C", {{"transport", "kafka"}, {"reconnect", soon}, {"timeout", "30s"},
                                                              {"options", {{"client", connection()}, {"topics", {{"partitions", 6}}}}}}}}}});
}

/// Events of a ledger. The environment's FERRY_LEDGER_EVENTS says how many instead.
inline int ledger_events(int usual) {
  const char* const given = std::getenv("FERRY_LEDGER_EVENTS");
  return given == nullptr ? usual : std::stoi(given);
}

/// What went wrong, in words.
inline std::string failure_of(const std::function<void()>& call) {
  try {
    call();
    return "no error";
  } catch (const Error& error) {
    return error.what();
  }
}

/// No log, and back to errors at the end.
struct Quiet {
  Quiet() { set_log_level(LogLevel::off); }
  ~Quiet() { set_log_level(LogLevel::error); }
};

}  // namespace ferry::test
