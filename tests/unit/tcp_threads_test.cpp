// A tcp service on several loops, with replies from other threads.

#include <atomic>
#include <thread>

#include <asio/executor_work_guard.hpp>

#include "tcp_fixture.hpp"

namespace {

using namespace ferry;
using namespace ferry::test;

/// A loop with a thread.
struct Worker {
  TestIo io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  std::thread thread{[this] { io.run(); }};
  void stop() {
    work.reset();
    thread.join();
  }
};

TEST_CASE("tcp: replies from other threads, over several loops", "[tcp]") {
  Worker loops[2];
  Worker pool;
  struct Sink final : spi::ServerSink {
    asio::io_context* pool = nullptr;
    std::atomic<std::size_t> messages{0};
    void on_message(spi::DeliveryPtr delivery) override {
      if (messages.fetch_add(1) % 2 == 0) return echo(delivery);
      asio::post(*pool, [delivery = std::move(delivery)] {
        static_cast<void>(delivery->writable());
        echo(delivery);
      });
    }
    void on_status(StatusEvent) override {}
    void on_disconnected(Failure why) override { FAIL_CHECK(why.detail); }
    void on_error(const Failure& failure) override { FAIL_CHECK(failure.detail); }
  } sink;
  sink.pool = &pool.io;
  spi::ServerEnvironment environment;
  environment.loop = &loops[0].io.loop;
  environment.loops = {&loops[0].io.loop, &loops[1].io.loop};
  environment.serializer = &json_serializer;
  environment.options = spi::Options::parse({{"port", 0}, {"host", "127.0.0.1"}}, tcp::server_option_table(), {"t", ""});
  tcp::Server server(std::move(environment), sink);
  std::atomic<bool> ready{false};
  asio::post(loops[0].io, [&] { server.listen({}, [&ready](const Failure* failure) { ready = failure == nullptr; }); });
  TestIo io;
  run_until(io, [&] { return ready.load(); });
  const std::string url = server.endpoint();
  const int port = std::stoi(url.substr(url.rfind(':') + 1));

  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < 4; ++i) callers.push_back(std::make_unique<Caller>(io, json{{"port", port}}));
  std::size_t replies = 0;
  for (const auto& caller : callers) {
    caller->connect();
    caller->log.handle = [&replies](const spi::ReplyView&) { ++replies; };
  }
  for (int i = 0; i < 500; ++i) {
    const std::string payload = '"' + std::string(i % 50 == 0 ? 40000 : 10, 'x') + '"';
    for (const auto& caller : callers) CHECK(caller->request("A" + std::to_string(i), "echo", payload));
    if (i % 100 == 99) callers[0]->client->cancel("A" + std::to_string(i));
    io.poll();
  }
  run_until(io, [&] { return replies == 2000; });
  // One caller goes with requests on their way, so that replies meet a connection that is gone.
  for (int i = 0; i < 200; ++i) callers[3]->request("B", "echo", "1");
  io.poll();
  callers.pop_back();
  for (const auto& caller : callers) caller->close();
  std::atomic<bool> closed{false};
  asio::post(loops[0].io, [&] { server.drain([&] { server.close(1s, [&closed] { closed = true; }); }); });
  run_until(io, [&] { return closed.load(); });
  pool.stop();
  loops[1].stop();
  loops[0].stop();
}

}  // namespace
