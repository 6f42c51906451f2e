#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "transports/redis/service.hpp"

namespace ferry::redis {

/// NestJS's way: a channel a route, every instance gets every message, nothing is kept.
/// Threads: see Service.
class PubSubService final : public Service {
 public:
  PubSubService(const spi::ServerEnvironment& environment, spi::ServerSink& sink, ServerSettings settings)
      : Service(environment, sink, std::move(settings), 2) {}

  void drain(std::function<void()> done) override;
  void shut() override;

 private:
  enum OwnKind : std::uint32_t { unsubscribed = own_kinds };

  void on_connections() override;
  void on_lost() override;
  void apply_hold() override { subscriber().hold(held()); }
  void on_reply(Connection& connection, const Expected& expected, const Value& reply) override;
  void on_published(Connection& connection, const Published& message) override;
  bool is_reply(const Published& message, const spi::RequestView& view) const;
  std::vector<std::string> routes() const;
  void drained();

  std::function<void()> drained_;
  std::size_t unsubscribing_ = 0;
};

}  // namespace ferry::redis
