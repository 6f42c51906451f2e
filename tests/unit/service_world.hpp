#pragma once
// A service whose broker and messages do what the test says.

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../support/await.hpp"
#include "catch.hpp"
#include "ferry/detail/handler.hpp"
#include "ferry/log.hpp"
#include "serializers/json/json_serializer.hpp"
#include "service_core.hpp"

namespace ferry::test::service {

using namespace ferry::detail;
using namespace std::chrono_literals;

/// A transport whose broker does what the test says.
class Scripted final : public spi::Transport {
 public:
  std::string_view name() const noexcept override { return "scripted"; }
  const spi::Capabilities& capabilities() const noexcept override { return none_; }
  spi::OptionTable client_options() const noexcept override { return {}; }
  spi::OptionTable server_options() const noexcept override { return {}; }
  std::span<const std::string_view> schemes() const noexcept override { return {}; }
  nlohmann::json options_from_url(std::string_view) const override { return {}; }
  std::unique_ptr<spi::ClientTransport> make_client(spi::ClientEnvironment, spi::ClientSink&) const override { return nullptr; }
  std::unique_ptr<spi::ServerTransport> make_server(spi::ServerEnvironment, spi::ServerSink&) const override { return nullptr; }

 private:
  spi::Capabilities none_;
};

class Broker final : public spi::ServerTransport {
 public:
  Broker(Counter& attempts, std::atomic<bool>& up, std::atomic<bool>& silent, const spi::Loop& loop)
      : attempts_(attempts), up_(up), silent_(silent), loop_(loop) {}
  void listen(std::vector<spi::Subscription>, std::function<void(const Failure*)> done) override {
    attempts_.add();
    if (silent_) {
      unanswered = std::move(done);
      return;
    }
    loop_.post([this, done = std::move(done)] {
      const Failure away(errc::not_connected, "the broker is away", Fate::not_sent);
      done(up_ ? nullptr : &away);
    });
  }
  void pause() override { set_paused(true); }
  void resume() override { set_paused(false); }
  void drain(std::function<void()> done) override {
    if (!silent_) loop_.post(std::move(done));
  }
  void close(std::chrono::milliseconds, std::function<void()> done) override { loop_.post(std::move(done)); }

  std::function<void(const Failure*)> unanswered;   // of the attempt that is; touched on the loop
  Watched<bool> paused{false};

 private:
  void set_paused(bool is) {
    paused.change([is](bool& value) { value = is; });
  }
  Counter& attempts_;
  std::atomic<bool>& up_;
  std::atomic<bool>& silent_;
  const spi::Loop& loop_;
};

/// A message as it comes. Its payload is JSON text.
struct Incoming {
  std::string pattern = "work";
  std::string payload = "1";
  bool request = false;
  bool awaited = true;   ///< nobody has cancelled it yet
  std::uint32_t deliveries = 1;
  bool can_be_requeued = false;
  std::optional<std::chrono::steady_clock::time_point> deadline = {};
  Headers headers = {};
};

/// What became of messages.
struct Fates {
  Watched<std::vector<spi::Settlement>> settled;
  Watched<std::vector<std::string>> answers;   // errors and last values

  bool ended(std::size_t count) const {
    return settled.wait([count](const auto& all) { return all.size() >= count; });
  }
};

class Delivery final : public spi::Delivery {
 public:
  Delivery(const spi::Loop& loop, const spi::Serializer& serializer, Incoming message, Fates& fates)
      : spi::Delivery(loop, serializer), message_(std::move(message)), fates_(fates) {
    view_.pattern_form = spi::RequestView::PatternForm::text;
    view_.pattern = message_.pattern;
    view_.has_payload = true;
    view_.payload = message_.payload;
    view_.has_id = message_.request;
    view_.id = "\"1\"";
    deadline_ = message_.deadline;
    if (!message_.awaited) abandon();
  }
  Headers headers() const override { return message_.headers; }
  std::uint32_t deliveries() const noexcept override { return message_.deliveries; }
  bool can_be_requeued() const noexcept override { return message_.can_be_requeued; }
  void reply(spi::ReplyKind, std::string& payload) override {
    fates_.answers.change([&](auto& all) { all.push_back(payload); });
  }
  void settle(spi::Settlement outcome) override {
    fates_.settled.change([outcome](auto& all) { all.push_back(outcome); });
  }

 private:
  void dispose() noexcept override { delete this; }
  const Incoming message_;
  Fates& fates_;
};

struct World {
  explicit World(ServiceSettings settings) : service(std::move(settings), transport, runtime.next_loop(), runtime) {
    set_log_level(LogLevel::off);
    auto made = std::make_unique<Broker>(attempts, up, silent, *runtime.loops().front());
    broker = made.get();
    service.attach(std::move(made));
    service.on_status_change([this](const StatusEvent& event) {
      statuses.change([&](auto& all) { all.push_back(event.status); });
    });
    service.on_error_report([this](const Failure&) { errors.add(); });
  }
  ~World() {
    Counter closed;
    service.close(100ms, [&] { closed.add(); });
    CHECK(closed.reaches(1));
    runtime.stop(1s);
    service.detach();
    set_log_level(LogLevel::error);
  }
  /// The outcome of the start, once it is known.
  std::optional<Failure> listen() {
    Watched<std::optional<std::optional<Failure>>> started;
    service.listen([&](const Failure* failure) {
      started.change([&](auto& value) { value.emplace(failure == nullptr ? std::nullopt : std::optional<Failure>(*failure)); });
    });
    REQUIRE(started.wait([](const auto& value) { return value.has_value(); }));
    return *started.get();
  }
  /// It comes back, lets us in, and answers nothing.
  void lose_a_broker_that_falls_silent() {
    CHECK_FALSE(listen());
    silent = true;
    service.on_disconnected(Failure(errc::connection_lost, "gone"));
    REQUIRE(attempts.reaches(2));
  }
  template <class F>
  void handles(const char* pattern, bool events, F handler) {
    service.add({Pattern(pattern), events, std::make_shared<HandlerFor<F>>(std::move(handler))});
  }
  void arrives(Incoming message) {
    const spi::Loop& loop = *runtime.loops().front();
    loop.post([this, &loop, message = std::move(message)]() mutable {
      service.on_message(spi::DeliveryPtr(new Delivery(loop, serializer, std::move(message), fates)));
    });
  }
  void drains() {
    service.drain([this] { drained.add(); });
    CHECK(drained.reaches(1));
  }
  bool becomes(Status status) {
    return statuses.wait([status](const auto& all) { return !all.empty() && all.back() == status; });
  }

  const serializers::JsonSerializer serializer;
  Fates fates;
  Counter drained;
  Counter attempts;
  Counter errors;
  std::atomic<bool> up{true};
  std::atomic<bool> silent{false};   // it lets us in, and answers nothing
  Watched<std::vector<Status>> statuses;
  Scripted transport;
  Broker* broker = nullptr;
  Runtime runtime{1, 1};
  ServiceCore service;
};

inline ServiceSettings settings_of(bool waits, std::int64_t attempts = -1) {
  ServiceSettings settings;
  settings.name = "s";
  settings.wait_on_first_connect = waits;
  settings.reconnect = {attempts, 1ms, 5ms};
  return settings;
}

}  // namespace ferry::test::service
