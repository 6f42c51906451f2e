#pragma once
// A client whose transport does what the test says; time passes where a policy waits for it, a millisecond or so.

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../support/await.hpp"
#include "../support/outcome.hpp"
#include "catch.hpp"
#include "ferry/ferry.hpp"
#include "refusal.hpp"

namespace ferry::test::resilience {

using namespace std::chrono_literals;
using nlohmann::json;

/// What becomes of a message.
enum class Kind {
  answer,   // 1
  silence,
  not_taken,      // the transport refuses it
  lost,           // reported afterwards, perhaps received
  rejected,       // by the handler
  unknown_there,  // answered by a service without such a handler
  nobody_there,   // as a broker says it
  value_then_lost,
  disconnect,     // the connection goes with it
};

struct Seen {
  std::string id;   // empty: an event
  std::string route;
  std::string payload;
  Headers headers;
  std::chrono::steady_clock::time_point deadline;
};

/// What happens on the other side. Threads: any.
class Peer {
 public:
  void will(std::vector<Kind> kinds, Kind then = Kind::answer) {
    const std::lock_guard lock(mutex_);
    next_.assign(kinds.begin(), kinds.end());
    then_ = then;
  }
  Kind take() {
    const std::lock_guard lock(mutex_);
    if (next_.empty()) return then_;
    const Kind kind = next_.front();
    next_.pop_front();
    return kind;
  }
  Watched<std::vector<Seen>> seen;
  Watched<std::vector<std::string>> cancelled;
  std::atomic<int> refused_connects{0};
  std::atomic<spi::ClientSink*> sink{nullptr};

  /// The answer to what was met with silence.
  void answer(const Client& client, std::string id) {
    client.loop().post([this, id = std::move(id)] { reply(id); });
  }
  void reply(const std::string& id) {
    spi::ReplyView view;
    view.id = id;
    view.has_value = view.last = true;
    view.value = "1";
    sink.load()->on_reply(view);
  }
  std::size_t count() const { return seen.get().size(); }
  bool reaches(std::size_t n) const {
    return seen.wait([n](const auto& all) { return all.size() >= n; });
  }

 private:
  std::mutex mutex_;
  std::deque<Kind> next_;
  Kind then_ = Kind::answer;
};

class FakeClient final : public spi::ClientTransport {
 public:
  FakeClient(spi::ClientEnvironment environment, spi::ClientSink& sink, Peer& peer)
      : loop_(*environment.loop), sink_(sink), peer_(peer) {
    peer_.sink = &sink;
  }
  void connect() override {
    loop_.post([this] {
      if (peer_.refused_connects > 0) {
        --peer_.refused_connects;
        sink_.on_disconnected(Failure(errc::not_connected, "refused", Fate::not_sent));
      } else {
        sink_.on_connected("fake");
      }
    });
  }
  bool request(const spi::OutgoingMessage& message, Failure& failure) override {
    const std::string id(message.id);
    return take(message, failure, [this, id](const Failure* lost) {
      if (lost == nullptr) return peer_.reply(id);
      sink_.on_request_failed(id, *lost);
    });
  }
  bool emit(const spi::OutgoingMessage& message, spi::EmitToken token, Failure& failure) override {
    return take(message, failure, [this, token](const Failure* lost) { sink_.on_emitted(token, lost); });
  }
  void cancel(std::string_view id) override {
    peer_.cancelled.change([id](auto& all) { all.emplace_back(id); });
  }
  void pause() override {}
  void resume() override {}
  void close(std::chrono::milliseconds, std::function<void()> done) override { loop_.post(std::move(done)); }

