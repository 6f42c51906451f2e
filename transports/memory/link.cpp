#include "link.hpp"

#include <utility>

#include "hub.hpp"

namespace ferry::memory {
namespace {

using Rank = Mailbox<ToServer>::Rank;
using ReplyRank = Mailbox<ToClient>::Rank;

/// Replies that may wait for the client before streams of them have to wait too.
constexpr std::size_t high_water = 256;

Message& message_of(const spi::DeliveryPtr& pointer) { return static_cast<Message&>(*pointer); }

}  // namespace

// ---- messages --------------------------------------------------------------------------------------------------------

Message::Message(std::shared_ptr<Link> link, const spi::OutgoingMessage& message, bool extensions)
    : Delivery(link->server_loop(), link->serializer()), link_(std::move(link)), headers_(*message.headers) {
  const std::string& pattern = message.pattern->is_object() ? message.pattern->json() : message.pattern->route();
  text_.reserve(pattern.size() + message.id.size());
  text_.append(pattern).append(message.id);
  if (message.has_payload) payload_ = std::move(*message.payload);

  using Form = spi::RequestView::PatternForm;
  view_.pattern_form = message.pattern->is_object() ? Form::json : Form::text;
  view_.pattern = std::string_view(text_).substr(0, pattern.size());
  view_.has_payload = message.has_payload;
  view_.payload = payload_;
  view_.has_id = !message.id.empty();
  view_.id = std::string_view(text_).substr(pattern.size());
  if (message.request_stream) upload_ = std::make_shared<Upload>(link_->server_loop());
  if (extensions && view_.has_id && message.deadline != std::chrono::steady_clock::time_point()) {
    deadline_ = message.deadline;
  }
}

void Message::return_payload(const spi::OutgoingMessage& message) noexcept {
  if (message.has_payload) *message.payload = std::move(payload_);
}

void Message::reply(spi::ReplyKind kind, std::string& payload) {
  if (upload_ && kind != spi::ReplyKind::item) upload_->give_up();   // nobody reads any more
  link_->reply(*this, kind, payload);
}
bool Message::writable() const { return link_->writable(); }
void Message::when_writable(std::function<void()> ready) { link_->when_writable(std::move(ready)); }

void Message::read(Upload::Ready ready) {
  if (!upload_) return Delivery::read(std::move(ready));
  if (upload_->read(std::move(ready))) link_->tell_writable(*this);
}

void Message::give_up() {
  if (upload_) upload_->give_up();
  abandon();
}

// ---- the client's side -----------------------------------------------------------------------------------------------

Link::Link(ClientSide client, ServerSide server)
    : client_(std::move(client)),
      server_(std::move(server)),
      to_server_(*server_.loop, client_.max_queue),
      to_client_(*client_.loop, server_.max_queue) {}

std::shared_ptr<Link> Link::make(ClientSide client, ServerSide server) {
  std::shared_ptr<Link> link(new Link(std::move(client), std::move(server)));
  Link* const self = link.get();
  self->to_server_.open(link, [self](ToServer& item) { self->take(item); });
  self->to_client_.open(link, [self](ToClient& item) { self->take(item); });
  self->to_server_.set_paused(self->server_.paused);
  self->to_client_.set_paused(self->client_.paused);
  return link;
}

Link::Sent Link::send(const spi::OutgoingMessage& message, bool extensions, std::shared_ptr<Upload>& upload) {
  auto* const made = new Message(shared_from_this(), message, extensions);
  upload = made->upload();
  ToServer item{spi::DeliveryPtr(made)};
  const Sent sent = to_server_.put(std::move(item), Rank::message);
  if (sent != Sent::taken) made->return_payload(message);
  return sent;
}

void Link::cancel(std::string_view id) { to_server_.put(Cancel{std::string(id)}, Rank::control); }

void Link::leave() {
  to_server_.put(Leave{}, Rank::control);
  to_client_.close();
}

void Link::take(ToClient& item) {
  if (writers_wait_) wake_writers();
  client_.take(*this, item);
}

// ---- the server's side -----------------------------------------------------------------------------------------------

void Link::take(ToServer& item) {
  if (auto* message = std::get_if<spi::DeliveryPtr>(&item)) {
    begin(std::move(*message));
  } else if (const auto* cancelled = std::get_if<Cancel>(&item)) {
    give_up(cancelled->id);
  } else if (std::holds_alternative<Leave>(item)) {
    close_requests();
    give_up_all();
    if (const auto listener = server_.listener.lock()) listener->forget(*this);
  } else {
    {
      const std::lock_guard lock(mutex_);
      draining_ = true;
      tell_end_if_drained();
    }
    std::get<Drain>(item).done->arrive();
  }
}

void Link::begin(spi::DeliveryPtr message) {
  if (message->expects_reply()) {
    const std::lock_guard lock(mutex_);
    open_.emplace(message->view().id, message);
  }
  server_.sink->on_message(std::move(message));
}

void Link::give_up(std::string_view id) {
  spi::DeliveryPtr message;
  {
    const std::lock_guard lock(mutex_);
    const auto found = open_.find(id);
    if (found == open_.end()) return;   // answered meanwhile
    message = std::move(found->second);
    open_.erase(found);
    tell_end_if_drained();
  }
  message_of(message).give_up();
}

void Link::give_up_all() {
  decltype(open_) open;
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
    open.swap(open_);
  }
  wake_writers();
  for (const auto& [id, message] : open) message_of(message).give_up();
}

