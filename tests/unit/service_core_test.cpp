// A service and its broker: one that is away, that goes and that comes back; and what becomes of failed messages.

#include "service_core.hpp"

#include "../support/await.hpp"
#include "catch.hpp"
#include "ferry/detail/handler.hpp"
#include "ferry/log.hpp"
#include "serializers/json/json_serializer.hpp"

using namespace ferry;
using namespace ferry::detail;
using namespace ferry::test;
using namespace std::chrono_literals;

namespace {

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
  void pause() override {}
  void resume() override {}
  void drain(std::function<void()> done) override {
    if (!silent_) loop_.post(std::move(done));
  }
  void close(std::chrono::milliseconds, std::function<void()> done) override { loop_.post(std::move(done)); }

  std::function<void(const Failure*)> unanswered;   // of the attempt that is; touched on the loop

 private:
  Counter& attempts_;
  std::atomic<bool>& up_;
  std::atomic<bool>& silent_;
  const spi::Loop& loop_;
};

/// A request whose caller is said to wait, or not.
class Delivery final : public spi::Delivery {
 public:
  Delivery(const spi::Loop& loop, const spi::Serializer& serializer, bool awaited, Watched<std::vector<spi::Settlement>>& settled)
      : spi::Delivery(loop, serializer), settled_(settled) {
    view_.pattern_form = spi::RequestView::PatternForm::text;
    view_.pattern = "count";
    view_.has_id = true;
    view_.id = "\"1\"";
    if (!awaited) abandon();
  }
  void reply(spi::ReplyKind, std::string&) override {}
  void settle(spi::Settlement outcome) override {
    settled_.change([outcome](auto& all) { all.push_back(outcome); });
  }

 private:
  void dispose() noexcept override { delete this; }
  Watched<std::vector<spi::Settlement>>& settled_;
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
  bool becomes(Status status) {
    return statuses.wait([status](const auto& all) { return !all.empty() && all.back() == status; });
  }

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

ServiceSettings settings_of(bool waits, std::int64_t attempts = -1) {
  ServiceSettings settings;
  settings.name = "s";
  settings.wait_on_first_connect = waits;
  settings.reconnect = {attempts, 1ms, 5ms};
  return settings;
}

}  // namespace

TEST_CASE("service: a broker that is away at the start is an error, and nothing is tried again") {
  World world(settings_of(false));
  world.up = false;
  const auto failure = world.listen();
  REQUIRE(failure);
  CHECK(failure->code == errc::not_connected);
  CHECK(world.attempts.get() == 1);
}

TEST_CASE("service: it may start without its broker, and is there when the broker is") {
  World world(settings_of(true));
  world.up = false;
  CHECK_FALSE(world.listen());
  CHECK(world.attempts.reaches(5));
  CHECK(world.service.status() != Status::connected);
  world.up = true;
  CHECK(world.becomes(Status::connected));
}

TEST_CASE("service: it comes back after its broker was lost") {
  World world(settings_of(false));
  CHECK_FALSE(world.listen());
  CHECK(world.becomes(Status::connected));
  world.up = false;
  world.service.on_disconnected(Failure(errc::connection_lost, "gone"));
  CHECK(world.attempts.reaches(4));
  CHECK(world.statuses.get().back() != Status::connected);
  world.up = true;
  CHECK(world.becomes(Status::connected));
  const auto statuses = world.statuses.get();
  CHECK(std::count(statuses.begin(), statuses.end(), Status::disconnected) >= 3);
  CHECK(world.errors.get() == 0);
}

TEST_CASE("service: when no attempt is left it says so, once") {
  World world(settings_of(false, 2));
  CHECK_FALSE(world.listen());
  world.up = false;
  world.service.on_disconnected(Failure(errc::connection_lost, "gone"));
  CHECK(world.errors.reaches(1));
  CHECK(world.attempts.get() == 3);
  CHECK(world.becomes(Status::disconnected));
}

TEST_CASE("service: a drain does not wait for a broker that did not answer its attempt") {
  World world(settings_of(false));
  world.lose_a_broker_that_falls_silent();
  Counter drained;
  world.service.drain([&] { drained.add(); });
  CHECK(drained.reaches(1));
}

TEST_CASE("service: an attempt that succeeds while it drains changes nothing") {
  World world(settings_of(false));
  world.lose_a_broker_that_falls_silent();
  Counter drained;
  world.service.drain([&] { drained.add(); });
  REQUIRE(drained.reaches(1));
  Counter answered;
  world.runtime.loops().front()->post([&] {
    std::exchange(world.broker->unanswered, nullptr)(nullptr);
    answered.add();
  });
  REQUIRE(answered.reaches(1));
  CHECK(world.statuses.get().back() == Status::draining);
}

TEST_CASE("service: a drain ends the attempts") {
  World world(settings_of(true));
  world.up = false;
  CHECK_FALSE(world.listen());
  CHECK(world.attempts.reaches(2));
  Counter drained;
  world.service.drain([&] { drained.add(); });
  CHECK(drained.reaches(1));
  const int before = world.attempts.get();
  Counter later;   // ten of the longest waits
  asio::steady_timer timer(world.runtime.loops().front()->executor(), 50ms);
  timer.async_wait([&](std::error_code) { later.add(); });
  CHECK(later.reaches(1));
  CHECK(world.attempts.get() == before);
  CHECK(world.becomes(Status::draining));
}

TEST_CASE("service: a request that its caller has cancelled already is not handled") {
  World world(settings_of(false));
  Counter handled;
  const auto count = [&] { handled.add(); };
  world.service.add({Pattern("count"), false, std::make_shared<HandlerFor<decltype(count)>>(count)});
  CHECK_FALSE(world.listen());
  const serializers::JsonSerializer serializer;
  Watched<std::vector<spi::Settlement>> settled;
  const spi::Loop& loop = *world.runtime.loops().front();
  const auto arrives = [&](bool awaited) {
    loop.post([&, awaited] { world.service.on_message(spi::DeliveryPtr(new Delivery(loop, serializer, awaited, settled))); });
  };
  arrives(false);
  REQUIRE(settled.wait([](const auto& all) { return all.size() == 1; }));
  CHECK(handled.get() == 0);
  CHECK(world.service.counters().expired == 1);
  arrives(true);
  REQUIRE(settled.wait([](const auto& all) { return all.size() == 2; }));
  CHECK(handled.get() == 1);
  CHECK(settled.get() == std::vector(2, spi::Settlement::ack));
}