 private:
  bool take(const spi::OutgoingMessage& message, Failure& failure, std::function<void(const Failure*)> end) {
    const std::string id(message.id);
    peer_.seen.change([&](auto& all) {
      all.push_back({id, message.pattern->route(), std::move(*message.payload), *message.headers, message.deadline});
    });
    const auto fails = [&](errc code, Fate fate) {
      loop_.post([end, code, fate] {
        const Failure lost(code, "fake", fate);
        end(&lost);
      });
    };
    switch (peer_.take()) {
      case Kind::answer: loop_.post([end] { end(nullptr); }); break;
      case Kind::silence: break;
      case Kind::not_taken: failure = Failure(errc::overloaded, "fake", Fate::not_sent); return false;
      case Kind::lost: fails(errc::connection_lost, Fate::unknown); break;
      case Kind::rejected: loop_.post([this, id] { error(id, R"({"status":"error","message":"no"})"); }); break;
      case Kind::unknown_there:
        loop_.post([this, id] { error(id, R"("There is no matching message handler defined in the remote service.")"); });
        break;
      case Kind::nobody_there: fails(errc::no_handler, Fate::not_sent); break;
      case Kind::value_then_lost:
        loop_.post([this, id, end] {
          spi::ReplyView view;
          view.id = id;
          view.has_value = true;
          view.value = "1";
          sink_.on_reply(view);
          const Failure lost(errc::connection_lost, "fake", Fate::unknown);
          end(&lost);
        });
        break;
      case Kind::disconnect:
        loop_.post([this] { sink_.on_disconnected(Failure(errc::connection_lost, "fake")); });
    }
    return true;
  }
  void error(const std::string& id, std::string_view body) {
    spi::ReplyView view;
    view.id = id;
    view.failed = view.last = true;
    view.error = body;
    sink_.on_reply(view);
  }

  const spi::Loop& loop_;
  spi::ClientSink& sink_;
  Peer& peer_;
};

class FakeTransport final : public spi::Transport {
 public:
  explicit FakeTransport(Peer& peer) : peer_(peer) {}
  std::string_view name() const noexcept override { return "fake"; }
  const spi::Capabilities& capabilities() const noexcept override { return promises_; }
  spi::OptionTable client_options() const noexcept override { return {}; }
  spi::OptionTable server_options() const noexcept override { return {}; }
  std::span<const std::string_view> schemes() const noexcept override { return {}; }
  json options_from_url(std::string_view) const override { return {}; }
  std::unique_ptr<spi::ClientTransport> make_client(spi::ClientEnvironment environment, spi::ClientSink& sink) const override {
    return std::make_unique<FakeClient>(std::move(environment), sink, peer_);
  }
  std::unique_ptr<spi::ServerTransport> make_server(spi::ServerEnvironment, spi::ServerSink&) const override { return nullptr; }

 private:
  spi::Capabilities promises_{.headers = true, .reply_streams = true};
  Peer& peer_;
};

/// A message whose handler makes calls.
class HandledMessage final : public spi::Delivery {
 public:
  HandledMessage(const spi::Loop& loop, const spi::Serializer& serializer, std::optional<std::chrono::steady_clock::time_point> deadline)
      : spi::Delivery(loop, serializer) {
    view_.has_id = true;
    view_.id = "\"its id\"";
    deadline_ = deadline;
  }
  void reply(spi::ReplyKind, std::string&) override {}

 private:
  void dispose() noexcept override { delete this; }
};

struct World {
  explicit World(json settings) {
    settings["transport"] = "fake";
    if (!settings.contains("reconnect")) settings["reconnect"] = {{"backoff", 1}, {"maxBackoff", 1}};
    if (settings.contains("retry") && !settings["retry"].contains("backoff")) settings["retry"]["backoff"] = 1;
    Plugins plugins;
    plugins.add(std::make_shared<FakeTransport>(peer));
    app = std::make_unique<Application>(
        Config::from_json({{"threads", 1}, {"logLevel", "off"}, {"clients", {{"C", std::move(settings)}}}}), std::move(plugins));
  }
  ~World() {
    app.reset();
    set_log_level(LogLevel::error);
  }
  Client client() { return app->client("C"); }
  std::size_t count() const { return peer.count(); }

  Peer peer;
  Outcomes outcomes;
  std::unique_ptr<Application> app;
};

/// The failure a call ends with.
template <class T>
Failure failure_of(Call<T> call) {
  try {
    static_cast<void>(std::move(call).get());
  } catch (const Error& error) {
    return error.failure();
  }
  return {};
}

inline json retry(int attempts, json more = json::object()) {
  json settings{{"attempts", attempts}, {"backoff", 1}, {"maxBackoff", 2}};
  settings.update(more);
  return {{"retry", settings}};
}

}  // namespace ferry::test::resilience
