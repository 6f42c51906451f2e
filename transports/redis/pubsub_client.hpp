#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory_resource>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "transports/common/extension.hpp"
#include "transports/redis/client.hpp"

namespace ferry::redis {

/// NestJS's way, but for the reply channels: they stay subscribed between requests, as many as an option allows.
/// Threads: its loop.
class PubSubClient final : public Client {
 public:
  using Client::Client;

  void cancel(std::string_view id) override;

 private:
  enum OwnKind : std::uint32_t { requested = own_kinds, subscribed };

  /// A request that waits for its reply channel.
  struct Waiting {
    std::string id;
    std::string head;
    std::string payload;
    std::string tail;
  };

  /// Where the replies of a route come in.
  struct ReplyChannel {
    std::string route;
    std::uint64_t number = 0;              // names it in commands
    bool open = false;                     // the server has confirmed it
    unsigned introductions = 0;            // requests that asked whether a service is one of ours
    std::size_t busy = 0;                  // requests that wait for replies
    std::vector<Waiting> waiting;          // until it is open
    std::list<ReplyChannel*>::iterator place{};   // in `idle_`, while not busy
  };

  struct Request {
    ReplyChannel* channel = nullptr;
    std::uint64_t number = 0;              // names it in commands
  };
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const noexcept { return a == b; }
  };
  template <class T>
  using ByText = std::pmr::unordered_map<std::pmr::string, T, Hash, Equal>;

  void on_connections() override { ready(); }
  void on_lost() override;
  bool send_request(const spi::OutgoingMessage& message, Failure& failure) override;
  void send_event(const spi::OutgoingMessage& message, spi::EmitToken token) override;
  void on_reply(Connection& connection, const Expected& expected, const Value& reply) override;
  void on_published(Connection& connection, const Published& message) override;

  ReplyChannel& channel_of(const std::string& route);
  void subscribe(ReplyChannel& channel);
  void on_subscribed(std::uint64_t number, const Value& reply);
  void publish(ReplyChannel& channel, std::uint64_t number, std::string& payload);
  void on_request_published(std::uint64_t number, const Value& reply);
  void fail_unheard(const std::string& id);
  void refuse(const std::string& id, const Failure& failure);
  const Headers& request_headers(const spi::OutgoingMessage& message, ReplyChannel& channel);
  void finished(ByText<Request>::iterator request);
  void evict();

  std::pmr::unsynchronized_pool_resource memory_;   // a request's bookkeeping costs no malloc
  ByText<Request> requests_{&memory_};
  std::unordered_map<std::string, ReplyChannel> channels_;
  std::list<ReplyChannel*> idle_;                    // the longest idle first
  std::size_t waiting_bytes_ = 0;
  std::uint64_t last_number_ = 0;
  bool ferry_ = false;                               // some service has answered that it is one of ours
  Headers headers_;                                  // the user's with ours
  Headers timeout_headers_;                          // ours, for those who have none
  extension::TimeoutNotice timeout_;
};

}  // namespace ferry::redis
