#pragma once
// What is asked of the broker one after the other when a connection is there: channels, queues, exchanges, consumers.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "transports/rmq/connection.hpp"
#include "transports/rmq/options.hpp"

namespace ferry::rmq {

/// A script of methods, each sent when the one before it was answered. A refusal shows as a closed channel.
/// Lifetime: of its owner, who hands it the channels' methods.
class Setup {
 public:
  explicit Setup(Connection& connection) : connection_(&connection) {}

  void open(std::uint16_t channel);
  void confirms(std::uint16_t channel);
  void declare_queue(std::uint16_t channel, const std::string& name, bool durable, bool exclusive, bool auto_delete,
                     const nlohmann::json& arguments);
  void declare_exchange(std::uint16_t channel, const std::string& name, std::string_view type, const nlohmann::json& arguments);
  /// An empty queue stands for the one declared last.
  void bind(std::uint16_t channel, const std::string& queue, const std::string& exchange, const std::string& key,
            const nlohmann::json& arguments = nlohmann::json::object());
  void qos(std::uint16_t channel, std::uint16_t prefetch, bool global);
  void consume(std::uint16_t channel, const std::string& queue, const std::string& tag, bool no_ack);

  /// Starts; `done` is called when the last one was answered.
  void run(std::function<void()> done);
  /// True if the method answered the step at hand.
  bool take(const Method& method);
  bool over() const noexcept { return steps_.empty(); }

  const std::string& queue() const noexcept { return queue_; }   ///< declared last, by the name the broker gave it
  const std::string& consumer_tag() const noexcept { return consumer_tag_; }   ///< of the consumer made last
  /// What was being asked for, for errors: "declaring the queue cats".
  std::string what() const { return steps_.empty() ? std::string() : steps_.front().what; }

 private:
  struct Step {
    std::uint16_t channel;
    amqp_method_number_t answer;
    std::string what;
    std::function<void()> send;
  };
  void next();

  Connection* connection_;
  std::deque<Step> steps_;
  std::function<void()> done_;
  std::string queue_;
  std::string consumer_tag_;
};

}  // namespace ferry::rmq
