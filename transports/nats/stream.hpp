#pragma once
// JetStream: the stream and its consumers are asked for with requests to "$JS.API....", whose answers are JSON. The
// library's own functions for it block.

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/steady_timer.hpp>
#include <nlohmann/json.hpp>

#include "ferry/error.hpp"
#include "transports/nats/connection.hpp"
#include "transports/nats/inbox.hpp"
#include "transports/nats/options.hpp"

namespace ferry::nats {

/// By it the stream knows an event that it has already: the user's, or one of ours, which begins so.
inline constexpr const char* message_id_header = "Nats-Msg-Id";
inline constexpr std::string_view own_message_id = "ferry.";

/// The stream's answer to an event: nothing if it has stored it. Null stands for "no responders".
std::optional<Failure> confirmation_failure(const natsMsg* message, const StreamSettings& settings);

/// The configuration of a stream that is to be created.
nlohmann::json stream_config(const StreamSettings& settings);
/// The same of a service's consumer of one route.
nlohmann::json consumer_config(const StreamSettings& settings, const std::string& name, const std::string& route);
/// Its name: the same for all instances of a service, another for each route.
std::string consumer_name(const StreamSettings& settings, std::string_view route);

/// Makes sure that the stream exists, and the consumers.
///
/// Lifetime: shared with its timer. `connection` and `inbox` outlive it, or `cancel` is called.
/// Threads:  the connection's loop.
class StreamSetup : public std::enable_shared_from_this<StreamSetup> {
 public:
  StreamSetup(Connection& connection, Inbox& inbox, const StreamSettings& settings, std::chrono::milliseconds limit);

  void add_consumer(const std::string& route);
  /// Calls `done` later, once, unless it is cancelled.
  void run(std::function<void(const Failure*)> done);
  void cancel();

 private:
  using Answer = nlohmann::json;
  void ask(const std::string& subject, const Answer& body, void (StreamSetup::*next)(const Answer&));
  void take(const natsMsg* message);
  void ask_for_stream();
  void stream_known(const Answer& answer);
  void stream_made(const Answer& answer);
  void next_consumer();
  void consumer_made(const Answer& answer);
  void finish(std::optional<Failure> failure);
  Failure refused(const Answer& answer, const std::string& what) const;

  Connection& connection_;
  Inbox& inbox_;
  const StreamSettings settings_;
  const std::chrono::milliseconds limit_;
  const spi::Loop& loop_;
  asio::steady_timer timer_;
  std::vector<std::string> routes_;   // of the consumers to be made
  std::size_t made_ = 0;
  std::optional<Failure> overlap_;    // why the stream was not made, unless it is there by now
  std::function<void(const Failure*)> done_;
  void (StreamSetup::*next_)(const Answer&) = nullptr;
  Inbox::Slot* slot_ = nullptr;       // of the question that is open
};

}  // namespace ferry::nats
