#include "broker.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <string_view>
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
using namespace std::string_view_literals;

struct Kind {
  std::string_view name;
  std::string_view scheme;
  std::string_view ask;     // said to it
  std::string_view hears;   // how its answer begins; empty: it is enough to be let in
};

constexpr std::chrono::seconds start_limit{90};   // RabbitMQ's 4 s of computing, on a machine that does much else

constexpr std::array kinds{
    Kind{"redis", "redis", "PING\r\n", "+PONG"},
    Kind{"nats", "nats", "", "INFO"},
    // Its answer, because it forgets a SIGTERM that comes when it listens and does not work yet.
    Kind{"mosquitto", "mqtt", std::string_view("\x10\x0c\0\4MQTT\4\2\0\0\0\0", 14), "\x20\x02"},
    Kind{"rabbitmq", "amqp", "AMQP\0\0\x09\x01"sv, "\x01"},
    // An ApiVersions request; the answer's size is below 64 KiB.
    Kind{"kafka", "kafka", "\0\0\0\x0a\0\x12\0\0\0\0\0\1\xff\xff"sv, "\0\0"sv},
};

const Kind& kind_of(std::string_view name) {
  for (const Kind& each : kinds) {
    if (each.name == name) return each;
  }
  throw std::runtime_error("no broker is named " + std::string(name));
}

/// Waits for something to be written to a directory: a broker that is ready says so in its log.
class DirectoryWatch {
 public:
  explicit DirectoryWatch(const std::string& path) : descriptor_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    if (descriptor_ < 0 || inotify_add_watch(descriptor_, path.c_str(), IN_CREATE | IN_MODIFY) < 0) {
      throw std::runtime_error("cannot watch " + path);
    }
  }
  ~DirectoryWatch() { close(descriptor_); }
  DirectoryWatch(const DirectoryWatch&) = delete;
  DirectoryWatch& operator=(const DirectoryWatch&) = delete;

  /// Returns when something was written since the last time, when the process has ended, or after `limit`.
  void wait(pid_t process, std::chrono::milliseconds limit) const {
    const int ended = static_cast<int>(syscall(SYS_pidfd_open, process, 0));
    std::array<pollfd, 2> events{pollfd{descriptor_, POLLIN, 0}, pollfd{ended, POLLIN, 0}};
    poll(events.data(), ended < 0 ? 1 : 2, static_cast<int>(limit.count()));
    if (ended >= 0) close(ended);
    std::array<char, 4096> heard;
    while (read(descriptor_, heard.data(), heard.size()) > 0) {
    }
  }

 private:
  int descriptor_;
};

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
  // It has passwords, or alerts us that this is no TLS: it is up.
  return said.starts_with(kind.hears) || said.starts_with("-NOAUTH") || said.front() == '\x15';
}

void Broker::start() {
  std::vector<std::string> arguments{FERRY_TESTS_DIR "/../scripts/brokers", "run", name_, "--directory", directory_.path()};
  if (durable_) arguments.push_back("--durable");
  const DirectoryWatch log_written(directory_.path() + "/" + name_);
  process_ = std::make_unique<Process>(std::move(arguments));
  const auto limit = std::chrono::steady_clock::now() + start_limit;
  while (!answers()) {
    const bool ended = process_->ended();
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(limit - std::chrono::steady_clock::now());
    if (ended || left <= 0ms) {
      process_->signal(SIGKILL);
      const Finished finished = process_->wait();
      const std::string said = finished.err + finished.out + log();
      throw std::runtime_error(name_ + (ended ? " ended at once: " : " does not answer: ") +
                               said.substr(said.size() - std::min<std::size_t>(said.size(), 2000)));
    }
    log_written.wait(process_->pid(), left);
  }
  running_ = true;
}

void Broker::end(int signal) {
  running_ = false;
  process_->signal(signal);
  process_->wait();
}

std::string Broker::tell(const std::string& call) const {
  const std::string port = directory_.read(name_ + "/dist-port");
  Process told({"/usr/bin/env", "erl_call", "-address", "127.0.0.1:" + port.substr(0, port.find('\n')), "-c", "ferry", "-a", call});
  const Finished finished = told.wait();
  const bool failed = finished.code != 0 || finished.out.find("'EXIT'") != std::string::npos;
  if (failed) throw std::runtime_error("RabbitMQ did not take " + call + ": " + finished.err + finished.out);
  return finished.out;
}

void Broker::kill() { end(SIGKILL); }
void Broker::stop() { end(SIGTERM); }

}  // namespace ferry::test
