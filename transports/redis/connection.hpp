#pragma once
// One connection to a server: commands out, many in one gathered write; replies in, each matched to its command.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "transports/common/net/link.hpp"
#include "transports/redis/options.hpp"
#include "transports/redis/resp.hpp"

namespace ferry::redis {

class Connection;

/// What a connection begins with.
struct LogIn {
  Credentials credentials;
  std::string name;
  std::int64_t db = 0;
};

/// What a command was for: handed back with its reply.
struct Expected {
  std::uint32_t kind = 0;     ///< the user's; 0: see `Connection::ask`
  std::uint64_t token = 0;
};

/// A message that was published to us. Valid during the call; `memory` holds its texts.
struct Published {
  std::string_view pattern;   ///< of a wildcard subscription; empty otherwise
  std::string_view channel;
  std::string_view body;
  const net::ChunkPtr& memory;
};

/// Whoever uses a connection. Called on its loop.
class ConnectionUser {
 public:
  virtual void on_reply(Connection& connection, const Expected& expected, const Value& reply) = 0;
  virtual void on_published(Connection&, const Published&) {}
  virtual void on_relieved(Connection&) {}   ///< no longer congested
  virtual void on_gone(Connection& connection, const Failure& why) = 0;   ///< once, the last call

 protected:
  ~ConnectionUser() = default;
};

/// Threads: see net::Link.
class Connection final : public net::Link {
 public:
  using Answer = std::function<void(const Value& reply)>;

  Connection(const spi::Loop& loop, std::shared_ptr<const Access> access, std::unique_ptr<net::Wire> wire, std::string name);
  ~Connection() override;

  /// The log-in is what a connection starts with.
  void start(std::chrono::milliseconds limit, LogIn log_in, std::function<void(const Failure*)> ready);
  void set_user(ConnectionUser* user) noexcept { user_ = user; }
  /// Sends what is queued and waits for all replies, for at most `limit`; then ends it. `done` is called once, later.
  void close(std::chrono::milliseconds limit, std::function<void()> done);

  /// One command was appended to `out`: its reply comes to `on_reply`. It leaves at the end of the batch, or of the loop turn.
  void expect(Expected expected) {
    expected_.push_back(expected);
    appended();
  }
  void send(std::string_view command, Expected expected) {
    out().append(command);
    expect(expected);
  }
  /// For what is rarely asked.
  void ask(std::string_view command, Answer answer);
  /// What other threads send are commands of which only an error is of interest: it comes with this kind.
  void expect_from_afar(std::uint32_t kind) noexcept { afar_kind_ = kind; }
  /// Holds the texts of the reply at hand: the reader's, not what was received.
  const net::ChunkPtr& memory() const noexcept { return reader_.memory(); }

  /// Pings every `interval`, and counts on something to come in each. Silence of ours (a hold) does not count.
  /// `ping` false: the commands under way bring something in time.
  void watch(std::chrono::milliseconds interval, bool ping);

 private:
  void on_open() override;
  std::size_t take(std::string_view unread, std::size_t& expected) override;
  void on_collected(std::size_t messages) override;
  void on_relieved() override;
  void on_flushed() override;
  void on_end() override;
  void on_gone(const Failure& why) override;

  void on_log_in(std::string_view what, const Value& reply);
  bool take_replies();
  void take_reply(const Value& reply);
  bool take_published(const Value& reply);
  void tick();

  const std::shared_ptr<const Access> access_;
  ConnectionUser* user_ = nullptr;
  LogIn log_in_;
  std::size_t log_in_steps_ = 0;

  RespReader reader_;
  std::deque<Expected> expected_;
  std::deque<Answer> answers_;
  std::uint32_t afar_kind_ = 0;

  std::chrono::milliseconds interval_{};
  bool pings_ = false;
  bool heard_ = false;                 // since the last tick
  bool waiting_ = false;               // something must come until the next one
};

}  // namespace ferry::redis
