#include "broker.hpp"

#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/write.hpp>

#include "ferry_test_paths.hpp"
#include "gate.hpp"

namespace ferry::test {
namespace {

using namespace std::chrono_literals;

struct Kind {
  std::string_view name;
  std::string_view scheme;
  std::string_view ask;     // said to it
  std::string_view hears;   // how its answer begins; empty: it is enough to be let in
};

constexpr std::array kinds{
    Kind{"redis", "redis", "PING\r\n", "+PONG"},
    Kind{"nats", "nats", "", "INFO"},
    Kind{"mosquitto", "mqtt", "", ""},
};

const Kind& kind_of(std::string_view name) {
  for (const Kind& each : kinds) {
    if (each.name == name) return each;
  }
  throw std::runtime_error("no broker is named " + std::string(name));
}

}  // namespace

Broker::Broker(std::string name, std::string configuration, bool durable)
    : name_(std::move(name)), durable_(durable), port_(free_port()) {
  constexpr std::string_view variable = "${PORT}";
  for (std::size_t at = 0; (at = configuration.find(variable, at)) != std::string::npos;) {
    configuration.replace(at, variable.size(), std::to_string(port_));
  }
  directory_.write(name_ + "/port", std::to_string(port_) + "\n");
  if (!configuration.empty()) directory_.write(name_ + "/extra.conf", configuration + "\n");
  start();
}

Broker::~Broker() = default;

std::string Broker::url() const {
  return std::string(kind_of(name_).scheme) + "://127.0.0.1:" + std::to_string(port_);
}

bool Broker::answers() const {
  const Kind& kind = kind_of(name_);
  asio::io_context context;
  asio::ip::tcp::socket socket(context);
  std::error_code error;
  socket.connect({asio::ip::address_v4::loopback(), port_}, error);
  if (error) return false;
  const timeval limit{1, 0};
  setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  asio::write(socket, asio::buffer(kind.ask), error);
  if (error || kind.hears.empty()) return !error;
  std::array<char, 64> answer;
  const ssize_t size = recv(socket.native_handle(), answer.data(), answer.size(), 0);
  if (size <= 0) return size == 0 || errno == ECONNRESET;   // it wants TLS: it is up
  const std::string_view said(answer.data(), static_cast<std::size_t>(size));
  return said.starts_with(kind.hears) || said.starts_with("-NOAUTH");   // it has passwords: it is up
}

void Broker::start() {
  std::vector<std::string> arguments{FERRY_TESTS_DIR "/../scripts/brokers", "run", name_, "--directory", directory_.path()};
  if (durable_) arguments.push_back("--durable");
  process_ = std::make_unique<Process>(std::move(arguments));
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(Process::deadline_seconds);
  while (!answers()) {
    const bool ended = process_->ended();
    if (ended || std::chrono::steady_clock::now() > limit) {
      process_->signal(SIGKILL);
      const Finished finished = process_->wait();
      const std::string said = finished.err + finished.out + log();
      throw std::runtime_error(name_ + (ended ? " ended at once: " : " does not answer: ") +
                               said.substr(said.size() - std::min<std::size_t>(said.size(), 2000)));
    }
    std::this_thread::sleep_for(2ms);
  }
}

void Broker::end(int signal) {
  process_->signal(signal);
  process_->wait();
}

void Broker::kill() { end(SIGKILL); }
void Broker::stop() { end(SIGTERM); }

}  // namespace ferry::test
