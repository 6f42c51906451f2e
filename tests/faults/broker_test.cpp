// The brokers that other tests stand on: they come back where they were, and leave nothing behind.

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include <asio.hpp>

#include "../support/broker.hpp"
#include "catch.hpp"
#include "ferry_test_paths.hpp"

using namespace ferry::test;
using namespace std::chrono_literals;

namespace {

/// Says `text` to a broker and reads until `expected` comes; what came instead, if it does not.
std::string talk(std::uint16_t port, const std::string& text, const std::string& expected) {
  asio::io_context context;
  asio::ip::tcp::socket socket(context);
  socket.connect({asio::ip::address_v4::loopback(), port});
  asio::write(socket, asio::buffer(text));
  const timeval limit{5, 0};
  setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  std::string all;
  char buffer[4096];
  while (all.find(expected) == std::string::npos) {
    const ssize_t size = recv(socket.native_handle(), buffer, sizeof buffer, 0);
    if (size <= 0) return all;
    all.append(buffer, static_cast<std::size_t>(size));
  }
  return expected;
}

std::string nats_request(const std::string& subject, const std::string& body) {
  return "CONNECT {\"verbose\":false}\r\nSUB answer 1\r\nPUB " + subject + " answer " + std::to_string(body.size()) +
         "\r\n" + body + "\r\n";
}

bool is_open(std::uint16_t port) {
  asio::io_context context;
  asio::ip::tcp::socket socket(context);
  std::error_code error;
  socket.connect({asio::ip::address_v4::loopback(), port}, error);
  return !error;
}

Finished brokers(std::vector<std::string> arguments, const ScratchDirectory& directory) {
  arguments.insert(arguments.begin(), FERRY_TESTS_DIR "/../scripts/brokers");
  arguments.insert(arguments.end(), {"--native", "--directory", directory.path()});
  return Process(std::move(arguments)).wait();
}

}  // namespace

TEST_CASE("Redis is killed and comes back with its data") {
  Broker broker("redis", "", true);
  const std::uint16_t port = broker.port();
  CHECK(broker.url() == "redis://127.0.0.1:" + std::to_string(port));
  CHECK(talk(port, "SET kept 1\r\n", "+OK\r\n") == "+OK\r\n");
  for (int i = 0; i < 2; ++i) {
    const pid_t before = broker.pid();
    broker.kill();
    CHECK_FALSE(is_open(port));
    broker.start();
    CHECK(broker.pid() != before);
    CHECK(talk(port, "GET kept\r\n", "$1\r\n1\r\n") == "$1\r\n1\r\n");
  }
  broker.stop();
  CHECK_FALSE(is_open(port));
}

TEST_CASE("NATS is killed and comes back with its streams") {
  Broker broker("nats", "max_payload: 16MB");
  CHECK(talk(broker.port(), "", "\"max_payload\":16777216") == "\"max_payload\":16777216");
  CHECK(talk(broker.port(), nats_request("$JS.API.STREAM.CREATE.KEPT", R"({"name":"KEPT","subjects":["kept"]})"),
             "\"did_create\":true") == "\"did_create\":true");
  for (int i = 0; i < 2; ++i) {
    broker.kill();
    CHECK_FALSE(is_open(broker.port()));
    broker.start();
    CHECK(talk(broker.port(), nats_request("$JS.API.STREAM.NAMES", "{}"), "[\"KEPT\"]") == "[\"KEPT\"]");
  }
}

TEST_CASE("RabbitMQ is one process, reached by calls, and comes back") {
  Broker broker("rabbitmq");
  CHECK(broker.url() == "amqp://127.0.0.1:" + std::to_string(broker.port()));
  broker.tell("mnesia create_table [kept,[{disc_copies,[ferry@localhost]}]]");
  broker.kill();
  CHECK_FALSE(is_open(broker.port()));
  broker.start();
  CHECK_THAT(broker.tell("mnesia table_info [kept,disc_copies]"), Catch::Contains("ferry@localhost"));
  CHECK_THROWS(broker.tell("mnesia table_info [never,disc_copies]"));
  CHECK_THROWS(broker.tell("no_such_module call []"));
}

TEST_CASE("a broker that cannot start says why") {
  CHECK_THROWS_WITH(Broker("redis", "maxmemory plenty"), Catch::Contains("ended at once") && Catch::Contains("maxmemory"));
  CHECK_THROWS_WITH(Broker("nats", "port: {"), Catch::Contains("ended at once"));
}

TEST_CASE("a broker ends with the process that started it") {
  struct Started {
    pid_t pid;
    std::uint16_t port;
  };
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  if (child == 0) {   // no destructor runs here
    const Broker broker("redis");
    const Started started{broker.pid(), broker.port()};
    static_cast<void>(!write(ends[1], &started, sizeof started));
    pause();
  }
  Started started{};
  REQUIRE(read(ends[0], &started, sizeof started) == sizeof started);
  pollfd broker{static_cast<int>(syscall(SYS_pidfd_open, started.pid, 0)), POLLIN, 0};   // readable when it has ended
  REQUIRE(broker.fd >= 0);
  CHECK(poll(&broker, 1, 0) == 0);
  REQUIRE(kill(child, SIGKILL) == 0);
  REQUIRE(waitpid(child, nullptr, 0) == child);
  CHECK(poll(&broker, 1, 10000) == 1);
  CHECK_FALSE(is_open(started.port));
  for (const int each : {ends[0], ends[1], broker.fd}) close(each);
}

TEST_CASE("scripts/brokers starts native brokers, says where they are, and ends them") {
  const ScratchDirectory directory;
  const Finished up = brokers({"up", "redis", "nats"}, directory);
  CAPTURE(up.err);
  REQUIRE(up.code == 0);
  const std::string redis_port = directory.read("redis/port");
  const std::string addresses = directory.read("brokers.env");
  CHECK(addresses == "REDIS_URL=redis://127.0.0.1:" + redis_port + "NATS_URL=nats://127.0.0.1:" + directory.read("nats/port"));
  const auto port = static_cast<std::uint16_t>(std::stoi(redis_port));
  CHECK(talk(port, "PING\r\n", "+PONG\r\n") == "+PONG\r\n");

  const std::string status = brokers({"status"}, directory).out;
  CHECK(brokers({"up", "redis"}, directory).out == status);   // it runs already: nothing happens
  CHECK_THAT(status, Catch::Contains("pid " + directory.read("redis/pid")));

  CHECK(brokers({"down", "nats"}, directory).code == 0);
  CHECK(directory.read("brokers.env") == "REDIS_URL=redis://127.0.0.1:" + redis_port);
  CHECK(brokers({"down"}, directory).code == 0);
  CHECK_FALSE(is_open(port));
  CHECK(brokers({"status"}, directory).out.empty());
  CHECK(brokers({"down"}, directory).code == 0);
}

TEST_CASE("scripts/brokers does not end what is not its broker") {
  const ScratchDirectory directory;
  directory.write("redis/pid", std::to_string(getpid()));
  CHECK(brokers({"down", "redis"}, directory).code == 0);
  SUCCEED("we live");
  const Finished wrong = brokers({"up", "cassandra"}, directory);
  CHECK(wrong.code == 1);
  CHECK_THAT(wrong.err, Catch::Contains("no broker is named cassandra"));
}
