#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "ferry/spi/transport.hpp"
#include "transports/kafka/handle.hpp"
#include "transports/kafka/options.hpp"

namespace ferry::kafka {

/// Reads a client's replies: one partition of each reply topic, taken by hand. No group shares them out, so nobody can
/// take one away, and a new client always has one.
/// Threads: the loop.
class Replies {
 public:
  struct Events {
    std::function<void(const spi::ReplyView&)> reply;
    std::function<void(const Failure&)> gone;    ///< the brokers are out of reach
    std::function<void(const Failure&)> error;   ///< something that ends nothing
  };

  Replies(const ClientSettings& settings, const spi::Loop& loop, Events events);
  ~Replies();

  /// The instance, made at the first call; null if it cannot be made.
  std::shared_ptr<Handle> handle(Failure& failure);
  /// Reads on from `offset`.
  bool add(const std::string& topic, std::int32_t partition, std::int64_t offset, Failure& failure);
  void hold(bool held);
  /// Nothing is called any more. The instance, for who ends it.
  std::shared_ptr<Handle> release();

 private:
  void serve();
  void take(rd_kafka_event_t* event);
  void take_reply(const rd_kafka_message_t* record);

  const ClientSettings& settings_;
  const spi::Loop& loop_;
  Events events_;
  std::shared_ptr<Handle> handle_;
  bool held_ = false;
  std::string value_;   // scratch
  std::string error_;
};

}  // namespace ferry::kafka
