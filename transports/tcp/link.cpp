// The client's end of one connection: requests and events out, replies in.

#include <algorithm>
#include <chrono>
#include <utility>

#include "transports/tcp/client.hpp"
#include "transports/tcp/error.hpp"
#include "transports/common/extension.hpp"

namespace ferry::tcp {

using namespace std::chrono_literals;

Link::Link(const spi::Loop& loop, const spi::Serializer& serializer, const Limits& limits, std::unique_ptr<Wire> wire,
           bool extensions, Owner& owner)
    : Connection(loop, serializer, limits, std::move(wire)), owner_(&owner), extensions_(extensions) {}

// --- out ------------------------------------------------------------------------------------------------------------

bool Link::send(const spi::OutgoingMessage& message, Failure& failure) {
  if (!has_room(message, failure)) return false;
  append(message, request_headers(message));
  ++unanswered_;
  return true;
}

bool Link::send_event(const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure) {
  if (!has_room(message, failure)) return false;
  append(message, *message.headers);
  emitted_.push_back({out().appended(), token});
  sent_events_ = true;
  return true;
}

bool Link::has_room(const spi::OutgoingMessage& message, Failure& failure) const {
  const std::size_t limit = limits().max_send_bytes;
  const std::size_t size = message.has_payload ? message.payload->size() : 0;
  if (limit == 0 || out().bytes() + size <= limit) return true;
  failure = Failure(errc::overloaded,
                    peer_name() + " does not read fast enough: " + std::to_string(out().bytes()) +
                        " bytes are queued for it, and " + std::to_string(size) +
                        " more exceed maxSendBufferSize (" + std::to_string(limit) + ")",
                    Fate::not_sent);
  return false;
}

void Link::append(const spi::OutgoingMessage& message, const Headers& headers) {
  spi::RequestEnvelope envelope;
  envelope.pattern = message.pattern;
  envelope.pattern_as_route = message.id.empty();   // as NestJS's TCP client sends events
  envelope.has_payload = message.has_payload;
  envelope.headers = &headers;
  envelope.id = message.id;
  head_.clear();
  tail_.clear();
  serializer().write_request(envelope, head_, tail_);
  std::string none;
  append_frame(out(), head_, message.has_payload ? *message.payload : none, tail_, text());
  appended();
}

/// The user's, and what a ferry peer may be told: see extension.hpp.
const Headers& Link::request_headers(const spi::OutgoingMessage& message) {
  const bool introduce = extensions_ && !introduced_;
  introduced_ = true;
  auto left = extension::TimeoutNotice::none;
  if (peer_is_ferry_) left = extension::TimeoutNotice::left(message.deadline, batch_time());
  const bool tell = peer_is_ferry_ && timeout_.must_tell(left);
  if (!introduce && !tell) return *message.headers;
  headers_ = *message.headers;
  if (introduce) headers_.set(extension::peer_header, "1");
  if (tell) headers_.set(extension::timeout_header, extension::TimeoutNotice::text(left));
  return headers_;
}

void Link::cancel(std::string_view id) {
  if (!peer_is_ferry_ || state() != State::open) return;
  static const Pattern pattern(extension::cancel_pattern);
  static const Headers no_headers;
  std::string payload = extension::raw_id(serializer(), id);
  spi::OutgoingMessage message;
  message.pattern = &pattern;
  message.has_payload = true;
  message.payload = &payload;
  message.headers = &no_headers;
  Failure ignored;
  if (has_room(message, ignored)) append(message, no_headers);
}

void Link::on_sent() {
  while (!emitted_.empty() && emitted_.front().end <= out().sent()) {
    const spi::EmitToken token = emitted_.front().token;
    emitted_.pop_front();
    if (owner_ != nullptr) owner_->link_sink().on_emitted(token, nullptr);
  }
}

// --- in -------------------------------------------------------------------------------------------------------------

void Link::on_open() {
  if (owner_ != nullptr) owner_->on_link_open();
}

void Link::on_frame(std::string_view body, const ChunkPtr&) {
  spi::ReplyView reply;
  if (const char* why = serializer().read_reply(body, reply)) {
    return fault(TcpError::bad_body, bad_body_text(why, body));
  }
  if (extensions_ && reply.id == extension::hello_id) {
    peer_is_ferry_ = true;
    return;
  }
  if ((reply.last || reply.failed) && unanswered_ != 0) --unanswered_;
  if (owner_ != nullptr && !closing_) owner_->link_sink().on_reply(reply);
}

// --- the end --------------------------------------------------------------------------------------------------------

void Link::close(std::chrono::milliseconds limit, std::function<void()> done) {
  closing_ = true;
  closed_ = std::move(done);
  end(limit, false, Failure(errc::closed, "the client was closed"));
}

/// Requests have ended here by now, whatever becomes of them there. Events must arrive: a service that writes, be it the
/// reply to a request that was given up, or what follows a TLS handshake, must not be answered with a reset before it has
/// read them.
bool Link::parts_gently() const { return sent_events_ && (unanswered_ != 0 || secure()); }

void Link::on_peer_ended() {
  destroy(Failure(errc::connection_lost, "Connection closed: the peer ended the connection"));
}

/// NestJS ends its side and fails what is pending at once.
void Link::on_fault(const Failure& why) { lose(Failure(errc::connection_lost, "Connection closed: " + why.detail)); }

void Link::on_gone(const Failure& why) {
  lose(why);
  if (closed_) std::exchange(closed_, nullptr)();
}

void Link::lose(const Failure& why) {
  Owner* owner = std::exchange(owner_, nullptr);
  if (owner != nullptr && !closing_) owner->on_link_gone(why);
}

}  // namespace ferry::tcp