void Link::drain(std::shared_ptr<Countdown> done) {
  ToServer item{Drain{std::move(done)}};
  if (to_server_.put(std::move(item), Rank::last) != Sent::taken) std::get<Drain>(item).done->arrive();
}

/// Takes nothing more. True if a request was still waiting. A drain that was is done: nothing follows.
bool Link::close_requests() {
  bool lost = false;
  for (const ToServer& item : to_server_.close()) {
    if (const auto* message = std::get_if<spi::DeliveryPtr>(&item)) lost = lost || (*message)->expects_reply();
    if (const auto* drain = std::get_if<Drain>(&item)) drain->done->arrive();
  }
  return lost;
}

void Link::end() {
  bool lost = close_requests();
  {
    const std::lock_guard lock(mutex_);
    lost = lost || !open_.empty();
    if (!std::exchange(told_end_, true)) to_client_.put({{}, spi::ReplyKind::end, {}, lost}, ReplyRank::control);
  }
  give_up_all();
}

void Link::tell_end_if_drained() {
  if (!draining_ || !open_.empty() || std::exchange(told_end_, true)) return;
  to_client_.put({}, ReplyRank::control);
}

// ---- replies ---------------------------------------------------------------------------------------------------------

void Link::reply(Message& message, spi::ReplyKind kind, std::string& payload) {
  if (!message.expects_reply()) return;
  const bool item = kind == spi::ReplyKind::item;
  bool overrun = false;
  {
    const std::lock_guard lock(mutex_);
    if (over_) return;
    // What ends a request is bounded by the requests; a stream that does not wait for `writable` is not.
    overrun = to_client_.put({spi::DeliveryPtr(&message), kind, std::move(payload)},
                             item ? ReplyRank::message : ReplyRank::control) == Mailbox<ToClient>::Put::full;
    if (!item) open_.erase(message.view().id);
    tell_end_if_drained();
  }
  if (!overrun) return;
  server_loop().post([self = shared_from_this()] {
    self->end();
    if (const auto listener = self->server_.listener.lock()) listener->forget(*self);
  });
}

void Link::tell_writable(Message& message) {
  ToClient news;
  news.request = spi::DeliveryPtr(&message);
  news.writable = true;
  to_client_.put(std::move(news), ReplyRank::control);   // bounded: the client waits for it
}

bool Link::writable() const { return to_client_.size() < high_water; }

// A writer that waits is never forgotten: it announces itself (1) before it looks at the queue (2); the client empties the
// queue (3) before it looks for writers (4). Whoever is later at the queue's mutex, at (2) or at (3), sees the other.
void Link::when_writable(std::function<void()> ready) {
  const std::lock_guard lock(mutex_);
  if (over_) {
    server_loop().post(std::move(ready));
    return;
  }
  writers_wait_ = true;
  writers_.push_back(std::move(ready));
  if (!writable()) return;
  writers_wait_ = false;
  for (auto& writer : std::exchange(writers_, {})) server_loop().post(std::move(writer));
}

void Link::wake_writers() {
  const std::lock_guard lock(mutex_);
  writers_wait_ = false;
  for (auto& writer : std::exchange(writers_, {})) server_loop().post(std::move(writer));
}

}  // namespace ferry::memory
