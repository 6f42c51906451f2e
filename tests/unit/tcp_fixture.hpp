#pragma once
// transports/tcp over real sockets, without core: fake sinks on one loop that the test runs itself.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <nlohmann/json.hpp>

#include "catch.hpp"
#include "serializers/json/json_serializer.hpp"
#include "test_loop.hpp"
#include "transports/tcp/client.hpp"
#include "transports/tcp/framing.hpp"
#include "transports/tcp/server.hpp"

namespace ferry::test {

using namespace std::chrono_literals;
using nlohmann::json;
using spi::ReplyKind;

inline const serializers::JsonSerializer json_serializer;

/// The loop lives as long as what runs on it.
struct TestIo : asio::io_context {
  using io_context::io_context;
  TestLoop loop{*this};
};

/// Runs the loop until `done` is true. Fails after a time that only a hang needs.
inline void run_until(asio::io_context& io, const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (!done()) {
    io.restart();
    io.run_one_for(2ms);
    io.poll();
    if (std::chrono::steady_clock::now() > deadline) FAIL("waited in vain");
  }
}

struct ServiceLog final : spi::ServerSink {
  std::function<void(spi::DeliveryPtr)> handle;
  std::vector<std::string> errors;
  std::vector<Status> statuses;

  void on_message(spi::DeliveryPtr delivery) override { handle(std::move(delivery)); }
  void on_status(StatusEvent event) override { statuses.push_back(event.status); }
  void on_disconnected(Failure why) override { FAIL_CHECK(why.detail); }
  void on_error(const Failure& failure) override { errors.push_back(failure.detail); }
};

inline void answer(const spi::DeliveryPtr& delivery, ReplyKind kind, std::string payload) { delivery->reply(kind, payload); }

inline void echo(const spi::DeliveryPtr& delivery) {
  const spi::RequestView& view = delivery->view();
  if (!view.has_id) return;
  if (view.pattern != "echo") return answer(delivery, ReplyKind::no_handler, "");
  // Through a value, as a real handler would: "escaped pair" comes back unescaped.
  std::string payload;
  if (view.has_payload) json_serializer.encode(json_serializer.decode(view.payload).value(), payload);
  answer(delivery, view.has_payload ? ReplyKind::last_item : ReplyKind::end, std::move(payload));
}

struct Service {
  Service(TestIo& context, json options, bool extensions = true) : io(context), loop(context.loop) {
    options.emplace("port", 0);
    options.emplace("host", "127.0.0.1");
    spi::ServerEnvironment environment;
    environment.name = "math";
    environment.loop = &loop;
    environment.loops = {&loop};
    environment.serializer = &json_serializer;
    environment.options = spi::Options::parse(options, tcp::server_option_table(), {"test.json", "/options"});
    environment.directory = std::filesystem::temp_directory_path().string();
    environment.extensions = extensions;
    log.handle = echo;
    server = std::make_unique<tcp::Server>(std::move(environment), log);
  }
  ~Service() {
    if (server && !closed) close(0ms);
  }

  std::optional<Failure> listen() {
    std::optional<Failure> result;
    bool done = false;
    server->listen({}, [&](const Failure* failure) {
      done = true;
      if (failure != nullptr) result = *failure;
    });
    run_until(io, [&] { return done; });
    return result;
  }
  Service& start() {
    const auto failure = listen();
    INFO((failure ? failure->detail : ""));
    REQUIRE_FALSE(failure);
    return *this;
  }
  void close(std::chrono::milliseconds limit) {
    bool done = false;
    server->close(limit, [&done] { done = true; });
    run_until(io, [&] { return done; });
    closed = true;
  }
  std::uint16_t port() const {
    const std::string url = server->endpoint();
    return static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
  }

  TestIo& io;
  TestLoop& loop;
  ServiceLog log;
  std::unique_ptr<tcp::Server> server;
  bool closed = false;
};

struct ClientLog final : spi::ClientSink {
  std::string connected;
  std::optional<Failure> disconnected;
  std::vector<std::string> replies;   // "id value" or "id! error"
  std::vector<spi::EmitToken> emitted;
  std::function<void(const spi::ReplyView&)> handle;

