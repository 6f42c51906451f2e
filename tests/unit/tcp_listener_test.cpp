// Where a tcp service listens, and whom it lets in.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asio/local/stream_protocol.hpp>

#include "tcp_fixture.hpp"

namespace {

using namespace ferry;
using namespace ferry::test;

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

}  // namespace

TEST_CASE("tcp: a program that the process starts inherits neither port nor connection", "[tcp]") {
  TestIo io;
  Service service(io, {});
  service.start();
  Caller caller(io, {{"host", "127.0.0.1"}, {"port", service.port()}});
  caller.connect();
  CHECK(caller.request("1", "echo", "1"));
  CHECK(caller.reply() == "1 1");
  int ours = 0;
  int inherited = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int descriptor = std::stoi(entry.path().filename().string());
    asio::ip::tcp::endpoint local;
    asio::ip::tcp::endpoint remote;
    auto local_size = static_cast<socklen_t>(local.capacity());
    auto remote_size = static_cast<socklen_t>(remote.capacity());
    if (::getsockname(descriptor, local.data(), &local_size) != 0 || local.data()->sa_family != AF_INET) continue;
    const bool connected = ::getpeername(descriptor, remote.data(), &remote_size) == 0;
    if (local.port() != service.port() && !(connected && remote.port() == service.port())) continue;
    ++ours;
    if ((::fcntl(descriptor, F_GETFD) & FD_CLOEXEC) == 0) ++inherited;
  }
  CHECK(ours == 3);   // the port, and both ends of the connection
  CHECK(inherited == 0);
}
