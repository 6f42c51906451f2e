#include "client.hpp"

#include <algorithm>
#include <utility>

namespace ferry::memory {

Client::Client(spi::ClientEnvironment environment, spi::ClientSink& sink)
    : environment_(std::move(environment)), settings_(environment_.options), sink_(sink) {}

Client::~Client() { leave_all(); }

/// The sink must not be called from inside a call of core.
template <class F>
void Client::later(F function) {
  environment_.loop->post([alive = std::weak_ptr<bool>(alive_), function = std::move(function)] {
    if (!alive.expired()) function();
  });
}

// ---- services --------------------------------------------------------------------------------------------------------

void Client::connect() {
  paused_ = false;
  later([this] {
    seen_version_ = 0;
    find_services();
    if (links_.empty()) {
      sink_.on_disconnected(no_service());
    } else {
      sink_.on_connected(url_of(settings_.name));
    }
  });
}

Failure Client::no_service() const {
  const std::string url = url_of(settings_.name);
  if (!other_serializer_.empty()) {
    return Failure(errc::not_connected, "the service on " + url + " uses the serializer " + other_serializer_ +
                                            ", this client " + std::string(environment_.serializer->name()) +
                                            "; configure the same for both", Fate::not_sent);
  }
  return Failure(errc::not_connected, "no service listens on " + url + " in this process", Fate::not_sent);
}

void Client::find_services() {
  const std::uint64_t version = Hub::instance().version();
  if (std::exchange(seen_version_, version) == version) return;
  other_serializer_.clear();
  for (const auto& listener : Hub::instance().find(settings_.name)) {
    const auto known = [&listener](const auto& link) { return link->listener().lock() == listener; };
    if (std::any_of(links_.begin(), links_.end(), known)) continue;
    if (listener->serializer().name() != environment_.serializer->name()) {
      other_serializer_ = listener->serializer().name();
      continue;
    }
    auto link = listener->accept({environment_.loop, settings_.max_queue, paused_,
                                  [this](Link& from, ToClient& item) { take(from, item); }});
    if (link) links_.push_back(std::move(link));
  }
}

void Client::ended(Link& link, bool lost) {
  const auto found = std::find_if(links_.begin(), links_.end(), [&link](const auto& each) { return each.get() == &link; });
  if (found == links_.end()) return;
  link.leave();
  links_.erase(found);
  find_services();
  if (!lost && !links_.empty()) return;   // the others go on
  leave_all();
  sink_.on_disconnected(Failure(errc::connection_lost, "the service on " + url_of(settings_.name) + " closed"));
}

void Client::leave_all() {
  uploads_.clear();
  for (const auto& link : std::exchange(links_, {})) link->leave();
}

void Client::close(std::chrono::milliseconds, std::function<void()> done) {
  leave_all();   // behind all that was taken: the service has that already
  alive_.reset();
  environment_.loop->post(std::move(done));
}

// ---- messages --------------------------------------------------------------------------------------------------------

bool Client::send(const spi::OutgoingMessage& message, Failure& failure) {
  find_services();
  bool full = false;
  for (std::size_t tries = links_.size(); tries > 0; --tries) {
    std::shared_ptr<Upload> upload;
    const Link::Sent sent = links_[next_link_++ % links_.size()]->send(message, environment_.extensions, upload);
    if (sent == Link::Sent::taken) {
      if (upload) uploads_.emplace(message.id, std::move(upload));
      return true;
    }
    full = full || sent == Link::Sent::full;
  }
  failure = no_service();
  if (full) {
    failure = Failure(errc::overloaded, std::to_string(settings_.max_queue) + " messages already wait for the service on " +
                                            url_of(settings_.name) + ": see maxQueue", Fate::not_sent);
  }
  return false;
}

bool Client::request(const spi::OutgoingMessage& message, Failure& failure) { return send(message, failure); }

bool Client::emit(const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure) {
  if (!send(message, failure)) return false;
  emitted_.push_back(token);
  if (emitted_.size() == 1) later([this] { report_emitted(); });
  return true;
}

void Client::report_emitted() {
  for (const spi::EmitToken token : std::exchange(emitted_, {})) sink_.on_emitted(token, nullptr);
}

void Client::cancel(std::string_view id) {
  // A handler that reads what will not come is told even where nothing else is.
  const bool streams = upload_of(id) != nullptr;
  forget_upload(id);
  if (!environment_.extensions && !streams) return;
  for (const auto& link : links_) link->cancel(id);   // the one that has the request knows it
}

Upload* Client::upload_of(std::string_view id) const {
  const auto found = uploads_.find(std::string(id));
  return found == uploads_.end() ? nullptr : found->second.get();
}

void Client::forget_upload(std::string_view id) {
  if (!uploads_.empty()) uploads_.erase(std::string(id));
}

bool Client::write(std::string_view id, std::string& payload, Failure&) {
  if (Upload* const upload = upload_of(id)) upload->put(std::move(payload));
  return true;
}

void Client::end_writes(std::string_view id) {
  if (Upload* const upload = upload_of(id)) upload->end();
}

bool Client::writable(std::string_view id) const {
  Upload* const upload = upload_of(id);
  return upload == nullptr || upload->writable();
}

void Client::set_paused(bool paused) {
  paused_ = paused;
  for (const auto& link : links_) link->pause_replies(paused);
}

void Client::take(Link& link, ToClient& item) {
  if (!item.request) return ended(link, item.lost);
  if (item.writable) return sink_.on_writable(item.request->view().id);
  using Kind = spi::ReplyKind;
  spi::ReplyView reply;
  reply.id = item.request->view().id;
  reply.last = item.kind != Kind::item;
  if (reply.last) forget_upload(reply.id);
  reply.has_value = item.kind == Kind::item || item.kind == Kind::last_item;
  reply.failed = item.kind == Kind::error || item.kind == Kind::no_handler;
  if (item.kind == Kind::no_handler) {
    item.payload.clear();
    environment_.serializer->encode("There is no matching message handler defined in the remote service.", item.payload);
  }
  if (reply.has_value) reply.value = item.payload;
  if (reply.failed) reply.error = item.payload;
  sink_.on_reply(reply);
}

}  // namespace ferry::memory
