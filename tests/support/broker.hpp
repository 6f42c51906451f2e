#pragma once
// A broker of a test's own, as a child process, that can die and come back.

#include <cstdint>
#include <memory>
#include <string>

#include <sys/types.h>

#include "process.hpp"
#include "scratch.hpp"

namespace ferry::test {

/// Lifetime: ends with the object, and with the test's process however that ends. Its port and data last as long.
/// Errors:   what goes wrong is a `std::runtime_error` with the end of the broker's log.
class Broker {
 public:
  /// As `scripts/brokers run` knows it: `redis`, `nats` (with JetStream), `mosquitto`, `rabbitmq`, `kafka`. `configuration` is
  /// added to its own, with the port for `${PORT}`; `durable`: Redis has on disk what it confirms. Answers when this returns.
  explicit Broker(std::string name, std::string configuration = {}, bool durable = false);
  ~Broker();
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  bool running() const noexcept { return running_; }
  void kill();    ///< SIGKILL; it is gone when this returns
  void stop();    ///< SIGTERM; it is gone when this returns
  void start();   ///< again, where it was, with what it kept; answers when this returns

  /// RabbitMQ's: calls an Erlang function in it, written as `erl_call -a` wants it, and returns what that returned.
  std::string tell(const std::string& call) const;

  std::uint16_t port() const noexcept { return port_; }
  std::string url() const;   ///< `redis://127.0.0.1:N`
  pid_t pid() const { return process_->pid(); }
  std::string log() const { return directory_.read(name_ + "/log"); }

 private:
  bool answers() const;
  void end(int signal);

  std::string name_;
  bool durable_;
  ScratchDirectory directory_;
  std::uint16_t port_ = 0;
  bool running_ = false;
  std::unique_ptr<Process> process_;
};

}  // namespace ferry::test
