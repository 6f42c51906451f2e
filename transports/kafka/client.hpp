#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <asio/steady_timer.hpp>

#include "ferry/spi/transport.hpp"
#include "transports/kafka/cluster.hpp"
#include "transports/kafka/handle.hpp"
#include "transports/kafka/options.hpp"
#include "transports/kafka/outbox.hpp"
#include "transports/kafka/producer.hpp"
#include "transports/kafka/replies.hpp"
#include "transports/kafka/worker.hpp"

namespace ferry::kafka {

/// Requests and events are records of their route's topic, replies come to a partition of `<topic>.reply`. A route is
/// opened at its first use: its topics are made if they are not there, and its partition of replies is read from its end
/// on. What comes for it meanwhile waits.
class Client final : public spi::ClientTransport {
 public:
  Client(spi::ClientEnvironment environment, spi::ClientSink& sink);
  ~Client() override;

  void connect() override;
  bool request(const spi::OutgoingMessage& message, Failure& failure) override;
  bool emit(const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure) override;
  void cancel(std::string_view id) override;
  void pause() override { hold(true); }
  void resume() override { hold(false); }
  void close(std::chrono::milliseconds limit, std::function<void()> done) override;
  spi::NativeHandle native() noexcept override;

 private:
  enum class State : std::uint8_t { unknown, opening, open };
  struct Route {
    std::string pattern;
    std::string topic;
    State events = State::unknown;     // the topic is there
    State requests = State::unknown;   // and replies are read
    TopicPtr handle;
    std::string reply_topic;
    std::string reply_partition;
  };
  /// A message whose route is being opened.
  struct Waiting {
    Route* route = nullptr;
    std::string id;              // of a request
    spi::EmitToken token = 0;
    bool has_payload = false;
    std::string payload;
    Headers headers;
    nlohmann::json record;
    std::chrono::steady_clock::time_point deadline;
  };
  /// What the worker found out on a route.
  struct Opened {
    Route* route;
    bool requests;
    Fault fault;
    std::int32_t partition = 0;
    std::int64_t offset = 0;
  };

  // client.cpp: connecting, and what comes
  void connected();
  void gone(const Failure& why);
  std::vector<std::shared_ptr<Handle>> let_go();
  void serve();
  void take(rd_kafka_event_t* event);
  void take_report(const rd_kafka_message_t* report);
  void refused(RecordFields record, const Failure& failure);
  void hold(bool held);
  void flushed();

  // client_routes.cpp: routes, and what goes out
  bool ready(Failure& failure) const;
  Route* route_of(const std::string& pattern, Failure& failure);
  bool open(Route& route, bool requests, Failure& failure);
  void opened(Opened found);
  void preset_opened();
  bool wait(Route& route, const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure);
  void send_waiting(Route& route, const Fault& fault);
  bool produce(Route& route, const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure);

  spi::ClientEnvironment environment_;
  spi::ClientSink& sink_;
  const ClientSettings settings_;
  const std::size_t instance_;             // which partition of replies: instances spread
  std::shared_ptr<Handle> producer_;
  std::unique_ptr<Replies> replies_;
  std::unique_ptr<Worker> worker_;
  std::shared_ptr<int> attempt_;           // what was begun before the last loss is not for us any more
  std::string last_words_;                 // of the driver's, why a broker cannot be reached
  bool ready_ = false;
  bool held_ = false;
  std::unordered_map<std::string, Route> routes_;
  std::deque<Waiting> waiting_;
  std::size_t preset_left_ = 0;            // of subscribeToResponseOf
  std::shared_ptr<Outbox> outbox_;
  OutgoingRecord record_;                  // reused for every message
  std::string value_;
  std::string timeout_;
  std::function<void()> flushed_;
  std::optional<asio::steady_timer> flush_timer_;
};

}  // namespace ferry::kafka
