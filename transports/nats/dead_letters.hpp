#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "ferry/spi/transport.hpp"
#include "transports/nats/connection.hpp"
#include "transports/nats/connector.hpp"
#include "transports/nats/inbox.hpp"
#include "transports/nats/options.hpp"

namespace ferry::nats {

/// What a stream has stored below the subject `<deadLetter>`, over a connection of its own. A letter's id is its sequence number.
/// Threads: its loop.
class DeadLetters final : public spi::DeadLetterStore, private Connection::Owner {
 public:
  explicit DeadLetters(spi::ServerEnvironment environment);
  ~DeadLetters() override;

  void open(Done done, std::function<void(const Failure&)> lost) override;
  void list(std::size_t limit, Found found) override;
  void find(std::string id, Found found) override;
  void replay(std::string id, Replayed replayed) override;
  void close(std::chrono::milliseconds limit, std::function<void()> done) override;

 private:
  using Answer = std::function<void(Result<nlohmann::json>)>;

  /// What the stream has stored.
  struct Stored {
    std::uint64_t sequence = 0;
    std::string subject;
    std::string body;
    Headers headers;
    std::chrono::milliseconds time{};
  };

  // Connection::Owner
  void on_input() override;
  void on_output() override {}
  void on_gone(const Failure& why) override;
  void on_server_error(const Failure& failure) override { lost_(failure); }   // what was asked is not answered

  void leave();
  void publish(const std::string& subject, const std::string& body, const Headers* headers, std::function<void(natsMsg*)> answered,
               std::function<void(const Failure&)> refused);
  void ask(const std::string& what, const nlohmann::json& question, Answer answer);
  void find_stream(Done done);
  void list_from(std::uint64_t sequence, std::size_t limit, std::shared_ptr<std::vector<DeadLetter>> letters, Found found);
  /// A dead letter, or none.
  void get(const nlohmann::json& question, std::function<void(Result<std::optional<Stored>>)> got);
  void put_back(Stored stored, Replayed replayed);
  void remove(std::uint64_t sequence, const std::string& origin, Replayed replayed);
  std::string origin_of(const Stored& stored) const;
  DeadLetter letter_of(const Stored& stored) const;

  const spi::ServerEnvironment environment_;
  const ServerSettings settings_;
  const StreamSettings& jetstream_;
  std::string stream_;                   // that stores them
  std::shared_ptr<Connector> connector_;
  std::shared_ptr<Connection> connection_;
  std::unique_ptr<Inbox> inbox_;
  std::function<void(const Failure&)> lost_;
};

}  // namespace ferry::nats
