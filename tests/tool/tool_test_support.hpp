#pragma once
// What the tests of the `ferry` command share: running it, and services of the test for it to talk to.

#include <filesystem>
#include <future>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <ferry/ferry.hpp>
#include <nlohmann/json.hpp>

#include "support/await.hpp"
#include "support/process.hpp"

namespace ferry::test {

/// `ferry` of this build, with these arguments.
std::vector<std::string> command(std::vector<std::string> arguments);
Finished ferry_tool(std::vector<std::string> arguments, std::string_view standard_input = {});

/// Whether `ferry transports` knows it; else says that the test is not applicable.
bool has_transport(const std::string& name);

inline bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// A service in this process, on a free port.
class Service {
 public:
  /// What the events carried: data and headers.
  using Seen = Watched<std::vector<std::pair<std::string, Headers>>>;

  Service();
  ~Service();
  std::string port() const { return url.substr(url.rfind(':') + 1); }
  std::uint64_t messages() const { return app.services().front().messages; }
  /// Waits until `echo` was asked more often than that.
  bool received_more_than(std::uint64_t count) const {
    return echoes.wait([count](std::uint64_t heard) { return heard > count; });
  }

  Seen seen;
  Watched<std::uint64_t> echoes;
  Application app;
  std::string url;

 private:
  task<void> until_the_end();
  asio::steady_timer end_{app.runtime().next_loop().executor(), asio::steady_timer::time_point::max()};
};

/// Accepts one connection, reads until it has `text`, and hangs up.
class RudePeer {
 public:
  explicit RudePeer(std::string text) : thread_([this, text = std::move(text)] { serve(text); }) {}
  ~RudePeer() { thread_.join(); }

  std::string url() const { return "tcp://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()); }
  std::string received() { return received_.get_future().get(); }

 private:
  void serve(const std::string& text);

  asio::io_context context_;
  asio::ip::tcp::acceptor acceptor_{context_, {asio::ip::make_address("127.0.0.1"), 0}};
  std::promise<std::string> received_;
  std::thread thread_;
};

/// Where nobody listens.
std::string free_url();

/// A directory that goes with the test.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  /// The path of a file with this text.
  std::string file(const std::string& name, std::string_view text) const;
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

/// `ferry listen`, and where.
struct Listener {
  explicit Listener(std::vector<std::string> arguments) : process(command(std::move(arguments))) {
    const std::string line = process.line_of_stderr("listening on ");
    url = line.substr(line.find("tcp://"));
  }
  Process process;
  std::string url;
};

}  // namespace ferry::test
