// transports/tcp over real sockets, without core: fake sinks on one loop that the test runs itself, except where threads
// are what is tested.

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/post.hpp>
#include <nlohmann/json.hpp>

#include "catch.hpp"
#include "ferry_test_paths.hpp"
#include "serializers/json/json_serializer.hpp"
#include "transports/tcp/client.hpp"
#include "transports/tcp/extension.hpp"
#include "transports/tcp/framing.hpp"
#include "transports/tcp/server.hpp"

namespace {

using namespace ferry;
using namespace std::chrono_literals;
using nlohmann::json;
using spi::ReplyKind;

const serializers::JsonSerializer json_serializer;

class TestLoop final : public spi::Loop {
 public:
  explicit TestLoop(asio::io_context& io) : Loop(io.get_executor()), io_(io) {}
  bool in_loop() const noexcept override { return io_.get_executor().running_in_this_thread(); }

 private:
  asio::io_context& io_;
};

/// The loop lives as long as what runs on it.
struct TestIo : asio::io_context {
  using io_context::io_context;
  TestLoop loop{*this};
};

/// Runs the loop until `done` is true. Fails after a time that only a hang needs.
void run_until(asio::io_context& io, const std::function<bool()>& done) {
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
  void on_error(const Failure& failure) override { errors.push_back(failure.detail); }
};

void answer(const spi::DeliveryPtr& delivery, ReplyKind kind, std::string payload) { delivery->reply(kind, payload); }

void echo(const spi::DeliveryPtr& delivery) {
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

std::string framed(const std::string& body) {
  std::string out;
  tcp::append_frame(out, body, {}, {}, true);
  return out;
}

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

json vectors(const char* file) {
  std::ifstream in(std::string(FERRY_VECTOR_DIR) + "/" + file);
  return json::parse(in).at("vectors");
}

struct Certificates {
  Certificates() : directory(std::filesystem::temp_directory_path() / ("ferry-tcp-" + std::to_string(::getpid()))) {
    const std::string script = std::string(FERRY_TESTS_DIR) + "/interop/certs.sh";
    made = std::system((script + " " + directory.string()).c_str()) == 0;
  }
  ~Certificates() { std::filesystem::remove_all(directory); }
  std::string file(const char* name) const { return (directory / name).string(); }

  std::filesystem::path directory;
  bool made = false;
};

// ---- the service -----------------------------------------------------------------------------------------------------

TEST_CASE("tcp service: raw bytes in, NestJS's bytes out", "[tcp]") {
  TestIo io;
  Service wide(io, json::object());
  Service narrow(io, {{"maxBufferSize", 64}, {"incompleteMessageTimeout", 300}});
  wide.start();
  narrow.start();
  for (const auto& vector : vectors("tcp-framing.json")) {
    const std::string name = vector.at("name");
    INFO(name);
    const bool limited = name.starts_with("max_") || name.starts_with("incomplete");
    Service& service = limited ? narrow : wide;
    service.log.errors.clear();
    Raw raw(io, service.port());
    const bool ends = vector.at("serverSendsFin");
    const std::string expected = from_hex(vector.at("replyHex"));
    for (const auto& part : vector.at("sendHex")) {
      raw.send(from_hex(part));
      io.poll();
    }
    if (!ends) {
      raw.wait_for(expected.size());
      raw.end();
    }
    CHECK(raw.read_to_end() == expected);
    CHECK_FALSE(raw.reset);
    CHECK(service.log.errors.size() == (ends ? 1U : 0U));
  }
}

TEST_CASE("tcp service: odd packets are read as NestJS reads them", "[tcp]") {
  TestIo io;
  Service service(io, json::object());
  service.start();
  for (const auto& vector : vectors("tcp-server-incoming.json")) {
    const std::string body = vector.at("body");
    INFO(body);
    Raw raw(io, service.port());
    raw.send(framed(body));
    raw.end();
    const json& reply = vector.at("reply");
    CHECK(raw.read_to_end() == (reply.is_null() ? "" : framed(reply)));
    CHECK(service.log.errors.empty());
  }
}

TEST_CASE("tcp service: a peer that breaks a rule still gets what it is owed", "[tcp]") {
  TestIo io;
  Service service(io, json::object());
  spi::DeliveryPtr waiting;
  service.log.handle = [&waiting](spi::DeliveryPtr delivery) { waiting = std::move(delivery); };
  service.start();
  Raw raw(io, service.port());
  raw.send(framed(R"({"pattern":"slow","data":1,"id":"A"})") + "3#abc" + framed(R"({"pattern":"late","data":1,"id":"B"})"));
  run_until(io, [&] { return service.log.errors.size() == 1; });
  CHECK(service.log.errors[0].starts_with("Could not parse JSON: "));
  REQUIRE(waiting);
  CHECK(waiting->view().pattern == "slow");
  answer(waiting, ReplyKind::last_item, "2");
  waiting = {};
  CHECK(raw.read_to_end() == framed(R"({"response":2,"isDisposed":true,"id":"A"})"));
}

TEST_CASE("tcp service: a handler learns that its caller is gone", "[tcp]") {
  TestIo io;
  Service service(io, json::object());
  std::vector<spi::DeliveryPtr> waiting;
  service.log.handle = [&](spi::DeliveryPtr delivery) { waiting.push_back(std::move(delivery)); };
  service.start();
  Raw raw(io, service.port());
  raw.send(framed(R"({"pattern":"slow","id":"A"})") + framed(R"({"pattern":"event"})"));
  run_until(io, [&] { return waiting.size() == 2; });
  bool told = false;
  waiting[0]->on_abandoned([&told] { told = true; });
  raw.socket.set_option(asio::socket_base::linger(true, 0));
  raw.socket.close();
  run_until(io, [&] { return told; });
  CHECK(waiting[0]->abandoned());
  CHECK_FALSE(waiting[1]->abandoned());   // nobody ever waited for an event
  answer(waiting[0], ReplyKind::last_item, "1");
  CHECK(waiting[0]->view().pattern == "slow");   // the views live on
}

TEST_CASE("tcp service: a peer that writes everything before it reads does not lock up", "[tcp]") {
  TestIo io;
  Service service(io, json::object());
  service.start();
  Raw raw(io, service.port());
  const std::string body = R"({"pattern":"echo","data":")" + std::string(65536, 'x') + R"(","id":"A"})";
  std::string all;
  for (int i = 0; i < 256; ++i) all += framed(body);
  raw.send(all);   // 16 MiB, nothing of the 16 MiB that come back is read meanwhile
  const std::string reply = framed(R"({"response":")" + std::string(65536, 'x') + R"(","isDisposed":true,"id":"A"})");
  raw.wait_for(256 * reply.size());
  CHECK(raw.received.substr(raw.received.size() - reply.size()) == reply);
}

TEST_CASE("tcp service: a peer that never reads is dropped", "[tcp]") {
  TestIo io;
  Service service(io, {{"maxSendBufferSize", "4MiB"}});
  service.start();
  Raw raw(io, service.port());
  const std::string frame = framed(R"({"pattern":"echo","data":")" + std::string(65536, 'x') + R"(","id":"A"})");
  std::string_view rest;
  run_until(io, [&] {
    if (rest.empty()) rest = frame;
    raw.send_some(rest);
    return !service.log.errors.empty();
  });
  CHECK(service.log.errors[0].starts_with("The remote peer is not reading its responses: "));
  CHECK(service.log.errors[0].find("exceeds the maximum allowed 4194304") != std::string::npos);
}

TEST_CASE("tcp service: a stream waits for its reader", "[tcp]") {
  TestIo io;
  Service service(io, {{"sendHighWaterMark", "64KiB"}});
  spi::DeliveryPtr stream;
  service.log.handle = [&](spi::DeliveryPtr delivery) { stream = std::move(delivery); };
  service.start();
  Raw raw(io, service.port());
  raw.send(framed(R"({"pattern":"stream","id":"A"})"));
  run_until(io, [&] { return static_cast<bool>(stream); });
  std::size_t written = 0;
  const std::string item = '"' + std::string(1000, 'x') + '"';
  const auto fill = [&] {
    for (; stream->writable(); ++written) answer(stream, ReplyKind::item, item);
  };
  for (int round = 0; round < 3; ++round) {
    run_until(io, [&] {
      fill();
      return !stream->writable();
    });
    bool ready = false;
    stream->when_writable([&ready] { ready = true; });
    io.poll();
    const std::size_t before = written;
    run_until(io, [&] { return raw.read_some() || ready; });
    CHECK(written == before);
    CHECK(stream->writable());
  }
}

TEST_CASE("tcp service: what is answered is delivered before the end", "[tcp]") {
  TestIo io;
  Service service(io, json::object());
  service.start();
  Raw raw(io, service.port());
  const std::string request = framed(R"({"pattern":"echo","data":")" + std::string(1000, 'x') + R"(","id":"A"})");
  std::string many;
  for (int i = 0; i < 1000; ++i) many += request;
  raw.send(many);
  bool drained = false;
  service.server->drain([&drained] { drained = true; });
  run_until(io, [&] { return drained; });
  raw.send(request);   // comes too late, and its bytes must not turn the end into a reset
  bool closed = false;
  service.server->close(10s, [&closed] { closed = true; });
  service.closed = true;
  raw.read_to_end();
  CHECK_FALSE(raw.reset);
  const std::string reply = framed(R"({"response":")" + std::string(1000, 'x') + R"(","isDisposed":true,"id":"A"})");
  CHECK(raw.received.size() % reply.size() == 0);
  raw.socket.close();
  run_until(io, [&] { return closed; });
}

TEST_CASE("tcp service: pause holds frames that are read already", "[tcp]") {
  TestIo io;
  Service service(io, json::object());
  std::vector<std::string> seen;
  service.log.handle = [&](const spi::DeliveryPtr& delivery) {
    seen.emplace_back(delivery->view().pattern);
    if (seen.size() == 1) service.server->pause();
  };
  service.start();
  Raw raw(io, service.port());
  raw.send(framed(R"({"pattern":"a"})"));
  run_until(io, [&] { return seen.size() == 1; });
  raw.send(framed(R"({"pattern":"b"})") + framed(R"({"pattern":"c"})"));
  for (int i = 0; i < 50; ++i) io.poll();
  CHECK(seen.size() == 1);
  service.server->resume();
  run_until(io, [&] { return seen.size() == 3; });
  CHECK(seen == std::vector<std::string>{"a", "b", "c"});
}

TEST_CASE("tcp service: no more connections than configured", "[tcp]") {
  TestIo io;
  Service service(io, {{"maxConnections", 2}});
  service.start();
  Raw first(io, service.port());
  Raw second(io, service.port());
  run_until(io, [&] { return io.poll() == 0; });
  Raw third(io, service.port());
  third.read_to_end();
  CHECK(service.log.errors.size() == 1);
  first.socket.close();
  first.ended = true;
  run_until(io, [&] {
    Raw another(io, service.port());
    const std::string request = framed(R"({"pattern":"echo","data":1,"id":"A"})");
    std::string_view rest = request;
    another.send_some(rest);
    for (int i = 0; i < 20 && another.received.empty() && !another.ended; ++i) {
      io.run_one_for(5ms);
      another.read_some();
    }
    return !another.received.empty();
  });
}

TEST_CASE("tcp service: it says why it cannot listen", "[tcp]") {
  TestIo io;
  Service first(io, json::object());
  first.start();
  Service second(io, {{"port", first.port()}});
  const auto failure = second.listen();
  REQUIRE(failure);
  CHECK(failure->detail == "cannot listen on 127.0.0.1:" + std::to_string(first.port()) +
                               " (options port of service math): address already in use; choose another port or stop "
                               "the program that has it");
  CHECK(failure->code == std::errc::address_in_use);
  Service nowhere(io, {{"host", "192.0.2.1"}});
  CHECK(nowhere.listen().value().detail.find("this machine does not have that address") != std::string::npos);
}

TEST_CASE("tcp service: localhost is every address of it, on one port", "[tcp]") {
  TestIo io;
  Service service(io, {{"host", "localhost"}});
  service.start();
  CHECK(service.server->endpoint().starts_with("tcp://127.0.0.1:"));
  Caller four(io, {{"host", "127.0.0.1"}, {"port", service.port()}});
  four.connect();
  std::error_code error;
  asio::ip::tcp::acceptor(io).open(asio::ip::tcp::v6(), error);
  if (!error) {
    Caller name(io, {{"host", "localhost"}, {"port", service.port()}});
    name.connect();
    CHECK(name.request("1", "echo", "1"));
    CHECK(name.reply() == "1 1");
  }
}

TEST_CASE("tcp: a Unix-domain socket instead of a port", "[tcp]") {
  TestIo io;
  const std::string path =
      (std::filesystem::temp_directory_path() / ("ferry-" + std::to_string(::getpid()) + ".sock")).string();
  {
    Service service(io, {{"path", path}, {"pathMode", "0600"}});
    service.start();
    CHECK(service.server->endpoint() == "tcp+unix://" + path);
    CHECK((std::filesystem::status(path).permissions() & std::filesystem::perms::all) ==
          (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
    Service other(io, {{"path", path}});
    CHECK(other.listen().value().code == std::errc::address_in_use);
    Caller caller(io, {{"path", path}});
    caller.connect();
    CHECK(caller.log.connected == "tcp+unix://" + path);
    CHECK(caller.request("1", "echo", "[1,2]"));
    CHECK(caller.reply() == "1 [1,2]");
    caller.close();
  }
  CHECK_FALSE(std::filesystem::exists(path));
  {
    const int stale = ::socket(AF_UNIX, SOCK_STREAM, 0);   // as a killed program leaves it
    const asio::generic::stream_protocol::endpoint name{asio::local::stream_protocol::endpoint(path)};
    REQUIRE(::bind(stale, name.data(), static_cast<socklen_t>(name.size())) == 0);
    ::close(stale);
    Service service(io, {{"path", path}});
    service.start();
  }
}

// ---- the client ------------------------------------------------------------------------------------------------------

TEST_CASE("tcp client: requests, events and their outcomes", "[tcp]") {
  TestIo io;
  Service service(io, json::object());
  std::vector<std::string> events;
  service.log.handle = [&](const spi::DeliveryPtr& delivery) {
    if (!delivery->expects_reply()) events.emplace_back(delivery->view().payload);
    echo(delivery);
  };
  service.start();
  Caller caller(io, {{"port", service.port()}});
  caller.connect();
  CHECK(caller.log.connected == "tcp://127.0.0.1:" + std::to_string(service.port()));
  for (spi::EmitToken i = 0; i < 100; ++i) {
    CHECK(caller.emit(i, "counted", std::to_string(i)));
    CHECK(caller.log.emitted.empty());   // never from inside the call
  }
  const std::string large = '"' + std::string(3 << 20, 'x') + '"';
  CHECK(caller.request("a", "echo", large));
  CHECK(caller.request("b", "nobody", "1"));
  CHECK(caller.reply(1) == "b! \"There is no matching message handler defined in the remote service.\"");
  CHECK(caller.reply(0) == "a " + large);
  REQUIRE(events.size() == 100);
  CHECK(events[99] == "99");
  REQUIRE(caller.log.emitted.size() == 100);
  CHECK(caller.log.emitted[99] == 99);
}

TEST_CASE("tcp client: it says why it cannot connect", "[tcp]") {
  TestIo io;
  std::uint16_t port = 0;
  {
    Service gone(io, json::object());
    port = gone.start().port();
  }
  Caller caller(io, {{"port", port}});
  caller.attempt();
  REQUIRE(caller.log.disconnected);
  CHECK(caller.log.disconnected->detail ==
        "cannot connect to tcp://127.0.0.1:" + std::to_string(port) + ": connection refused");
  CHECK(caller.log.disconnected->code == errc::not_connected);
  CHECK(caller.log.disconnected->fate == Fate::not_sent);
  CHECK_FALSE(caller.request("a", "echo", "1"));
  CHECK(caller.refusal.code == errc::not_connected);
}

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

TEST_CASE("tcp client: a NestJS service sees one header of ours, once", "[tcp]") {
  TestIo io;
  RawService nest(io);
  Caller caller(io, {{"port", nest.port()}});
  caller.connect();
  Raw peer = nest.accept();
  const auto deadline = std::chrono::steady_clock::now() + 5s;
  CHECK(caller.emit(1, "evt", "0"));
  CHECK(caller.request("A", "echo", "1", {}, deadline));
  CHECK(caller.request("B", "echo", "2", Headers().set("k", "v"), deadline));
  CHECK(caller.request("C", "echo", "3", {}, deadline));
  caller.client->cancel("A");
  const std::string expected = framed(R"({"pattern":"evt","data":0})") +
                               framed(R"({"pattern":"echo","data":1,"metadata":{"ferry-peer":"1"},"id":"A"})") +
                               framed(R"({"pattern":"echo","data":2,"metadata":{"k":"v"},"id":"B"})") +
                               framed(R"({"pattern":"echo","data":3,"id":"C"})");
  peer.wait_for(expected.size());
  caller.close();
  CHECK(peer.read_to_end() == expected);
}

TEST_CASE("tcp client: nonsense from a service ends the connection", "[tcp]") {
  TestIo io;
  for (const char* nonsense : {"3#abc", "x#1", "0#", "2#{}5"}) {
    INFO(nonsense);
    RawService nest(io);
    Caller caller(io, {{"port", nest.port()}, {"incompleteMessageTimeout", 50}});
    caller.connect();
    Raw peer = nest.accept();
    CHECK(caller.request("A", "echo", "1"));
    peer.send(nonsense);
    run_until(io, [&] { return caller.log.disconnected.has_value(); });
    CHECK(caller.log.disconnected->code == errc::connection_lost);
    CHECK(caller.log.disconnected->detail.starts_with("Connection closed: "));
    peer.read_to_end();
  }
}

TEST_CASE("tcp client: the end of its service is seen at once", "[tcp]") {
  TestIo io;
  RawService nest(io);
  Caller caller(io, {{"port", nest.port()}});
  caller.connect();
  { Raw peer = nest.accept(); }
  run_until(io, [&] { return caller.log.disconnected.has_value(); });
  CHECK(caller.log.disconnected->code == errc::connection_lost);
  caller.log = {};
  caller.connect();   // again
}

TEST_CASE("tcp client: a service that does not read is refused more", "[tcp]") {
  TestIo io;
  RawService nest(io);
  Caller caller(io, {{"port", nest.port()}, {"maxSendBufferSize", "1MiB"}});
  caller.connect();
  Raw peer = nest.accept();
  const std::string payload = '"' + std::string(100000, 'x') + '"';
  int sent = 0;
  run_until(io, [&] {
    if (!caller.request("A", "echo", payload)) return true;
    ++sent;
    return false;
  });
  CHECK(caller.refusal.code == errc::overloaded);
  CHECK(caller.refusal.fate == Fate::not_sent);
  CHECK(sent > 8);
}

TEST_CASE("tcp client: close sends what was taken", "[tcp]") {
  TestIo io;
  Service service(io, json::object());
  std::size_t events = 0;
  service.log.handle = [&](const spi::DeliveryPtr&) { ++events; };
  service.start();
  Caller caller(io, {{"port", service.port()}});
  caller.connect();
  for (spi::EmitToken i = 0; i < 1000; ++i) CHECK(caller.emit(i, "e", '"' + std::string(1000, 'x') + '"'));
  caller.close(10s);
  CHECK(caller.log.emitted.size() == 1000);
  run_until(io, [&] { return events == 1000; });
  CHECK_FALSE(caller.log.disconnected);
}

// ---- between ferry peers ---------------------------------------------------------------------------------------------

TEST_CASE("tcp: ferry peers tell each other deadlines and cancels", "[tcp]") {
  TestIo io;
  const bool extensions = GENERATE(true, false);
  Service service(io, json::object(), extensions);
  std::vector<spi::DeliveryPtr> waiting;
  service.log.handle = [&](spi::DeliveryPtr delivery) {
    if (delivery->view().pattern == "echo") return echo(delivery);
    waiting.push_back(std::move(delivery));
  };
  service.start();
  Caller caller(io, {{"port", service.port()}});
  caller.connect();
  CHECK(caller.request("1", "echo", "1"));
  CHECK(caller.reply() == "1 1");
  const auto deadline = std::chrono::steady_clock::now() + 5s;
  CHECK(caller.request("2", "slow", "1", Headers().set("k", "v"), deadline));
  CHECK(caller.request("3", "slow", "1", {}, deadline));
  CHECK(caller.request("4", "slow", "1"));
  run_until(io, [&] { return waiting.size() == 3; });
  CHECK(waiting[0]->headers() == Headers().set("k", "v"));
  CHECK(waiting[1]->headers().empty());
  CHECK(waiting[0]->deadline().has_value() == extensions);
  CHECK_FALSE(waiting[2]->deadline());
  if (extensions) CHECK(std::chrono::abs(*waiting[1]->deadline() - deadline) < 2s);
  CHECK(caller.log.replies.size() == 1);   // not what the peers say to each other
  bool told = false;
  waiting[1]->on_abandoned([&told] { told = true; });
  caller.client->cancel("3");
  caller.client->cancel("unknown");
  CHECK(caller.request("5", "echo", "5"));
  CHECK(caller.reply(1) == "5 5");
  CHECK(told == extensions);
  CHECK_FALSE(waiting[0]->abandoned());
  CHECK(waiting.size() == 3);   // a cancel is no message
}

TEST_CASE("tcp: a timeout is told when it is another one", "[tcp]") {
  tcp::TimeoutNotice client;
  tcp::TimeoutNotice service;
  const auto none = tcp::TimeoutNotice::none;
  CHECK_FALSE(client.must_tell(none));
  CHECK(client.must_tell(30000ms));
  CHECK_FALSE(client.must_tell(30000ms));
  CHECK_FALSE(client.must_tell(29999ms));
  CHECK_FALSE(client.must_tell(30001ms));
  CHECK(client.must_tell(2000ms));
  CHECK(client.must_tell(2100ms));
  CHECK(client.must_tell(none));
  CHECK(client.must_tell(0ms));
  const auto read = [&](const std::string& text) {
    service.read(json_serializer, R"({"a":"ferry-timeout","ferry-timeout":")" + text + "\"}");
    return service.value();
  };
  CHECK(read("30000") == 30000ms);
  service.read(json_serializer, R"({"a":"\"ferry-timeout\":\"1"})");
  CHECK(service.value() == 30000ms);
  CHECK(read("none") == none);
  CHECK(read("1") == 1ms);
  CHECK(read("-1") == none);
  CHECK(read("99999999999999999999999") == none);
}

// ---- TLS -------------------------------------------------------------------------------------------------------------

TEST_CASE("tcp: TLS, with and without certificates of clients", "[tcp]") {
  const Certificates files;
  if (!files.made) {
    WARN("no openssl to make certificates with");
    return;
  }
  TestIo io;
  const json server_tls{{"key", files.file("server.key")}, {"cert", files.file("server.pem")}};
  Service service(io, {{"tlsOptions", server_tls}});
  service.start();
  CHECK(service.server->endpoint().starts_with("tcps://"));

  Caller caller(io, {{"port", service.port()}, {"tlsOptions", {{"ca", files.file("ca.pem")}}}});
  caller.connect();
  const std::string large = '"' + std::string(5 << 20, 'x') + '"';
  for (int i = 0; i < 3; ++i) {
    CHECK(caller.request("s", "echo", "[1,2,3]"));
    CHECK(caller.request("l", "echo", large));
    CHECK(caller.reply(static_cast<std::size_t>(2 * i)) == "s [1,2,3]");
    CHECK(caller.reply(static_cast<std::size_t>(2 * i + 1)) == "l " + large);
  }
  caller.close();

  const auto refusal = [&](Service& target, json options) {
    Caller refused(io, {{"port", target.port()}, {"host", "127.0.0.1"}, {"tlsOptions", std::move(options)}});
    refused.attempt();
    if (!refused.log.disconnected && !refused.log.connected.empty()) {   // TLS 1.3 tells a client afterwards
      refused.request("A", "echo", "1");
      run_until(io, [&] { return refused.log.disconnected || !refused.log.replies.empty(); });
    }
    return refused.log.disconnected ? refused.log.disconnected->detail : std::string();
  };
  CHECK(refusal(service, {{"ca", files.file("other-ca.pem")}}).find("certificate verify failed") != std::string::npos);
  CHECK(refusal(service, json::object()).find("TLS handshake failed") != std::string::npos);
  CHECK(refusal(service, {{"rejectUnauthorized", false}}).empty());
  CHECK(refusal(service, {{"ca", files.file("ca.pem")}, {"servername", "elsewhere"}}).find("mismatch") != std::string::npos);
  CHECK(refusal(service, {{"ca", files.file("ca.pem")}, {"servername", "elsewhere"}, {"checkServerIdentity", false}}).empty());

  json mutual = server_tls;
  mutual.update({{"ca", files.file("ca.pem")}, {"requestCert", true}});
  Service strict(io, {{"tlsOptions", mutual}});
  std::string subject;
  strict.log.handle = [&](const spi::DeliveryPtr& delivery) {
    subject = dynamic_cast<TcpContext&>(*delivery->context()).peer_certificate_subject();
    echo(delivery);
  };
  strict.start();
  const json known{{"ca", files.file("ca.pem")}, {"key", files.file("client.key")}, {"cert", files.file("client.pem")}};
  const json stranger{
      {"ca", files.file("ca.pem")}, {"key", files.file("stranger.key")}, {"cert", files.file("stranger.pem")}};
  CHECK(refusal(strict, known).empty());
  CHECK(subject == "CN=ferry test client");
  CHECK_FALSE(refusal(strict, {{"ca", files.file("ca.pem")}}).empty());
  CHECK_FALSE(refusal(strict, stranger).empty());
  CHECK(strict.log.errors.size() == 2);
}

TEST_CASE("tcp: wrong options are refused by name", "[tcp]") {
  TestIo io;
  const auto text = [&](const json& options) -> std::string {
    try {
      Service service(io, options);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  };
  CHECK(text({{"tlsOptions", json::object()}}).find("/options/tlsOptions/cert") != std::string::npos);
  const std::string missing = text({{"tlsOptions", {{"key", "none.key"}, {"cert", "none.pem"}}}});
  CHECK(missing.find("/options/tlsOptions/cert") != std::string::npos);
  CHECK(missing.find("none.pem: no such file or directory") != std::string::npos);
  CHECK(text({{"prot", 1}}).find("port") != std::string::npos);
  CHECK(text({{"path", std::string(200, 'p')}}).find("too long") != std::string::npos);
  CHECK(text({{"pathMode", "9"}}).find("octal") != std::string::npos);
}

TEST_CASE("tcp: options out of a URL", "[tcp]") {
  CHECK(tcp::options_from_url("tcp://math:3001") == json{{"host", "math"}, {"port", 3001}});
  CHECK(tcp::options_from_url("tcp://[::1]") == json{{"host", "::1"}});
  CHECK(tcp::options_from_url("tcp://h:1?maxBufferSize=64") == json{{"host", "h"}, {"port", 1}, {"maxBufferSize", "64"}});
  CHECK(tcp::options_from_url("tcps://h:1?ca=a%20b.pem&servername=math") ==
        json{{"host", "h"}, {"port", 1}, {"tlsOptions", {{"ca", "a b.pem"}, {"servername", "math"}}}});
  CHECK(tcp::options_from_url("tcp+unix:///run/math.sock") == json{{"path", "/run/math.sock"}});
  for (const char* url : {"http://h", "tcp://", "tcp://h:x", "tcp://h:70000", "tcp://h/p", "tcp://u@h", "tcp://h?ca=x",
                          "tcp://h?x", "tcp://[::1", "tcp+unix://", "tcp://h%2", "tcps://h?tlsOptions=x&ca=y"}) {
    INFO(url);
    CHECK_THROWS_AS(tcp::options_from_url(url), ConfigError);
  }
}

// ---- threads ---------------------------------------------------------------------------------------------------------

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
