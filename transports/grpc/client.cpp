#include "transports/grpc/client.hpp"

#include <unordered_map>
#include <utility>

#include <asio/steady_timer.hpp>

#include "transports/grpc/connection.hpp"
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

  void take(News& news);
  void message(ClientCall& call, Body& body);
  void ended(const std::shared_ptr<ClientCall>& call, const CallStatus& status);
  void emitter_ended();
  void forget(ClientCall& call);
  void left();
  void end();
  void end_calls();

  const spi::ClientEnvironment environment;
  const ClientSettings settings;
  spi::ClientSink& sink;
  const EnvelopeClientMethod method;
  const std::shared_ptr<Inlet> inlet;     // of calls: stands still while the client is paused
  const std::shared_ptr<Inlet> signals;   // of all else
  Connection connection;
  std::unordered_map<std::string_view, std::shared_ptr<ClientCall>> calls;   // by id
  std::shared_ptr<Emitter> emitter;
  asio::steady_timer close_timer;
  std::function<void()> closed;
};

Client::State::State(spi::ClientEnvironment from, spi::ClientSink& to)
    : environment(std::move(from)),
      settings(client_settings(environment)),
      sink(to),
      method(*environment.serializer, environment.extensions),
      inlet(Inlet::make(*environment.loop, [this](News& news) { take(news); })),
      signals(Inlet::make(*environment.loop, [this](News& news) { take(news); })),
      connection(settings, signals,
                 {[this] { sink.on_connected(settings.url); },
                  [this](Failure why) {
                    end_calls();
                    sink.on_disconnected(std::move(why));
                  },
                  [this] { return !calls.empty() || (emitter && !emitter->idle()); }}),
      close_timer(environment.loop->executor()) {}

// ---- news ------------------------------------------------------------------------------------------------------------

void Client::State::take(News& news) {
  if (news.other) return news.other();
  if (news.emitter) {
    const std::shared_ptr<Emitter> from = std::move(news.emitter);
    if (from != emitter) return;
    if (!news.written) return emitter_ended();
    for (const spi::EmitToken token : from->written()) sink.on_emitted(token, nullptr);
    return left();
  }
  const std::shared_ptr<ClientCall> call = std::move(news.call);
  if (!news.message) return ended(call, news.status);
  if (!call->ended) message(*call, *news.message);
  call->taken();
}

void Client::State::message(ClientCall& call, Body& body) {
  std::string text;
  spi::ReplyView reply;
  if (const char* fault = call.method.read(body.view(), text, reply)) {
    const std::string id = call.id;
    call.cancel();
    forget(call);
    sink.on_request_failed(id, unreadable(fault, settings.url));
    return left();
  }
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
  if (end.failure) {
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

void Client::State::emitter_ended() {
  const std::shared_ptr<Emitter> last = std::move(emitter);
  last->cancel();
  const Failure failure(errc::connection_lost, "the connection to " + settings.url + " was lost, or its service shuts down");
  for (const spi::EmitToken token : last->rest()) sink.on_emitted(token, &failure);
  left();
}

void Client::State::forget(ClientCall& call) { calls.erase(call.id); }

/// Something has ended: perhaps it was the last.
void Client::State::left() {
  if (closed && !emitter) return end();
  if (calls.empty() && (!emitter || emitter->idle())) connection.idle();
}

// ---- the end ---------------------------------------------------------------------------------------------------------

/// Core ends what it knows of them.
void Client::State::end_calls() {
  for (const auto& [id, call] : calls) call->cancel();
  calls.clear();
  if (emitter) std::exchange(emitter, nullptr)->cancel();
}

void Client::State::end() {
  inlet->close();
  signals->close();
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

bool Client::request(const spi::OutgoingMessage& message, Failure& failure) {
  State& s = *state_;
  ::grpc::GenericStub* const stub = s.connection.stub();
  if (stub == nullptr) {
    failure = Failure(errc::not_connected, s.settings.url + " is away", Fate::not_sent);
    return false;
  }
  std::string head;
  if (!s.method.write(message, head, failure)) return false;
  const auto call = std::make_shared<ClientCall>(s.inlet, s.method, std::string(message.id), 0);
  if (s.settings.wait_for_ready) call->context.set_wait_for_ready(true);
  s.calls.emplace(call->id, call);
  call->start(*stub, make_buffer(head, message.has_payload ? std::move(*message.payload) : std::string()));
  return true;
}

bool Client::emit(const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure) {
  State& s = *state_;
  ::grpc::GenericStub* const stub = s.connection.stub();
  if (stub == nullptr) {
    failure = Failure(errc::not_connected, s.settings.url + " is away", Fate::not_sent);
    return false;
  }
  std::string head;
  if (!s.method.write(message, head, failure)) return false;
  if (!s.emitter) {
    s.emitter = std::make_shared<Emitter>(s.signals);
    s.emitter->start(*stub);
  }
  s.emitter->add(head, message.has_payload ? std::move(*message.payload) : std::string(), token);
  return true;
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
  s.signals->put(std::move(news));
}

void Client::pause() { state_->inlet->set_paused(true); }
void Client::resume() { state_->inlet->set_paused(false); }

void Client::close(std::chrono::milliseconds limit, std::function<void()> done) {
  State& s = *state_;
  s.closed = std::move(done);
  for (const auto& [id, call] : s.calls) call->cancel();
  s.calls.clear();
  if (!s.emitter) return s.end();
  // What was emitted is written, then the service ends the stream.
  s.emitter->finish();
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