  void on_connected(std::string_view peer) override { connected = peer; }
  void on_disconnected(Failure why) override { disconnected = std::move(why); }
  void on_reply(const spi::ReplyView& reply) override {
    if (handle) return handle(reply);
    replies.push_back(std::string(reply.id) + (reply.failed ? "! " : " ") +
                      std::string(reply.failed ? reply.error : reply.value));
  }
  void on_request_failed(std::string_view, const Failure&) override { FAIL("no broker, nobody to refuse"); }
  void on_writable(std::string_view) override { FAIL("no stream of requests was begun"); }
  void on_emitted(spi::EmitToken token, const Failure* failure) override {
    CHECK(failure == nullptr);
    emitted.push_back(token);
  }
  void on_error(const Failure&) override {}
  void on_status(StatusEvent) override {}
};

struct Caller {
  Caller(TestIo& context, json options, bool extensions = true) : io(context), loop(context.loop) {
    options.emplace("host", "127.0.0.1");
    spi::ClientEnvironment environment;
    environment.name = "MATH";
    environment.loop = &loop;
    environment.serializer = &json_serializer;
    environment.options = spi::Options::parse(options, tcp::client_option_table(), {"test.json", "/options"});
    environment.directory = std::filesystem::temp_directory_path().string();
    environment.extensions = extensions;
    client = std::make_unique<tcp::Client>(std::move(environment), log);
  }

  void attempt() {
    client->connect();
    run_until(io, [this] { return !log.connected.empty() || log.disconnected; });
  }
  Caller& connect() {
    attempt();
    INFO((log.disconnected ? log.disconnected->detail : ""));
    REQUIRE_FALSE(log.connected.empty());
    return *this;
  }
  bool request(std::string_view id, std::string pattern, std::string payload, Headers headers = {},
               std::chrono::steady_clock::time_point deadline = {}) {
    const Pattern wanted(pattern);
    spi::OutgoingMessage message{&wanted, true, &payload, &headers, id, deadline};
    return client->request(message, refusal);
  }
  bool emit(spi::EmitToken token, std::string pattern, std::string payload) {
    const Pattern wanted(pattern);
    const Headers none;
    spi::OutgoingMessage message{&wanted, true, &payload, &none, {}, {}};
    return client->emit(message, token, refusal);
  }
  std::string reply(std::size_t n = 0) {
    run_until(io, [&] { return log.replies.size() > n; });
    return log.replies[n];
  }
  void close(std::chrono::milliseconds limit = 1s) {
    bool done = false;
    client->close(limit, [&done] { done = true; });
    run_until(io, [&] { return done; });
  }

  TestIo& io;
  TestLoop& loop;
  ClientLog log;
  Failure refusal;
  std::unique_ptr<tcp::Client> client;
};

/// A peer that sends what it is told to.
struct Raw {
  Raw(asio::io_context& context, std::uint16_t port) : io(context), socket(context) {
    socket.connect({asio::ip::make_address("127.0.0.1"), port});
    socket.non_blocking(true);
  }
  Raw(asio::io_context& context, asio::ip::tcp::socket s) : io(context), socket(std::move(s)) { socket.non_blocking(true); }

  bool send_some(std::string_view& bytes) {
    std::error_code error;
    const std::size_t sent = socket.write_some(asio::buffer(bytes.data(), bytes.size()), error);
    bytes.remove_prefix(sent);
    return !error || error == asio::error::would_block;
  }
  void send(std::string_view bytes) {
    run_until(io, [&] { return !send_some(bytes) || bytes.empty(); });
  }
  void end() { socket.shutdown(asio::ip::tcp::socket::shutdown_send); }
  bool read_some() {
    char buffer[65536];
    std::error_code error;
    while (!ended) {
      const std::size_t got = socket.read_some(asio::buffer(buffer), error);
      received.append(buffer, got);
      if (error == asio::error::would_block) break;
      ended = static_cast<bool>(error);
      reset = ended && error != asio::error::eof;
    }
    return ended;
  }
  std::string read_to_end() {
    run_until(io, [this] { return read_some(); });
    return received;
  }
  void wait_for(std::size_t bytes) {
    run_until(io, [&] { return read_some() || received.size() >= bytes; });
    REQUIRE(received.size() >= bytes);
  }

  asio::io_context& io;
  asio::ip::tcp::socket socket;
  std::string received;
  bool ended = false;
  bool reset = false;
};

inline std::string framed(const std::string& body) {
  return std::string(tcp::LengthPrefix(body, {}, {}, true)) + body;
}

/// A service that does what it is told to.
struct RawService {
  explicit RawService(asio::io_context& context)
      : io(context), acceptor(context, {asio::ip::make_address("127.0.0.1"), 0}) {}
  std::uint16_t port() const { return acceptor.local_endpoint().port(); }
  Raw accept() {
    acceptor.non_blocking(true);
    asio::ip::tcp::socket socket(io);
    run_until(io, [&] {
      std::error_code error;
      acceptor.accept(socket, error);
      return !error;
    });
    return Raw(io, std::move(socket));
  }
  asio::io_context& io;
  asio::ip::tcp::acceptor acceptor;
};

}  // namespace ferry::test
