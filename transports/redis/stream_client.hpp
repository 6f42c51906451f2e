#pragma once

#include <cstdint>
#include <memory_resource>
#include <queue>
#include <string>
#include <string_view>

#include "transports/redis/client.hpp"

namespace ferry::redis {

/// Requests and events as entries of streams; replies come on one channel of this client's own.
/// Threads: its loop.
class StreamClient final : public Client {
 public:
  StreamClient(spi::ClientEnvironment environment, spi::ClientSink& sink, ClientSettings settings);

  void cancel(std::string_view id) override;

 private:
  enum OwnKind : std::uint32_t { requested = own_kinds, subscribed };

  void on_connections() override;
  void on_lost() override;
  bool send_request(const spi::OutgoingMessage& message, Failure& failure) override;
  void send_event(const spi::OutgoingMessage& message, spi::EmitToken token) override;
  void on_reply(Connection& connection, const Expected& expected, const Value& reply) override;
  void on_published(Connection& connection, const Published& message) override;
  void add(const spi::OutgoingMessage& message, std::string_view timeout);

  const std::string reply_channel_;
  std::string key_;
  std::pmr::unsynchronized_pool_resource memory_;   // an id costs no malloc
  std::pmr::deque<std::pmr::string> requested_{&memory_};   // ids, in the order of the commands that carry them
};

}  // namespace ferry::redis
