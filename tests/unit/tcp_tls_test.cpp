// tcp over TLS.

#include <unistd.h>

#include <cstdlib>

#include "ferry_test_paths.hpp"
#include "tcp_fixture.hpp"

namespace {

using namespace ferry;
using namespace ferry::test;

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

}  // namespace
