#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "ferry/spi/transport.hpp"
#include "transports/common/mailbox.hpp"
#include "upload.hpp"

namespace ferry::memory {

using transports::Mailbox;

class Link;
class Listener;

/// A request or an event on its way, with all it carries. Made by the client, handled on the server's loop.
class Message final : public spi::Delivery {
 public:
  Message(std::shared_ptr<Link> link, const spi::OutgoingMessage& message, bool extensions);

  /// Null if it is no stream of requests.
  const std::shared_ptr<Upload>& upload() const noexcept { return upload_; }

  Headers headers() const override { return headers_; }
  void reply(spi::ReplyKind kind, std::string& payload) override;
  bool writable() const override;
  void when_writable(std::function<void()> ready) override;
  void read(Upload::Ready ready) override;

  /// On the server's loop: nobody waits for the reply any more.
  void give_up();
  /// The payload goes back to `message`: nobody took this.
  void return_payload(const spi::OutgoingMessage& message) noexcept;

 private:
  void dispose() noexcept override { delete this; }

  const std::shared_ptr<Link> link_;
  std::string text_;   // pattern and id, in one allocation
  std::string payload_;
  Headers headers_;
  std::shared_ptr<Upload> upload_;
};

struct Cancel {
  std::string id;
};
struct Leave {};   // the client is gone
/// Counts the links of a server that have done something.
struct Countdown {
  void arrive() {
    if (left.fetch_sub(1) == 1) loop->post(std::move(done));
  }
  std::atomic<std::size_t> left;
  const spi::Loop* loop;
  std::function<void()> done;
};
struct Drain {
  std::shared_ptr<Countdown> done;
};
using ToServer = std::variant<spi::DeliveryPtr, Cancel, Leave, Drain>;

struct ToClient {
  spi::DeliveryPtr request;   // null: the server has ended the link
  spi::ReplyKind kind = spi::ReplyKind::end;
  std::string payload;
  bool lost = false;          // with it ended requests that were not answered
  bool writable = false;      // no reply: a stream of requests may be written to again
};

/// What one client and one server share: a mailbox in each direction, and the requests that are not answered yet.
///
/// Lifetime: held by both sides and by every message.
/// Threads:  each function says whose; `mutex_` guards what both sides touch.
class Link : public std::enable_shared_from_this<Link> {
 public:
  struct ClientSide {
    const spi::Loop* loop = nullptr;
    std::size_t max_queue = 0;
    bool paused = false;
    std::function<void(Link&, ToClient&)> take;
  };
  struct ServerSide {
    const spi::Loop* loop = nullptr;
    const spi::Serializer* serializer = nullptr;
    std::size_t max_queue = 0;
    bool paused = false;
    spi::ServerSink* sink = nullptr;
    std::weak_ptr<Listener> listener;
  };
  using Sent = Mailbox<ToServer>::Put;

  static std::shared_ptr<Link> make(ClientSide client, ServerSide server);

  const std::weak_ptr<Listener>& listener() const noexcept { return server_.listener; }
  const spi::Loop& server_loop() const noexcept { return *server_.loop; }
  const spi::Serializer& serializer() const noexcept { return *server_.serializer; }

  // The client, on its loop.
  /// `upload` is set for a stream of requests.
  Sent send(const spi::OutgoingMessage& message, bool extensions, std::shared_ptr<Upload>& upload);
  void cancel(std::string_view id);
  void leave();   ///< nothing is taken from the server any more
  void pause_replies(bool paused) { to_client_.set_paused(paused); }

  // The server: `end` on the link's loop, the others on any.
  void pause_requests(bool paused) { to_server_.set_paused(paused); }
  void drain(std::shared_ptr<Countdown> done);   ///< arrives when all that was sent before was handed over
  void end();                                    ///< its sink will not be called any more

  // Messages, on any thread.
  void reply(Message& message, spi::ReplyKind kind, std::string& payload);
  bool writable() const;
  void when_writable(std::function<void()> ready);
  void tell_writable(Message& message);   ///< to the client: its stream of requests

 private:
  Link(ClientSide client, ServerSide server);

  void take(ToServer& item);
  void take(ToClient& item);
  void begin(spi::DeliveryPtr message);
  void give_up(std::string_view id);
  bool close_requests();
  void give_up_all();
  void wake_writers();
  void tell_end_if_drained();   // mutex held

  const ClientSide client_;
  const ServerSide server_;
  Mailbox<ToServer> to_server_;
  Mailbox<ToClient> to_client_;
  std::atomic<bool> writers_wait_{false};

  std::mutex mutex_;
  std::unordered_map<std::string_view, spi::DeliveryPtr> open_;   // requests not answered, by id
  std::vector<std::function<void()>> writers_;                    // to be called when replies may be written again
  bool draining_ = false;
  bool told_end_ = false;
  bool over_ = false;   // one of the two is gone: replies go nowhere
};

}  // namespace ferry::memory
