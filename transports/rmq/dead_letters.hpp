#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ferry/spi/transport.hpp"
#include "transports/rmq/connection.hpp"
#include "transports/rmq/connector.hpp"
#include "transports/rmq/options.hpp"
#include "transports/rmq/setup.hpp"

namespace ferry::rmq {

/// The queue of a service's dead letters, over a connection of its own. A queue cannot be looked into: messages are taken from
/// its front, one by one and unacknowledged, and given back, after which they are where they were. A letter's id is a digest of
/// it; letters that are alike in all have one id, and it does not matter which of them is replayed.
/// Threads: its loop.
class DeadLetters final : public spi::DeadLetterStore, private ConnectionUser {
 public:
  explicit DeadLetters(spi::ServerEnvironment environment);
  ~DeadLetters() override;

  void open(Done done, std::function<void(const Failure&)> lost) override;
  void list(std::size_t limit, Found found) override;
  void find(std::string id, Found found) override;
  void replay(std::string id, Replayed replayed) override;
  void close(std::chrono::milliseconds limit, std::function<void()> done) override;

 private:
  enum Channel : std::uint16_t { work = 1, copies };

  // ConnectionUser
  void on_method(Connection& connection, const Method& method) override;
  void on_content(Connection& connection, Content& content) override;
  void on_channel_closed(Connection& connection, std::uint16_t channel, const Failure& why) override;
  void on_blocked(Connection&, bool, std::string_view) override {}
  void on_gone(Connection& connection, const Failure& why) override;

  /// Hands each message in turn to `see`, until that returns false, or there are no more: then `end` is called.
  void walk(std::function<bool(Content&)> see, std::function<void()> end);
  void take_next();
  /// All that was taken and not acknowledged is in the queue again when `then` is called.
  void give_back(std::function<void()> then);
  void put_back(Replayed replayed);
  void confirmed(bool taken);
  DeadLetter letter_of(const Content& content) const;

  const spi::ServerEnvironment environment_;
  const ServerSettings settings_;
  const std::shared_ptr<const Access> access_;
  std::string queue_;                          // of the dead letters
  std::shared_ptr<Connector> connector_;
  std::shared_ptr<Connection> connection_;
  std::unique_ptr<Setup> setup_;
  std::function<void(const Failure&)> lost_;
  std::function<bool(Content&)> see_;
  std::function<void()> end_;
  std::optional<Content> chosen_;              // to be replayed
  std::optional<Failure> unroutable_;          // it came back
  Replayed replayed_;                          // until its copy is confirmed
};

}  // namespace ferry::rmq
