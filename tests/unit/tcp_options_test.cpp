// Options that cannot be used, and options out of a URL.

#include "tcp_fixture.hpp"

namespace {

using namespace ferry;
using namespace ferry::test;

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

}  // namespace
