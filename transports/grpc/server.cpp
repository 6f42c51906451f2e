#include "transports/grpc/server.hpp"

#include <utility>

#include <asio/steady_timer.hpp>

#include "ferry/log.hpp"
#include "transports/grpc/contract_method.hpp"
#include "transports/grpc/endpoint.hpp"
#include "transports/grpc/envelope.hpp"
#include "transports/grpc/envelope_method.hpp"

namespace ferry::grpc {
namespace {

class EnvelopePaths final : public Paths {
 public:
  explicit EnvelopePaths(const spi::Serializer& serializer) : method_(serializer) {}

  const ServerMethod* find(std::string_view path, CallStatus& refusal) const override {
    if (path == envelope::send_path) return &method_;
    refusal = {static_cast<int>(Code::unimplemented),
               "The server does not implement the method " + std::string(path) +
                   ": this ferry service has no contract (protoPath), it answers ferry.v1.Envelope"};
    return nullptr;
  }
  const ServerMethod* events(std::string_view path) const override {
    return path == envelope::emit_path ? &method_ : nullptr;
  }

 private:
  const EnvelopeServerMethod method_;
};

}  // namespace

/// Touched on the main loop.
struct Server::State {
  State(spi::ServerEnvironment from, spi::ServerSink& to)
      : environment(std::move(from)),
        sink(to),
        service(std::make_shared<Service>(environment, sink, server_settings(environment))),
        contract(Contract::read(environment.options, environment.directory, *environment.serializer)),
        kill_timer(environment.loop->executor()) {}

  /// Null, with `failure` set, if these handlers and the contract do not go together.
  std::shared_ptr<const Paths> paths(const std::vector<spi::Subscription>& subscriptions, std::optional<Failure>& failure);
  BuiltIns built_ins() const;
  /// Once: no new calls from now on.
  void shut_down();
  void ended();

  const spi::ServerEnvironment environment;
  spi::ServerSink& sink;
  const std::shared_ptr<Service> service;
  const std::shared_ptr<const Contract> contract;   // null in envelope mode
  std::unique_ptr<Endpoint> endpoint;
  std::string address;
  asio::steady_timer kill_timer;
  std::shared_ptr<bool> alive = std::make_shared<bool>();   // gone: what was posted does nothing
  bool shut = false;       // gRPC was told
  bool all_over = false;   // and every call has ended
  std::function<void()> closed;
};

std::shared_ptr<const Paths> Server::State::paths(const std::vector<spi::Subscription>& subscriptions,
                                                  std::optional<Failure>& failure) {
  if (!contract) return std::make_shared<EnvelopePaths>(*environment.serializer);
  std::vector<std::string> warnings;
  const bool strict = environment.options.boolean("strict");
  auto made = std::make_shared<ContractPaths>(contract, subscriptions, strict, failure, warnings);
  if (failure) return nullptr;
  for (const std::string& warning : warnings) log(LogLevel::warn, "service " + environment.name, warning);
  return made;
}

BuiltIns Server::State::built_ins() const {
  BuiltIns all;
  if (environment.options.boolean("health")) {
    std::vector<std::string> names;
    if (contract) {
      for (const Rpc& rpc : contract->protos().rpcs()) names.push_back(rpc.service);
    } else {
      names.emplace_back("ferry.v1.Envelope");
    }
    add_health(names, all);
  }
  if (environment.options.boolean("reflection")) {
    add_reflection(std::shared_ptr<const Protos>(contract, &contract->protos()), all);
  }
  return all;
}

void Server::State::shut_down() {
  if (std::exchange(shut, true)) return;
  service->drain();
  if (!endpoint) {
    all_over = true;
    return;
  }
  endpoint->shut_down([this, loop = environment.loop, weak = std::weak_ptr<bool>(alive)] {
    loop->post([this, weak] {
      if (!weak.expired()) ended();
    });
  });
}

void Server::State::ended() {
  all_over = true;
  kill_timer.cancel();
  if (closed) std::exchange(closed, nullptr)();
}

Server::Server(spi::ServerEnvironment environment, spi::ServerSink& sink)
    : state_(std::make_unique<State>(std::move(environment), sink)) {}

Server::~Server() {
  state_->alive.reset();
  state_->service->silence();
  state_->shut_down();
  if (state_->endpoint) state_->endpoint->cancel_calls();
  state_->endpoint.reset();   // waits for calls that were just ended
}

void Server::listen(std::vector<spi::Subscription> subscriptions, std::function<void(const Failure*)> done) {
  State& s = *state_;
  std::optional<Failure> failure;
  if (auto paths = s.paths(subscriptions, failure)) {
    auto endpoint = std::make_unique<Endpoint>(s.service, std::move(paths), s.built_ins());
    failure = endpoint->open();
    if (!failure) {
      s.endpoint = std::move(endpoint);
      s.address = (s.service->settings().credentials ? "grpcs://" : "grpc://") + s.endpoint->address();
    }
  }
  s.environment.loop->post([&s, weak = std::weak_ptr<bool>(s.alive), failure, done = std::move(done)] {
    if (weak.expired()) return;
    if (!failure) s.sink.on_status({Status::connected, s.address});
    done(failure ? &*failure : nullptr);
  });
}

void Server::pause() {
  for (const auto& lane : state_->service->lanes()) lane->set_paused(true);
}

void Server::resume() {
  for (const auto& lane : state_->service->lanes()) lane->set_paused(false);
}

void Server::drain(std::function<void()> done) {
  const auto barrier = std::make_shared<Barrier>(*state_->environment.loop, std::move(done));
  state_->shut_down();
  for (const auto& lane : state_->service->lanes()) lane->put({{}, {}, barrier});
}

void Server::close(std::chrono::milliseconds limit, std::function<void()> done) {
  State& s = *state_;
  s.shut_down();
  s.service->silence();
  // Each lane on its own loop, after which the sink hears nothing from it.
  const auto lanes_closed = std::make_shared<Barrier>(*s.environment.loop, [&s, weak = std::weak_ptr<bool>(s.alive), limit, done] {
    if (weak.expired()) return;
    if (s.all_over) return done();
    s.closed = done;
    s.kill_timer.expires_after(limit);
    s.kill_timer.async_wait([&s, weak](std::error_code error) {
      if (!error && !weak.expired()) s.endpoint->cancel_calls();
    });
  });
  for (const auto& lane : s.service->lanes()) lane->loop().post([lane, lanes_closed] { lane->close(); });
}

std::string Server::endpoint() const { return state_->address; }

spi::NativeHandle Server::native() noexcept {
  if (!state_->endpoint) return {};
  return spi::NativeHandle::of(state_->endpoint->server());
}

}  // namespace ferry::grpc
