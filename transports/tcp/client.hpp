#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "ferry/spi/transport.hpp"
#include "transports/tcp/connection.hpp"
#include "transports/common/net/dialer.hpp"
#include "transports/common/extension.hpp"

namespace ferry::tcp {

/// The client's end of one connection.
/// Threads: its loop.
class Link final : public Connection {
 public:
  /// What it tells its client. Cleared when the client has lost interest; the connection may still end in order.
  class Owner {
   public:
    virtual void on_link_open() = 0;
    virtual void on_link_gone(const Failure& why) = 0;
    virtual spi::ClientSink& link_sink() = 0;

   protected:
    ~Owner() = default;
  };

  Link(const spi::Loop& loop, const spi::Serializer& serializer, const Limits& limits, std::unique_ptr<Wire> wire,
       bool extensions, Owner& owner);

  bool send(const spi::OutgoingMessage& message, Failure& failure);
  bool send_event(const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure);
  void cancel(std::string_view id);
  void disown() {
    owner_ = nullptr;
    closed_ = nullptr;
  }
  /// Ends it in order, and calls `done` when it is gone. The owner hears of sent events until then.
  void close(std::chrono::milliseconds limit, std::function<void()> done);

 private:
  struct Emitted {
    std::uint64_t end;        // of its last byte, since the start of the connection
    spi::EmitToken token;
  };

  void on_open() override;
  void on_frame(std::string_view body, const ChunkPtr& chunk) override;
  void on_sent() override;
  bool parts_gently() const override;
  void on_peer_ended() override;
  void on_fault(const Failure& why) override;
  void on_gone(const Failure& why) override;

  bool has_room(const spi::OutgoingMessage& message, Failure& failure) const;
  void append(const spi::OutgoingMessage& message, const Headers& headers);
  const Headers& request_headers(const spi::OutgoingMessage& message);
  void lose(const Failure& why);

  Owner* owner_;
  const bool extensions_;
  bool introduced_ = false;       // the first request was sent
  bool peer_is_ferry_ = false;
  std::size_t unanswered_ = 0;    // requests, whether somebody still waits or not
  bool sent_events_ = false;
  extension::TimeoutNotice timeout_;
  bool closing_ = false;
  std::function<void()> closed_;
  std::string head_;              // reused for every message
  std::string tail_;
  Headers headers_;               // the user's with ours
  std::deque<Emitted> emitted_;   // in the order of the queue
};

/// Connects when core says so, once.
class Client final : public spi::ClientTransport, private Link::Owner {
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
  void on_link_open() override;
  void on_link_gone(const Failure& why) override;
  spi::ClientSink& link_sink() override { return sink_; }
  void dialled(const Failure* failure, Socket socket, std::chrono::milliseconds left);
  void hold(bool held);

  spi::ClientEnvironment environment_;
  spi::ClientSink& sink_;
  const ClientSettings settings_;
  std::shared_ptr<Dialer> dialer_;
  std::shared_ptr<Link> link_;
  bool open_ = false;
  bool held_ = false;
};

}  // namespace ferry::tcp
