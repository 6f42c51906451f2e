#include "transports/tcp/peer.hpp"

#include <utility>

#include "transports/tcp/error.hpp"
#include "transports/common/extension.hpp"

namespace ferry::tcp {
namespace {

bool carries_payload(spi::ReplyKind kind) {
  return kind == spi::ReplyKind::item || kind == spi::ReplyKind::last_item || kind == spi::ReplyKind::error;
}

}  // namespace

Peer::Peer(const spi::Loop& loop, std::shared_ptr<Service> service, std::unique_ptr<Wire> wire,
           std::function<void(Peer&)> forget)
    : Connection(loop, *service->serializer, service->settings.limits, std::move(wire)),
      service_(std::move(service)),
      forget_(std::move(forget)) {
  if (service_->paused) hold(true);
}

Peer::~Peer() {
  while (graves_ != nullptr) delete std::exchange(graves_, graves_->grave_);
}

// --- messages -------------------------------------------------------------------------------------------------------

void Peer::on_frame(std::string_view body, const ChunkPtr& chunk) {
  auto* delivery = new TcpDelivery(std::static_pointer_cast<Peer>(shared_from_this()), chunk);
  spi::DeliveryPtr owner(delivery);
  if (const char* why = serializer().read_request(body, delivery->received())) {
    return fault(TcpError::bad_body, bad_body_text(why, body));
  }
  if (service_->extensions && is_own_message(*delivery)) return;
  if (draining()) return;   // too late: it ends with the connection
  const bool request = delivery->expects_reply();
  if (request) enlist(*delivery);
  current_ = request && ferry_ ? delivery : nullptr;
  if (!service_->silent.load(std::memory_order_relaxed)) service_->sink->on_message(std::move(owner));
  owner = {};
  if (current_ != nullptr) {
    by_id_.erase(current_->view().id);   // the key is a view into the message it belongs to: replace both
    by_id_.emplace(current_->view().id, current_);
    current_ = nullptr;
  }
}

bool Peer::is_own_message(TcpDelivery& delivery) {
  const spi::RequestView& view = delivery.view();
  if (view.has_id) {
    if (!met_) {
      meet(view);
    } else if (ferry_) {
      if (!view.headers.empty()) timeout_.read(serializer(), view.headers);
      if (timeout_.value() != extension::TimeoutNotice::none) delivery.set_deadline(batch_time() + timeout_.value());
    }
    return false;
  }
  if (!ferry_ || view.pattern != extension::cancel_pattern) return false;
  cancel(view.payload);
  return true;
}

void Peer::meet(const spi::RequestView& request) {
  met_ = true;
  if (!extension::find_header(serializer(), request.headers, extension::peer_header)) return;
  ferry_ = true;
  std::string nothing;
  reply_here(extension::raw_id(serializer(), extension::hello_id), spi::ReplyKind::end, nothing);
}

void Peer::cancel(std::string_view raw_id) {
  const auto found = by_id_.find(raw_id);
  if (found == by_id_.end()) return;
  found->second->give_up();   // may end it: `found` is void then
}

void Peer::enlist(TcpDelivery& delivery) {
  delivery.next_ = live_;
  if (live_ != nullptr) live_->previous_ = &delivery;
  live_ = &delivery;
  delivery.listed_ = true;
}

void Peer::remove(TcpDelivery* delivery) noexcept {
  if (delivery == current_) current_ = nullptr;
  if (!by_id_.empty()) {
    const auto found = by_id_.find(delivery->view().id);
    if (found != by_id_.end() && found->second == delivery) by_id_.erase(found);
  }
  if (!std::exchange(delivery->listed_, false)) return;
  if (delivery->next_ != nullptr) delivery->next_->previous_ = delivery->previous_;
  (delivery->previous_ != nullptr ? delivery->previous_->next_ : live_) = delivery->next_;
  delivery->next_ = delivery->previous_ = nullptr;
}

void Peer::bury(TcpDelivery* delivery) noexcept {
  if (loop().in_loop()) {
    remove(delivery);
    delete delivery;
    check_end();
    return;
  }
  // The loop may be looking at its lists: let it do this.
  const std::lock_guard lock(mutex_);
  delivery->grave_ = std::exchange(graves_, delivery);
  post_collect();
}

// --- replies --------------------------------------------------------------------------------------------------------

void Peer::reply(const spi::RequestView& request, spi::ReplyKind kind, std::string& payload) {
  if (loop().in_loop()) reply_here(request.id, kind, payload);
  else reply_from_afar(request.id, kind, payload);
}

void Peer::reply_here(std::string_view id, spi::ReplyKind kind, std::string& payload) {
  if (!takes_replies()) {
    service_->dropped_replies.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  head_.clear();
  tail_.clear();
  serializer().write_reply({kind, id}, head_, tail_);
  std::string none;
  append_frame(out(), head_, carries_payload(kind) ? payload : none, tail_, text());
  appended();
}

/// From a thread that is not ours: whole frames wait here until the loop collects them.
void Peer::reply_from_afar(std::string_view id, spi::ReplyKind kind, std::string& payload) {
  std::string head;
  std::string tail;
  serializer().write_reply({kind, id}, head, tail);
  std::string none;
  const std::lock_guard lock(mutex_);
  // More than a peer may have queued at all: the loop will end the connection when it sees that.
  if (limits().max_send_bytes != 0 && afar_.bytes() > limits().max_send_bytes) return;
  append_frame(afar_, head, carries_payload(kind) ? payload : none, tail, text());
  post_collect();
}

/// With the mutex held.
void Peer::post_collect() {
  if (std::exchange(collect_posted_, true)) return;
  loop().post([self = std::static_pointer_cast<Peer>(shared_from_this())] {
    if (self->gone()) self->collect();
    else self->flush();
  });
}

void Peer::collect() {
  TcpDelivery* graves = nullptr;
  {
    const std::lock_guard lock(mutex_);
    collect_posted_ = false;
    if (takes_replies()) out().splice(afar_);
    else afar_.clear();
    graves = std::exchange(graves_, nullptr);
  }
  while (graves != nullptr) {
    TcpDelivery* next = graves->grave_;
    remove(graves);
    delete graves;
    graves = next;
  }
}

bool Peer::writable() const {
  if (congested()) return false;
  if (loop().in_loop()) return out().bytes() <= limits().high_water_bytes;
  const std::lock_guard lock(mutex_);
  return afar_.bytes() <= limits().high_water_bytes;
}

void Peer::when_writable(std::function<void()> ready) {
  auto wait = [self = std::static_pointer_cast<Peer>(shared_from_this()), ready = std::move(ready)]() mutable {
    if (self->takes_replies() && self->congested()) self->writers_.push_back(std::move(ready));
    else ready();
  };
  loop().post(std::move(wait));
}

void Peer::wake_writers() {
  std::vector<std::function<void()>> writers = std::exchange(writers_, {});
  for (const auto& ready : writers) ready();
}

bool Peer::on_held(std::size_t before, std::size_t now) {
  const std::size_t limit = service_->settings.max_total_bytes;
  const std::size_t all = service_->held.fetch_add(now - before, std::memory_order_relaxed) + (now - before);
  if (limit == 0 || all <= limit || now <= before) return true;
  service_->on_excess();
  return false;
}

// --- the end --------------------------------------------------------------------------------------------------------

void Peer::on_peer_ended() {
  Failure why(errc::connection_lost, "Connection closed: the peer ended the connection");
  // A ferry client that ends its side has ended its calls before. Others may wait for answers still.
  if (ferry_) destroy(std::move(why));
  else end(answers_limit, true, std::move(why));
}

void Peer::on_fault(const Failure& why) {
  service_->report(Failure(why.code, why.detail + " (peer " + peer_name() + ")", why.fate));
}

void Peer::on_gone(const Failure& why) {
  if (why.code == NetError::tls_handshake || why.code == NetError::tls_broken) on_fault(why);
  collect();
  // Somebody works on each of these, and nobody waits for it any more. Events are not among them: nobody ever did.
  while (TcpDelivery* delivery = live_) {
    remove(delivery);
    delivery->give_up();
  }
  wake_writers();
  service_->connections.fetch_sub(1, std::memory_order_relaxed);
  if (forget_) std::exchange(forget_, nullptr)(*this);
}

}  // namespace ferry::tcp
