#include "transports/grpc/client.hpp"

#include <optional>
#include <unordered_map>
#include <utility>

#include <asio/steady_timer.hpp>

#include "transports/grpc/connection.hpp"
#include "transports/grpc/contract_method.hpp"
#include "transports/grpc/emitter.hpp"
#include "transports/grpc/envelope.hpp"
#include "transports/grpc/envelope_method.hpp"
#include "transports/grpc/metadata.hpp"
#include "transports/grpc/options.hpp"

namespace ferry::grpc {

/// On the client's loop.
struct Client::State {
  State(spi::ClientEnvironment from, spi::ClientSink& to);
  ~State() { end(); }

  /// Null, with `failure` set, if the pattern means none.
  const ClientMethod* find(const Pattern& pattern, Failure& failure);
  Stub* stub(Failure& failure);
  /// One call: a request, or in contract mode an event.
  bool call(const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure);
  bool set_up(ClientCall& call, const spi::OutgoingMessage& message, Failure& failure);
  void take(News& news);
  void take_message(ClientCall& call, Body& body);
  void message(ClientCall& call, Body& body);
  /// Takes what was held back, unless it is held again.
  void go_on(ClientCall& call, bool to_the_end = false);
  void ended(const std::shared_ptr<ClientCall>& call, const CallStatus& status);
  void emitter_ended(const CallStatus& status);
  void forget(ClientCall& call);
  bool busy() const { return !calls.empty() || !events.empty() || (emitter && !emitter->idle()); }
  void left();
  void end();
  void end_calls();

