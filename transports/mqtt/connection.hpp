#pragma once
// One connection to a server: CONNECT and CONNACK, packets in and out, pings, the farewell.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "transports/common/net/link.hpp"
#include "transports/mqtt/options.hpp"
#include "transports/mqtt/packet.hpp"

namespace ferry::mqtt {

/// Whoever uses a connection. Called on its loop. What is handed over is valid during the call; a PUBLISH lies in the
/// connection's `memory()`.
class ConnectionUser {
 public:
  virtual void on_publish(const Publish& message) = 0;
  /// PUBACK, PUBREC, PUBREL or PUBCOMP.
  virtual void on_acknowledgement(PacketType type, const Acknowledgement& answer) = 0;
  /// SUBACK or UNSUBACK.
  virtual void on_codes(PacketType type, const Codes& answer) = 0;
  virtual void on_flushed() = 0;                  ///< a write is over; perhaps all is written
  virtual void on_relieved() = 0;                 ///< no longer congested
  virtual void on_gone(const Failure& why) = 0;   ///< once, the last call

 protected:
  ~ConnectionUser() = default;
};

/// A drop is no farewell: the server publishes the will.
/// Threads: see net::Link.
class Connection final : public net::Link {
 public:
  Connection(const spi::Loop& loop, std::shared_ptr<const Access> access, std::unique_ptr<net::Wire> wire, std::string name);
  ~Connection() override;

  /// What the server said with CONNACK.
  const Grant& grant() const noexcept { return grant_; }
  /// From here on packets come to `user`, and the server is pinged. Until then nothing is taken in.
  void begin(ConnectionUser& user);
  /// Says farewell after what is queued, and waits for the server to end the connection, for at most `limit`. `done` is
  /// called once, later; the user hears nothing more.
  void close(std::chrono::milliseconds limit, std::function<void()> done);

  /// The longest packet that may be sent.
  std::size_t max_packet_bytes() const noexcept;

 private:
  void on_open() override;
  std::size_t take(std::string_view unread, std::size_t& expected) override;
  void on_relieved() override;
  void on_flushed() override;
  void on_gone(const Failure& why) override;

  void take(const Packet& packet);
  void take_connack(const Packet& packet);
  void take_publish(const Packet& packet);
  void take_disconnect(const Packet& packet);
  void broken(std::string_view what);
  void tick();
  void wait();

  const std::shared_ptr<const Access> access_;
  ConnectionUser* user_ = nullptr;
  Grant grant_;
  bool accepted_ = false;                     // CONNACK has come
  std::chrono::milliseconds tick_{};
  bool heard_ = false;                        // since the last tick
  bool waiting_ = false;                      // a ping is not answered
};

}  // namespace ferry::mqtt
