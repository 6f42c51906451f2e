#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <memory_resource>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ferry/spi/transport.hpp"
#include "transports/common/extension.hpp"
#include "transports/mqtt/connector.hpp"
#include "transports/mqtt/reply_topics.hpp"
#include "transports/mqtt/session.hpp"

namespace ferry::mqtt {

/// NestJS's client, but for the reply topics: they stay subscribed between requests, as many as an option allows.
/// Threads: its loop.
class Client final : public spi::ClientTransport, private SessionUser {
 public:
  Client(spi::ClientEnvironment environment, spi::ClientSink& sink);
  ~Client() override;

  void connect() override;
  bool request(const spi::OutgoingMessage& message, Failure& failure) override;
  bool emit(const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure) override;
  void cancel(std::string_view id) override;
  void pause() override { session_.hold(true); }
  void resume() override { session_.hold(false); }
  void close(std::chrono::milliseconds limit, std::function<void()> done) override;
  spi::NativeHandle native() noexcept override;

 private:
  enum Kind : std::uint32_t { emitted = 1, requested, subscribed, inbox_subscribed, unheeded };

  struct Request {
    ReplyTopic* topic = nullptr;
    std::uint64_t number = 0;              // names it in tickets
  };
  /// A request that waits for its reply topic: all that `Outgoing` needs, owned.
  struct Waiting {
    std::string id;
    std::uint8_t qos = 0;
    bool retain = false;
    bool duplicate = false;
    std::string properties;
    std::string head;
    std::string payload;
    std::string tail;
  };
  /// An event of QoS 0, done when so many bytes have been written.
  struct Written {
    std::uint64_t at = 0;
    spi::EmitToken token = 0;
  };
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const noexcept { return a == b; }
  };
  using Requests = std::pmr::unordered_map<std::pmr::string, Request, Hash, Equal>;

  void on_message(const Publish& message, const ArrivalPtr& arrival) override;
  void on_published(const Ticket& ticket, const Failure* failure) override;
  void on_subscribed(const Ticket& ticket, const Codes& answer) override;
  void on_unsubscribed(const Ticket&) override {}
  void on_flushed() override;
  void on_lost(const Failure& why, const std::vector<Ticket>& unsent) override;

  void connected(std::shared_ptr<Connection> connection);
  void ready();
  void forget_all();

  /// What a message looks like on the wire, in the members below.
  bool prepare(const spi::OutgoingMessage& message, ReplyTopic* topic, Outgoing& out, Failure& failure);
  void set_headers(const spi::OutgoingMessage& message, const Headers& record, bool introduce, bool tell);
  bool tells(const spi::OutgoingMessage& message, ReplyTopic* topic, bool& introduce);
  void set_deadline(const spi::OutgoingMessage& message, std::uint8_t qos, std::string_view record);
  void send_waiting(ReplyTopic& topic);
  void on_topic_refused(ReplyTopic& topic, std::uint8_t code, std::string_view words);
  void evict();
  void finished(Requests::iterator request);
  void refuse(std::uint64_t number, const Failure& failure);
  void take_reply(const Publish& message);

  spi::ClientEnvironment environment_;
  spi::ClientSink& sink_;
  const ClientSettings settings_;
  const std::shared_ptr<const Access> access_;
  std::shared_ptr<Connector> connector_;
  std::size_t attempts_ = 0;
  Session session_;
  bool open_ = false;

  std::string inbox_;                      // where ferry services answer, with MQTT 5
  bool inbox_open_ = false;
  bool ferry_ = false;                     // some service has answered that it is one of ours
  ReplyTopics topics_;
  std::unordered_map<std::uint64_t, std::vector<Waiting>> waiting_;   // by the topic's number
  std::size_t waiting_bytes_ = 0;
  std::pmr::unsynchronized_pool_resource memory_;   // a request's bookkeeping costs no malloc
  Requests requests_{&memory_};
  std::uint64_t last_number_ = 0;
  std::deque<Written> written_;

  std::string head_;                       // reused for every message
  std::string tail_;
  std::string properties_;
  std::string none_;
  Headers headers_;
  std::string timeout_text_;
  extension::TimeoutNotice timeout_;
};

}  // namespace ferry::mqtt