  const spi::ClientEnvironment environment;
  const ClientSettings settings;
  spi::ClientSink& sink;
  const EnvelopeClientMethod envelope;
  std::optional<ContractMethods> contract;   // not in envelope mode
  const std::shared_ptr<Inlet> inlet;
  Connection connection;
  std::unordered_map<std::string_view, std::shared_ptr<ClientCall>> calls;   // by id
  std::unordered_map<spi::EmitToken, std::shared_ptr<ClientCall>> events;    // in contract mode
  std::shared_ptr<Emitter> emitter;
  asio::steady_timer close_timer;
  std::function<void()> closed;
};

Client::State::State(spi::ClientEnvironment from, spi::ClientSink& to)
    : environment(std::move(from)),
      settings(client_settings(environment)),
      sink(to),
      envelope(*environment.serializer, environment.extensions),
      inlet(Inlet::make(*environment.loop, [this](News& news) { take(news); })),
      connection(settings, inlet,
                 {[this] { sink.on_connected(settings.url); },
                  [this](Failure why) {
                    end_calls();
                    sink.on_disconnected(std::move(why));
                  },
                  [this] { return busy(); }}),
      close_timer(environment.loop->executor()) {
  if (auto read = Contract::read(environment.options, environment.directory, *environment.serializer)) contract.emplace(read);
}

// ---- calls -----------------------------------------------------------------------------------------------------------

const ClientMethod* Client::State::find(const Pattern& pattern, Failure& failure) {
  return contract ? contract->find(pattern, failure) : &envelope;
}

Stub* Client::State::stub(Failure& failure) {
  Stub* const stub = connection.stub();
  if (stub == nullptr) failure = Failure(errc::not_connected, settings.url + " is away", Fate::not_sent);
  return stub;
}

bool Client::State::set_up(ClientCall& call, const spi::OutgoingMessage& message, Failure& failure) {
  if (settings.wait_for_ready) call.context.set_wait_for_ready(true);
  // Of a stream of replies it is the wait for the next value, which gRPC cannot say.
  if (contract && !message.reply_stream && message.deadline != std::chrono::steady_clock::time_point() &&
      message.deadline != std::chrono::steady_clock::time_point::max()) {
    const auto left = message.deadline - std::chrono::steady_clock::now();
    call.context.set_deadline(std::chrono::system_clock::now() + std::chrono::duration_cast<std::chrono::microseconds>(left));
  }
  if (!call.method.metadata_headers()) return true;
  for (const auto& [name, value] : *message.headers) {
    const std::string key = lower(name);
    if (const char* fault = metadata_fault(key, value)) {
      failure = Failure(errc::bad_message, "the header \"" + name + "\" cannot be gRPC metadata: " + fault, Fate::not_sent);
      return false;
    }
    call.context.AddMetadata(key, value);
  }
  return true;
}

bool Client::State::call(const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure) {
  Stub* const to = stub(failure);
  const ClientMethod* const method = to == nullptr ? nullptr : find(*message.pattern, failure);
  if (method == nullptr) return false;
  if (const char* fault = method->fault(message.request_stream)) {
    failure = Failure(errc::unsupported, method->path() + " of " + settings.url + ": " + fault, Fate::not_sent);
    return false;
  }
  const auto made = std::make_shared<ClientCall>(inlet, *method, std::string(message.id), token);
  if (!set_up(*made, message, failure)) return false;
  if (message.id.empty()) events.emplace(token, made);
  else calls.emplace(made->id, made);
  std::string head;
  const bool first = method->write(message, head);
  ::grpc::ByteBuffer buffer = message.has_payload ? make_buffer(head, *message.payload) : make_buffer(head);
  if (!message.request_stream) return made->start(*to, std::move(buffer)), true;
  made->start_stream(*to);
  if (first) made->write(std::move(buffer));
  return true;
}

// ---- news ------------------------------------------------------------------------------------------------------------

void Client::State::take(News& news) {
  if (news.other) return news.other();
  if (news.emitter) {
    const std::shared_ptr<Emitter> from = std::move(news.emitter);
    if (from != emitter) return;
    if (news.event == News::Event::closing) return from->let_go();
    if (news.event == News::Event::ended) return emitter_ended(news.status);
    for (const spi::EmitToken token : from->written()) sink.on_emitted(token, nullptr);
    return left();
  }
  const std::shared_ptr<ClientCall> call = std::move(news.call);
  if (news.of == News::Of::writable) {
    if (!call->ended) sink.on_writable(call->id);
    return;
  }
  if (news.of == News::Of::message) {
    if (call->ended || (!call->held && call->held_back.empty())) return take_message(*call, *news.message);
    return call->held_back.push_back(std::move(news.message));
  }
  go_on(*call, true);   // no more than a few are left, and a call that has ended should not keep its connection
  if (news.message && news.status.code == static_cast<int>(Code::ok) && !call->ended) message(*call, *news.message);
  ended(call, news.status);
}

void Client::State::go_on(ClientCall& call, bool to_the_end) {
  while ((!call.held || to_the_end) && !call.held_back.empty()) {
    const std::shared_ptr<Body> body = std::move(call.held_back.front());
    call.held_back.pop_front();
    take_message(call, *body);
  }
}

void Client::State::take_message(ClientCall& call, Body& body) {
  if (!call.ended) message(call, body);
  call.taken(body);
}

void Client::State::message(ClientCall& call, Body& body) {
  std::string text;
  spi::ReplyView reply;
  if (const char* fault = call.method.read(body.view(), text, reply)) {
    const Failure failure = unreadable(fault, settings.url);
    call.cancel();
    forget(call);
    if (call.id.empty()) sink.on_emitted(call.token, &failure);
    else sink.on_request_failed(call.id, failure);
    return left();
  }
  if (call.id.empty()) return;   // an event: its status is what counts
  reply.id = call.id;
  if (reply.last) {
    call.ended = true;
    forget(call);
  }
  sink.on_reply(reply);
  left();
}

void Client::State::ended(const std::shared_ptr<ClientCall>& call, const CallStatus& status) {
  if (std::exchange(call->ended, true)) return;
  forget(*call);
  const ClientMethod::End end = call->method.end(status, settings.url);
  if (call->id.empty()) {
    const bool failed = status.code != static_cast<int>(Code::ok);
    const Failure failure = end.failure.value_or(call_failure(status, settings.url));
    sink.on_emitted(call->token, failed ? &failure : nullptr);
  } else if (end.failure) {
    sink.on_request_failed(call->id, *end.failure);
  } else {
    spi::ReplyView reply;
    reply.id = call->id;
    reply.last = true;
    reply.failed = !end.error.empty();
    reply.error = end.error;
    sink.on_reply(reply);
  }
  left();
}

void Client::State::emitter_ended(const CallStatus& status) {
  const std::shared_ptr<Emitter> last = std::move(emitter);
  const Failure gone(errc::connection_lost, "the connection to " + settings.url + " was lost, or its service shuts down");
  const Failure failure = status.code == static_cast<int>(Code::ok) ? gone : call_failure(status, settings.url);
  for (const spi::EmitToken token : last->in_flight()) sink.on_emitted(token, &failure);
  for (const spi::EmitToken token : last->rest()) sink.on_emitted(token, &gone);
  left();
}

void Client::State::forget(ClientCall& call) {
  if (call.id.empty()) events.erase(call.token);
  else calls.erase(call.id);
}

/// Something has ended: perhaps it was the last.
void Client::State::left() {
  if (closed && !emitter && events.empty()) return end();
  if (!busy()) connection.idle();
}

// ---- the end ---------------------------------------------------------------------------------------------------------

/// Core ends what it knows of them.
void Client::State::end_calls() {
  for (const auto& [id, each] : calls) each->cancel();
  calls.clear();
  for (const auto& [token, each] : events) each->cancel();
  events.clear();
  if (emitter) std::exchange(emitter, nullptr)->cancel();
}

void Client::State::end() {
  inlet->close();
  close_timer.cancel();
  end_calls();
  connection.drop();
  if (closed) environment.loop->post(std::exchange(closed, nullptr));
}

// ---- Client ----------------------------------------------------------------------------------------------------------

Client::Client(spi::ClientEnvironment environment, spi::ClientSink& sink)
    : state_(std::make_unique<State>(std::move(environment), sink)) {}

Client::~Client() = default;

void Client::connect() { state_->connection.connect(); }

bool Client::request(const spi::OutgoingMessage& message, Failure& failure) { return state_->call(message, 0, failure); }

bool Client::emit(const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure) {
  State& s = *state_;
  if (s.contract) return s.call(message, token, failure);
  Stub* const stub = s.stub(failure);
  std::string head;
  if (stub == nullptr) return false;
  s.envelope.write(message, head);
  if (!s.emitter) {
    s.emitter = std::make_shared<Emitter>(s.inlet, s.settings.longest_sent);
    s.emitter->start(*stub);
  }
  if (!s.emitter->fits(head, message.has_payload ? std::string_view(*message.payload) : std::string_view())) {
    failure = Failure(errc::bad_payload, "the event is longer than maxSendMessageLength", Fate::not_sent);
    return false;
  }
  s.emitter->add(head, message.has_payload ? std::move(*message.payload) : std::string(), token);
  return true;
}

bool Client::write(std::string_view id, std::string& payload, Failure&) {
  const auto found = state_->calls.find(id);
  if (found == state_->calls.end()) return true;
  std::string head;
  found->second->method.write_next(payload.size(), head);
  found->second->write(make_buffer(head, payload));
  return true;
}

void Client::end_writes(std::string_view id) {
  const auto found = state_->calls.find(id);
  if (found != state_->calls.end()) found->second->end_writes();
}

bool Client::writable(std::string_view id) const {
  const auto found = state_->calls.find(id);
  return found == state_->calls.end() || found->second->writable();
}

std::shared_ptr<const spi::PayloadFormats> Client::formats() const {
  return state_->contract ? state_->contract->contract() : nullptr;
}

void Client::cancel(std::string_view id) {
  State& s = *state_;
  const auto found = s.calls.find(id);
  if (found == s.calls.end()) return;
  const std::shared_ptr<ClientCall> call = found->second;
  s.calls.erase(found);
  call->cancel();
  if (!s.calls.empty()) return;
  News news;   // not from inside this call
  news.other = [&s] { s.left(); };
  s.inlet->put(std::move(news));
}

bool Client::hold(std::string_view id, bool held) {
  State& s = *state_;
  const auto found = s.calls.find(id);
  if (found == s.calls.end()) return true;   // it ends
  ClientCall& call = *found->second;
  call.held = held;
  if (held || call.held_back.empty()) return true;
  News news;   // not from inside this call
  news.other = [&s, kept = found->second] { s.go_on(*kept); };
  s.inlet->put(std::move(news));
  return true;
}

void Client::close(std::chrono::milliseconds limit, std::function<void()> done) {
  State& s = *state_;
  s.closed = std::move(done);
  for (const auto& [id, each] : s.calls) each->cancel();
  s.calls.clear();
  if (!s.emitter && s.events.empty()) return s.end();
  // What was emitted is written, then the service ends the stream.
  if (s.emitter) s.emitter->finish();
  s.close_timer.expires_after(limit);
  s.close_timer.async_wait([&s](std::error_code error) {
    if (!error) s.end();
  });
}

spi::NativeHandle Client::native() noexcept {
  ::grpc::Channel* const channel = state_->connection.channel().get();
  return channel == nullptr ? spi::NativeHandle{} : spi::NativeHandle::of(channel);
}

}  // namespace ferry::grpc
